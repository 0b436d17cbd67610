"""What a deployment may choose, read once from the environment and `.env`.

Takes environment variables, gives one frozen `Settings`. The only module that reads the
environment, and nothing is read when it is imported.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from sales_forecast.database_trust import verified, written
from sales_forecast.errors import SettingsError, brief, in_words

LAST_PORT = 65535
_USUAL_PARAMS = Path("params.yaml")
_LEAST_SECRET = 32
_MAY_BE_EMPTY = {"api_key", "trusted_proxies"}
"""What has a sentence of its own, and what is a list."""
NO_KEYS = "-"
"""What stands for no file of keys, where something must stand."""


def problem_of_key(key: str) -> str | None:
    """Return why a key asks for nothing or cannot be sent, for service and client alike."""
    if not key.strip():
        return "it is empty: leave it out, and everyone may ask, or set a key."
    if not (key.isascii() and key.isprintable()) or key != key.strip():
        return "a header carries letters, digits and signs of ASCII alone."
    return None


class Settings(BaseSettings):
    """One value per environment variable of the same name in upper case."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True)

    var_dir: Path = Path("var")
    """Where bundles, the default databases and the download cache live."""
    params_file: Path = _USUAL_PARAMS
    """What a training may choose, if it is there; see `params`."""
    database_url: str = Field(default_factory=lambda told: f"sqlite:///{told['var_dir']}/sales.db")
    source_database_url: SecretStr | None = None
    """A database that is asked for sales, by a query in a file; see `data.connectors.sql`."""
    source_keys: Annotated[Mapping[str, SecretStr], NoDecode] = {}
    """Name -> key of sources of the web, as JSON."""
    database_ca: str | None = None
    """Who signs the certificate of the database: text in PEM, or a file; "-": as the URL says."""
    database_service_user: str | None = None
    """The login of the service, to which whoever makes the tables gives its rights."""
    mlflow_tracking_uri: str = Field(
        default_factory=lambda told: f"sqlite:///{told['var_dir']}/mlflow.db"
    )
    mlflow_tracking_username: str | None = None
    mlflow_tracking_password: SecretStr | None = None
    """The login of a tracking server that asks for one; MLflow's own client reads both as well."""
    model_uri: str = Field(default_factory=lambda told: f"{told['var_dir']}/champion")
    """A bundle folder, or a registered model such as `models:/Sales-Forecasting@champion`."""
    api_key: SecretStr | None = None
    api_keys_file: Path | None = None
    """Names, roles and hashes of further keys, or their text; "-": none; see `service.api_keys`."""
    rate_limit: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Requests a minute of one key, or of one address where none is asked for; each worker counts
    its own."""
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    """Addresses or networks, with commas between, whose `X-Forwarded-For` is believed."""
    session_secret: SecretStr | None = None
    """What signs the sessions of the page; unset: a secret that is made once in VAR_DIR."""
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=LAST_PORT)] = 8000
    access_log: bool = True
    """Whether each request is a line on the standard output; a tenth of the speed."""
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """How many processes answer; each holds the model once."""
    threads: Annotated[int, Field(ge=1, le=64)] = 1
    """How many reads of one worker may wait for the database at once."""
    prometheus_multiproc_dir: Path | None = None
    """Where the workers count together; `main.py` names a folder to its own."""
    prediction_ledger: bool = True
    """Whether every answer is kept; see `data.ledger`."""
    prediction_retention_days: Annotated[int, Field(ge=1, le=36500)] = 400
    """How long."""
    override_lock_periods: Annotated[int, Field(ge=0, le=366)] = 0
    """How many weeks (or days) after the last known one no override may change any more."""
    override_retention_days: Annotated[int, Field(ge=1, le=36500)] = 1100
    """How long an override says who made it; afterwards a number stands for the person."""
    refresh_seconds: Annotated[float, Field(gt=0, le=3600)] = 5.0
    """How often the service looks for new weeks and a new champion."""
    forecast_horizon: Annotated[int, Field(ge=1, le=3660)] | None = None
    """How many periods ahead `train.py forecast` looks; unset: 52 weeks, or 90 days."""
    csv_for_spreadsheets: bool = False
    """Whether names in CSV files that a spreadsheet could take for formulas are made inert."""
    notify_webhook_url: SecretStr | None = None
    """Where `monitor.py run` posts what it did, in the form of Slack; its address is a secret."""
    notify_sns_topic_arn: (
        Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]+:.+$")] | None
    ) = None
    """A topic of SNS that is told the same."""
    export_uri: str | None = None
    """A folder, or s3://BUCKET/PREFIX, that the weekly job writes forecasts and answers to."""
    cloudwatch_namespace: Annotated[str, Field(pattern=r"^[A-Za-z0-9_./#-]{1,255}$")] | None = None
    """Where in CloudWatch that job says how good forecasts turned out to be."""

    @field_validator("params_file")
    @classmethod
    def _is_there(cls, file: Path) -> Path:
        """Refuse a file that is named and not there: the defaults would count, and nobody knew."""
        if file != _USUAL_PARAMS and not file.exists():
            raise ValueError(f"there is no file {file}.")
        return file

    @field_validator("database_url")
    @classmethod
    def _is_kept(cls, url: str) -> str:
        """Refuse a database in memory: what one command loads, no other would find."""
        if url.rstrip("/") in {"sqlite:", "sqlite:///:memory:"}:
            raise ValueError("it names no file; sqlite:///var/sales.db does.")
        return url

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _are_networks(cls, told: object) -> object:
        """Take a list with commas. Refuse what is no network, with an example of one."""
        if not isinstance(told, str):
            return told
        parts = [part.strip() for part in told.split(",") if part.strip()]
        for part in parts:
            try:
                ip_network(part, strict=False)
            except ValueError:
                problem = f"{brief(repr(part))} is no address or network, such as 10.0.0.0/16."
                raise ValueError(problem) from None
        return tuple(ip_network(part, strict=False) for part in parts)

    @field_validator("source_keys", mode="before")
    @classmethod
    def _are_keys(cls, told: object) -> object:
        """Take names and keys in JSON. Refuse anything else, without repeating it."""
        if not isinstance(told, str):
            return told
        try:
            keys = json.loads(told)
        except ValueError:
            keys = None
        if not isinstance(keys, dict) or not all(isinstance(key, str) for key in keys.values()):
            raise ValueError('it must be names and keys in JSON, such as {"name": "key"}.')
        return keys

    @field_validator("session_secret")
    @classmethod
    def _is_long(cls, secret: SecretStr | None) -> SecretStr | None:
        """Refuse a secret that could be guessed, without repeating it."""
        if secret is not None and len(secret) < _LEAST_SECRET:
            raise ValueError(f"it has {len(secret)} characters, and must have {_LEAST_SECRET}.")
        return secret

    @property
    def keys_of_sources(self) -> Mapping[str, str]:
        """Name -> key."""
        return {name: key.get_secret_value() for name, key in self.source_keys.items()}

    @property
    def mlflow_login(self) -> tuple[str, str] | None:
        """User and password for the tracking server, if it asks for them."""
        if self.mlflow_tracking_username is None or self.mlflow_tracking_password is None:
            return None
        return self.mlflow_tracking_username, self.mlflow_tracking_password.get_secret_value()

    @field_validator("notify_webhook_url")
    @classmethod
    def _is_web_address(cls, url: SecretStr | None) -> SecretStr | None:
        """Refuse what is no address of the web, without repeating it."""
        if url is not None and not url.get_secret_value().startswith(("https://", "http://")):
            raise ValueError("it begins with https:// or http://.")
        return url

    @field_validator("api_key")
    @classmethod
    def _can_be_sent(cls, key: SecretStr | None) -> SecretStr | None:
        """Refuse a key that asks for nothing, and one that a header cannot carry."""
        if key is not None and (problem := problem_of_key(key.get_secret_value())):
            raise ValueError(problem)
        return key

    @field_validator("*", mode="before")
    @classmethod
    def _says_something(cls, told: object, of: ValidationInfo) -> object:
        """Refuse what is empty, before all others see it: it means neither unset nor a folder."""
        if isinstance(told, str) and not told.strip() and of.field_name not in _MAY_BE_EMPTY:
            raise ValueError("it is empty: leave it out, or set it.")
        return told


def load_settings() -> Settings:
    """Read the settings.

    Raises SettingsError naming the variable, its value's problem and nothing secret.
    """
    try:
        return _with_a_proven_database(_with_a_file_of_keys(Settings()))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0]).upper()
        problem = in_words({**first, "loc": (name,)})
        end = "" if problem.endswith(".") else "."
        raise SettingsError(f"{problem}{end}", {name: problem}) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise SettingsError(f".env cannot be read: {reason}.") from None


def _with_a_file_of_keys(settings: Settings) -> Settings:
    """Return settings by which keys that were told as text lie in a file of VAR_DIR."""
    told = str(settings.api_keys_file or NO_KEYS)
    if told == NO_KEYS:
        return settings.model_copy(update={"api_keys_file": None})
    if "[[keys]]" not in told:
        return settings
    try:
        file = written(told, settings.var_dir / "api-keys.toml")
    except OSError as error:
        problem = f"it cannot be put into a file of {settings.var_dir}: {error.strerror}"
        raise SettingsError(f"API_KEYS_FILE: {problem}.", {"API_KEYS_FILE": problem}) from None
    return settings.model_copy(update={"api_keys_file": file})


def _with_a_proven_database(settings: Settings) -> Settings:
    """Return settings by whose `database_url` the database is held to `database_ca`."""
    if settings.database_ca is None:
        return settings
    try:
        url = verified(settings.database_url, settings.database_ca, settings.var_dir)
    except OSError as error:
        problem = f"it cannot be put into a file of {settings.var_dir}: {error.strerror}."
    except ValueError as error:
        problem = str(error)
    else:
        return settings.model_copy(update={"database_url": url})
    raise SettingsError(f"DATABASE_CA: {problem}", {"DATABASE_CA": problem})

"""What a deployment may choose, checked before any call to AWS.

Takes `INFRA_*` variables and a TOML file (the environment wins), gives one frozen `InfraSettings`.
Every message has the allowed values in it. Nothing here is secret, and nothing calls AWS.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import boto3
from pydantic import (
    AfterValidator,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from aws_cloud_infra.account import cron, prices
from aws_cloud_infra.account.checks import Names, form, one_of, private_network, room_to_grow
from aws_cloud_infra.account.offers import LOG_DAYS, TASK_MEMORY, free_name, known_region
from sales_forecast.errors import SettingsError, in_words

_Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")]


def _usual_region() -> str:
    """Return the region that boto3 would take: AWS_REGION, or the one of the profile."""
    return os.environ.get("AWS_REGION") or boto3.Session().region_name or "none"


class InfraSettings(BaseSettings):
    """One value per environment variable `INFRA_<NAME>` and per key of the TOML file."""

    model_config = SettingsConfigDict(
        env_prefix="INFRA_", env_ignore_empty=True, extra="forbid", frozen=True
    )

    project: Annotated[_Name, Field(max_length=16), AfterValidator(free_name)] = "sales-forecast"
    environment: Annotated[_Name, Field(max_length=10)] = "production"
    region: Annotated[str, AfterValidator(known_region)] = Field(default_factory=_usual_region)

    vpc_cidr: Annotated[str, AfterValidator(private_network)] = "10.20.0.0/16"
    availability_zones: Names = ()
    """Two zones of the region; none: the first two that the account may use."""
    vpc_id: str | None = None
    """A VPC that exists already, with two subnets of each kind; none: one is made."""
    public_subnet_ids: Names = ()
    private_subnet_ids: Names = ()

    domain: str | None = None
    """The name of the service; its certificate and its record in `hosted_zone_id` are made."""
    hosted_zone_id: str | None = None
    certificate_arn: str | None = None
    """In place of `domain`: a certificate of ACM in the region."""
    allow_http: bool = False
    """Whether the service may do without both, and speak HTTP alone."""
    alarm_email: str | None = None
    budget_dollars: Annotated[int, Field(ge=1)] | None = None
    """What the whole account may cost a month before `alarm_email` is told."""
    github_repository: str | None = None
    """owner/name: its pipeline may deploy, without keys, from `github_branch` alone."""
    github_branch: Annotated[str, Field(pattern=r"^[\w./-]+$")] = "main"

    task_cpu: int = 256
    task_memory: int = 512
    min_tasks: Annotated[int, Field(ge=1, le=100)] = 1
    max_tasks: Annotated[int, Field(ge=1, le=100)] = 4
    target_cpu_percent: Annotated[int, Field(ge=10, le=90)] = 60
    target_requests_per_minute: Annotated[int, Field(ge=60, le=1_000_000)] = 60_000
    job_cpu: int = 2048
    job_memory: int = 4096
    weekly_schedule: str = "cron(0 6 ? * MON *)"
    check_schedule: str = "cron(0 6 ? * TUE *)"
    """When somebody is told if the weekly job has not succeeded since Monday."""
    schedules_enabled: bool = False
    prediction_ledger: bool = True
    prediction_retention_days: Annotated[int, Field(ge=1, le=36500)] = 400
    log_days: int = 30
    delivery_layout: Literal["departments", "daily"] | None = None
    """What deliveries in the bucket are of; none: it takes none."""

    instance_type: str = "t3.small"
    instance_disk_gb: Annotated[int, Field(ge=20, le=1000)] = 20
    database_engine: Literal["mysql", "postgres"] = "mysql"
    """Fixed once there is a database."""
    database_class: str = "db.t4g.micro"
    database_storage_gb: Annotated[int, Field(ge=20, le=1000)] = 20
    database_max_storage_gb: Annotated[int, Field(le=65536)] | None = None
    """How far RDS lets it grow by itself; none: to five times as much."""
    database_backup_days: Annotated[int, Field(ge=1, le=35)] = 7
    database_multi_az: bool = False

    @property
    def https(self) -> bool:
        """Whether the service speaks HTTPS."""
        return bool(self.domain or self.certificate_arn)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over what is given, which is the file."""
        return env_settings, init_settings

    @field_validator("domain")
    @classmethod
    def _domain(cls, name: str | None) -> str | None:
        return form(name, r"(?=.{1,64}$)([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}",
                     "forecasts.example.com")  # fmt: skip

    @field_validator("hosted_zone_id")
    @classmethod
    def _zone(cls, name: str | None) -> str | None:
        return form(name, r"[A-Z0-9]{1,32}", "Z0123456789ABCDEFGHIJ")

    @field_validator("certificate_arn")
    @classmethod
    def _certificate(cls, arn: str | None) -> str | None:
        pattern = r"arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate/[\w-]+"
        return form(arn, pattern, "arn:aws:acm:REGION:ACCOUNT:certificate/ID")

    @field_validator("alarm_email")
    @classmethod
    def _email(cls, address: str | None) -> str | None:
        return form(address, r"[^@\s]+@[^@\s]+\.[^@\s]+", "somebody@example.com")

    @field_validator("github_repository")
    @classmethod
    def _repository(cls, name: str | None) -> str | None:
        return form(name, r"[\w-]+/[\w.-]+", "owner/name")

    @field_validator("vpc_id")
    @classmethod
    def _vpc(cls, name: str | None) -> str | None:
        return form(name, r"vpc-[0-9a-f]{8,17}", "vpc-0123456789abcdef0")

    @field_validator("public_subnet_ids", "private_subnet_ids")
    @classmethod
    def _subnets(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            form(name, r"subnet-[0-9a-f]{8,17}", "subnet-0123456789abcdef0")
        return names

    @field_validator("weekly_schedule", "check_schedule")
    @classmethod
    def _cron(cls, text: str) -> str:
        return cron.checked(text)

    @field_validator("log_days")
    @classmethod
    def _retention(cls, days: int) -> int:
        return one_of(days, LOG_DAYS)

    @field_validator("instance_type")
    @classmethod
    def _instance(cls, name: str) -> str:
        return one_of(name, prices.sizes("ec2"))

    @field_validator("database_class")
    @classmethod
    def _database(cls, name: str) -> str:
        return one_of(name, prices.sizes("rds"))

    @model_validator(mode="after")
    def _fit_together(self) -> InfraSettings:
        for kind in ("task", "job"):
            cpu, memory = getattr(self, f"{kind}_cpu"), getattr(self, f"{kind}_memory")
            one_of(cpu, TASK_MEMORY, f"{kind}_cpu is in units of 1/1024 core.")
            one_of(memory, TASK_MEMORY[cpu], f"{kind}_memory is MiB for {kind}_cpu = {cpu}.")
        if self.min_tasks > self.max_tasks:
            raise ValueError(f"min_tasks {self.min_tasks} is more than max_tasks {self.max_tasks}")
        if (self.domain is None) != (self.hosted_zone_id is None):
            raise ValueError("domain and hosted_zone_id go together: give both or none")
        if self.domain and self.certificate_arn:
            raise ValueError("domain makes a certificate, certificate_arn names one: give one")
        if self.certificate_arn and self.certificate_arn.split(":")[3] != self.region:
            raise ValueError(f"certificate_arn must be of {self.region}: {self.certificate_arn}")
        if self.budget_dollars and not self.alarm_email:
            raise ValueError("budget_dollars needs alarm_email: whom to tell")
        room_to_grow(self.database_storage_gb, self.database_max_storage_gb)
        self._check_zones()
        self._check_existing_network()
        return self

    def _check_zones(self) -> None:
        zones = self.availability_zones
        right = [zone for zone in zones if re.fullmatch(rf"{self.region}[a-z]", zone)]
        if zones and (len(set(zones)) != 2 or len(right) != 2):  # noqa: PLR2004 - it says two
            raise ValueError(
                f"availability_zones must be two of {self.region}, such as "
                f"{self.region}a and {self.region}b; these are: {', '.join(zones)}"
            )

    def _check_existing_network(self) -> None:
        subnets = {"public": self.public_subnet_ids, "private": self.private_subnet_ids}
        if self.vpc_id is None and any(subnets.values()):
            raise ValueError("subnets are given without their vpc_id")
        for kind, names in subnets.items():
            if self.vpc_id is not None and len(set(names)) != 2:  # noqa: PLR2004 - it says two
                raise ValueError(
                    f"with vpc_id, {kind}_subnet_ids must be two subnets in different zones"
                )


def load_settings(config: Path | None = None) -> InfraSettings:
    """Read the settings of a TOML file, if one is given, and of the environment.

    Raises SettingsError naming the setting, what is wrong with it and what is allowed.
    """
    given: dict[str, Any] = {}
    known = {f"INFRA_{name.upper()}" for name in InfraSettings.model_fields}
    for name in os.environ:
        if name.startswith("INFRA_") and name not in known:
            raise SettingsError(
                f"{name}: there is no such setting. Known settings: {', '.join(sorted(known))}.",
                {name: "unknown"},
            )
    if config is not None:
        try:
            given = tomllib.loads(config.read_text(encoding="utf-8"))
        except OSError as error:
            raise SettingsError(f"{config} cannot be read: {error.strerror}.") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{config} is not TOML: {error}.") from None
    try:
        return InfraSettings(**given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        allowed = f" Known settings: {', '.join(InfraSettings.model_fields)}."
        unknown = first["type"] == "extra_forbidden"
        problem = in_words(first)
        message = problem + (allowed if unknown else "")
        raise SettingsError(message, {name: problem} if name else None) from None

"""A registered model, `models:/Name@alias`, fetched from a tracking server over MLflow's REST API.

Takes the server's address, gives a folder with the bundle. Needs no MLflow: three kinds of
request are all there is to it. What was fetched stays in a cache, and the link of the alias in it
names the bundle that last proved itself, so that a server that is down, even when this service
starts, costs no answer. Must not read the bundle.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from http.client import HTTPException, InvalidURL
from math import inf
from pathlib import Path
from threading import Event
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import Request

from sales_forecast.bundles import in_time
from sales_forecast.bundles.bundle import MANIFEST
from sales_forecast.bundles.downloads import VERSION_TAG, move_in, place_for, sealed_as
from sales_forecast.bundles.writing import set_alias
from sales_forecast.errors import RegistryError, SalesForecastError, SettingsError, brief

SCHEME = "models:/"
_URI = re.compile(rf"{SCHEME}(?P<name>[^/@]+)@(?P<alias>[^/@]+)")
_PROXIED = "mlflow-artifacts:/"
_MODELS = "/api/2.0/mlflow/registered-models/alias"
_ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
_SECONDS_BETWEEN_LOOKS = 60.0
_SECONDS_TO_THE_NEXT_ATTEMPT = 10.0  # while there is none: MLflow may be about to start
_SECONDS_FOR_A_PIECE = 5.0
_SECONDS_FOR_AN_ANSWER = 30.0
_SECONDS_FOR_A_BUNDLE = 600.0
_UNEXPECTED = (
    OSError, HTTPException, ValueError, LookupError, TypeError, AttributeError, RecursionError
)  # fmt: skip
"""What comes of answers that are no answers."""
_MOST_BYTES, _MOST_JSON, _PIECE = 2_000_000_000, 1_000_000, 65_536

logger = logging.getLogger(__name__)


class RegisteredModel:
    """What an alias of a registered model names, looked up once a minute at most."""

    def __init__(
        self, uri: str, tracking_uri: str, cache: Path, login: tuple[str, str] | None = None
    ) -> None:
        """Touch nothing yet; `login` is user and password of a server that asks for them.

        Raises SettingsError where this can never work.
        """
        named = _URI.fullmatch(uri)
        if named is None:
            raise SettingsError(f"MODEL_URI: {uri} is not of the form {SCHEME}NAME@ALIAS.")
        if not tracking_uri.startswith(("http://", "https://")) or "@" in tracking_uri:
            raise SettingsError(
                f"MODEL_URI={uri} is fetched from a tracking server: set MLFLOW_TRACKING_URI to "
                "its http address; user and password go into MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD. Without a server, MODEL_URI is the folder "
                "`var/champion`."
            )
        self._uri = uri
        self._server = tracking_uri.rstrip("/")
        self._login = login
        self._name, self._alias = named["name"], named["alias"]
        self._cache = cache / self._name
        self._link = self._cache / self._alias
        self._folder: Path | None = None
        self._confirmed: datetime | None = None
        self._problem: str | None = None
        self._next = 0.0

    def find(self, stop: Event) -> Path:
        """Return the folder with the newest bundle that could be fetched, now or ever before.

        Gives up early where `stop` is set. Raises RegistryError where there is none.
        """
        if time.monotonic() >= self._next:
            self._look(stop)
        if self._folder is None:
            raise RegistryError(str(self._problem), {"MODEL_URI": self._uri})
        return self._folder

    def keep(self, folder: Path) -> None:
        """Remember a bundle that proved itself; forget those that no alias names any more."""
        try:
            set_alias(self._link, folder)
        except SettingsError as error:
            logger.warning("%s A restart without MLflow would find no model.", error.message)
            return
        named = {link.resolve().parent for link in self._cache.iterdir() if link.is_symlink()}
        for other in self._cache.iterdir():
            if other.is_dir() and not other.name.startswith(".") and other.resolve() not in named:
                shutil.rmtree(other, ignore_errors=True)

    def describe(self) -> dict[str, object]:
        """Return what is fetched, when the server last said so, and why it does not any more."""
        confirmed = self._confirmed and self._confirmed.isoformat(timespec="seconds")
        return {"model_uri": self._uri, "confirmed_at": confirmed, "problem": self._problem}

    def _look(self, stop: Event) -> None:
        try:
            with _translated(self._uri):
                self._folder = self._fetch(stop)
                if self._link.resolve() == self._folder:
                    set_alias(self._link, self._folder)  # its time says when it was last confirmed
            self._confirmed, self._problem = datetime.now(UTC), None
        except SalesForecastError as error:
            self._fall_back(error.message)
        pause = _SECONDS_BETWEEN_LOOKS if self._folder else _SECONDS_TO_THE_NEXT_ATTEMPT
        self._next = time.monotonic() + pause

    def _fall_back(self, problem: str) -> None:
        """Stay with what is served; at the start, take what an earlier process last kept."""
        if self._folder is None and self._link.is_dir():
            self._folder = self._link.resolve()
            self._confirmed = datetime.fromtimestamp(self._link.lstat().st_mtime, UTC)
        if self._folder is not None and problem != self._problem:
            when = self._confirmed and self._confirmed.isoformat(timespec="seconds")
            logger.warning("%s The bundle that was confirmed at %s stays.", problem, when)
        self._problem = problem

    def _fetch(self, stop: Event) -> Path:
        """Return the folder with what the alias names now, downloaded if it is not there yet."""
        server = _Server(self._server, self._login, self._uri, stop)
        found = server.json(_MODELS, {"name": self._name, "alias": self._alias})["model_version"]
        place = place_for(self._cache.resolve(), found["version"], found["run_id"])
        tags = {tag["key"]: tag["value"] for tag in found.get("tags", ())}
        if not place.exists():
            self._cache.mkdir(parents=True, exist_ok=True)
            aside = Path(tempfile.mkdtemp(prefix=".fetching-", dir=self._cache))
            try:
                files = aside / "files"
                files.mkdir()
                self._download(server, found["source"], files)
                move_in(files, place)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
        return sealed_as(place, tags.get(VERSION_TAG))

    def _download(self, server: _Server, source: str, folder: Path) -> None:
        if not source.startswith(_PROXIED):
            raise RegistryError(
                f"{self._uri} lies at {brief(source)}, not behind the tracking server. Start the "
                "server with --artifacts-destination, and train again."
            )
        path = source.removeprefix(_PROXIED).strip("/")
        listed = server.json(_ARTIFACTS, {"path": path}).get("files", ())
        sizes = {Path(item["path"]).name: int(item.get("file_size", 0)) for item in listed}
        if MANIFEST not in sizes:
            raise RegistryError(f"{self._uri} is no bundle: it has no {MANIFEST}.")
        if sum(map(abs, sizes.values())) > _MOST_BYTES:
            raise RegistryError(
                f"{self._uri} is no bundle: it has more than {_MOST_BYTES:,} bytes."
            )
        for name, size in sizes.items():
            with (folder / name).open("wb") as file:
                file.writelines(server.pieces(f"{_ARTIFACTS}/{quote(f'{path}/{name}')}", size))
                if file.tell() != size:
                    raise RegistryError(
                        f"{self._uri}: of {name}, {file.tell()} of {size} bytes arrived."
                    )


class _Server:
    """A tracking server that is asked for one bundle, for so long and no longer."""

    def __init__(self, address: str, login: tuple[str, str] | None, uri: str, stop: Event) -> None:
        self._address, self._uri, self._stop = address, uri, stop
        self._header = (
            "Basic " + base64.b64encode(":".join(login).encode()).decode() if login else ""
        )
        self._deadline = time.monotonic() + _SECONDS_FOR_A_BUNDLE

    def json(self, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        asked = f"{path}?{urlencode(query)}"
        content = b"".join(self.pieces(asked, _MOST_JSON, _SECONDS_FOR_AN_ANSWER))
        found: dict[str, Any] = json.loads(content)
        return found

    def pieces(self, path: str, most: int, seconds: float = inf) -> Iterator[bytes]:
        """Yield what is there, and end when it is more than `most` bytes. Raises RegistryError."""
        deadline = min(self._deadline, time.monotonic() + seconds)
        # The scheme was checked: no file of this machine is opened.
        asked = Request(self._address + path)  # noqa: S310
        if self._header:
            asked.add_unredirected_header("Authorization", self._header)  # for this server alone
        try:
            opener = in_time.opener(deadline)
            with opener.open(asked, timeout=_SECONDS_FOR_A_PIECE) as answer:
                while most >= 0 and (piece := answer.read1(_PIECE)):
                    if self._stop.is_set():
                        raise RegistryError(f"{self._uri}: not fetched, the service stops.")
                    most -= len(piece)
                    yield piece
        except OSError as error:
            now = time.monotonic()
            if now < deadline:
                raise
            problem = f"not fetched within {_SECONDS_FOR_A_BUNDLE:.0f} s"
            if now < self._deadline:
                problem = f"the tracking server did not answer within {seconds:.0f} s"
            raise RegistryError(f"{self._uri}: {problem}.") from error


@contextmanager
def _translated(uri: str) -> Iterator[None]:
    """Turn whatever goes wrong on the way into one line of ours."""
    try:
        yield
    except HTTPError as error:
        with error:
            raise RegistryError(f"{uri} cannot be fetched: {_reason(error)}") from error
    except (InvalidURL, UnicodeError) as error:  # their words repeat what may be a password
        problem = "MLFLOW_TRACKING_URI, or a proxy in the environment, is no address"
        raise RegistryError(f"{uri} cannot be fetched: {problem}.") from error
    except _UNEXPECTED as error:
        cause = error.reason if isinstance(error, URLError) else error
        text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
        raise RegistryError(f"{uri} cannot be fetched: {text.rstrip('.')}.") from error


def _reason(error: HTTPError) -> str:
    """Return what MLflow says, or the status where something else answers in its place."""
    if error.code == HTTPStatus.UNAUTHORIZED:
        return (
            "the tracking server does not let this user in (401): check MLFLOW_TRACKING_USERNAME "
            "and MLFLOW_TRACKING_PASSWORD."
        )
    try:
        message = str(json.loads(error.read(_MOST_JSON))["message"]).splitlines()[0]
    except _UNEXPECTED:
        return f"the tracking server answers {error.code} {error.reason}."
    return f"{message.rstrip('.')}."

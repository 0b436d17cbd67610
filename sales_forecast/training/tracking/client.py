"""Names and bundles: which version an alias means, and where its files are.

Takes names and aliases, gives versions and bundle folders. Every failure of MLflow leaves
here as RegistryError, and nothing that MLflow remarks reaches the terminal.
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.request import getproxies

import mlflow
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.environment_variables import (
    MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT,
    MLFLOW_HTTP_REQUEST_MAX_RETRIES,
    MLFLOW_HTTP_REQUEST_TIMEOUT,
    MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER,
    MLFLOW_TRACKING_PASSWORD,
    MLFLOW_TRACKING_USERNAME,
)
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from sales_forecast.bundles.bundle import MANIFEST
from sales_forecast.bundles.downloads import VERSION_TAG, move_in, place_for, sealed_as
from sales_forecast.errors import FULL, RegistryError, SalesForecastError, is_full, scheme_of, shown
from sales_forecast.training.tracking.patience import Patience

EXPERIMENT = "sales-forecasting"
BUNDLE_MODEL = "Sales-Forecasting"
_RETRIES, _SECONDS = 2, 30
"""How often, and how long each time, an answer is waited for."""
_SECONDS_FOR_ALL = 600
"""How long a bundle and all that belongs to it may take, there or back."""
_REFUSAL = re.compile("too many ([0-9]+) error responses")
_UNREACHABLE = re.compile("new connection: \\[Errno -?[0-9]+\\] ([A-Za-z ]+)")
"""What urllib3 says of a server that cannot answer, or that nobody is at."""
_LOGIN = MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keep MLflow's remarks off the terminal, and turn its failures into ours."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    seconds = MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT.get()  # type: ignore[no-untyped-call]
    waiting = Patience(seconds or _SECONDS_FOR_ALL)
    try:
        with (
            waiting.held(),
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    except SalesForecastError:
        raise
    except Exception as error:  # MLflow lets through what the libraries below it raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        if is_full(error):
            raise RegistryError(f"MLflow: {FULL}") from error
        address = mlflow.get_tracking_uri()
        addresses = {**getproxies(), "no": address}  # "no" lists hosts
        if "timed out" in reason and (problem := waiting.problem):
            reason = f"{shown(address)} {problem}"
        elif refusal := _REFUSAL.search(str(error)):
            reason = f"{shown(address)} answers {refusal[1]}"
        elif unreachable := _UNREACHABLE.search(str(error)):
            reason = f"{shown(address)} cannot be reached: {unreachable[1]}"
        elif any(shown(address) != address for address in addresses.values()):
            # Libraries repeat them, whole and in parts.
            reason = f"{scheme_of(address)} failed, and what it says is not shown"
        if "error code 401" in reason:
            raise RegistryError(
                "The tracking server does not let this user in (401). Check "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, then run the command again."
            ) from error
        raise RegistryError(
            f"MLflow: {reason.rstrip('.')}. Check MLFLOW_TRACKING_URI and that the server answers,"
            " then run the command again."
        ) from error


class TrackingServer:
    """One MLflow tracking server or local database."""

    def __init__(
        self, tracking_uri: str, var_dir: Path, login: tuple[str, str] | None = None
    ) -> None:
        self._local = not tracking_uri.startswith("http")
        self._var_dir = var_dir
        with quietly():
            if self._local:
                var_dir.mkdir(parents=True, exist_ok=True)
            # A server that is down is to be noticed in seconds; MLflow's own patience is minutes.
            for variable, value in (
                (MLFLOW_HTTP_REQUEST_MAX_RETRIES, _RETRIES),
                (MLFLOW_HTTP_REQUEST_TIMEOUT, _SECONDS),
                # A server could say that it is to be asked again tomorrow.
                (MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER, False),
            ):
                if not variable.is_set():  # type: ignore[no-untyped-call]
                    variable.set(value)  # type: ignore[no-untyped-call]
            for variable, told in zip(_LOGIN, login or (), strict=False):
                variable.set(told)  # type: ignore[no-untyped-call]
            mlflow.set_tracking_uri(tracking_uri)
            self._client = MlflowClient()

    def fetch(self, name: str, alias: str) -> Path | None:
        """Return a local folder with the bundle that an alias names; None if it names none."""
        with quietly():
            try:
                found = self._client.get_model_version_by_alias(name, alias)
            except MlflowException as error:
                if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                    return None
                raise
            return self._fetched(name, found)

    def registered(self) -> Mapping[str, ModelVersion]:
        """Return version of a bundle -> the newest that the registry has of it, oldest first."""
        with quietly():
            found = self._client.search_model_versions(f"name='{BUNDLE_MODEL}'")
        by_age = sorted(found, key=lambda of: int(of.version))
        return {of.tags[VERSION_TAG]: of for of in by_age if VERSION_TAG in of.tags}

    def fetch_version(self, found: ModelVersion) -> Path:
        """Return a local folder with the bundle of one of `registered`."""
        with quietly():
            return self._fetched(BUNDLE_MODEL, found)

    def _fetched(self, name: str, found: ModelVersion) -> Path:
        place = place_for(self._var_dir / "registry" / name, found.version, found.run_id)
        if not place.exists():
            self._download(name, found.version, place)
        return sealed_as(place, found.tags.get(VERSION_TAG))

    def _download(self, name: str, version: str, place: Path) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".fetching-", dir=place.parent))
        try:
            got = mlflow.artifacts.download_artifacts(
                f"models:/{name}/{version}", dst_path=str(aside / "all")
            )
            manifest = next(Path(got).rglob(MANIFEST), None)
            if manifest is None:
                raise RegistryError(f"models:/{name}/{version} is no bundle: no {MANIFEST}.")
            move_in(manifest.parent, place)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def set_alias(self, alias: str, version: str) -> None:
        """Let an alias name a version of the bundle."""
        with quietly():
            self._client.set_registered_model_alias(BUNDLE_MODEL, alias, version)

    def experiment(self) -> str:
        """Return the id of our experiment; it is created at the first call."""
        found = self._client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        place = (self._var_dir / "mlartifacts").resolve().as_uri() if self._local else None
        return str(self._client.create_experiment(EXPERIMENT, artifact_location=place))

    def run(self, name: str, parent: str | None = None) -> Run | None:
        """Return the newest run of a bundle, or of a model of the bundle of a run, if there is one.

        `name`: the version of the bundle, or the model's name.
        """
        of = "tags.`mlflow.parentRunId`" if parent else "tags.bundle_version"
        found = self._client.search_runs([self.experiment()], f"{of} = '{parent or name}'")
        return next((run for run in found if run.info.run_name == name), None)

    def register_bundle(self, run_id: str, bundle_version: str) -> str:
        """Register the `bundle` artifacts of a run, once; return the version, without alias."""
        with contextlib.suppress(MlflowException):  # it exists from the second training on
            self._client.create_registered_model(BUNDLE_MODEL)
        source = f"{self._client.get_run(run_id).info.artifact_uri}/bundle"
        for made in self._client.search_model_versions(f"name='{BUNDLE_MODEL}'"):
            if (made.run_id, made.source) == (run_id, source):
                return str(made.version)
        tags = {VERSION_TAG: bundle_version}
        made = self._client.create_model_version(BUNDLE_MODEL, source, run_id, tags=tags)
        return str(made.version)

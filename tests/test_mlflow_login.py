"""A tracking server that asks for a password: training logs in, the service does, and a refusal
is one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import httpx
import pytest

from sales_forecast.bundles.registered import RegisteredModel
from sales_forecast.errors import RegistryError
from sales_forecast.training.tracking.client import TrackingServer
from sales_forecast.training.tracking.log import log
from tests import trained
from tests.mlflow_server import MlflowServer
from tests.service.deployment import Deployment
from tests.service.test_server import eventually, url_in

LOGIN = ("trainer", "a password of 2026")
URI = "models:/Sales-Forecasting@champion"
NEVER = Event()


@pytest.fixture(autouse=True, scope="module")
def _environment_as_it_was() -> Iterator[None]:
    """MLflow keeps address and login in the environment of the process."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("URI", "USERNAME", "PASSWORD"):
            patch.setenv(f"MLFLOW_TRACKING_{name}", "")
        yield


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that lets nobody in but `LOGIN`, with a champion."""
    mlflow = MlflowServer(tmp_path_factory.mktemp("mlflow"), LOGIN)
    mlflow.start()
    try:
        server = TrackingServer(mlflow.url, tmp_path_factory.mktemp("var"), LOGIN)
        log(server, replace(trained.challenger(), models={}), {})
        server.set_alias("champion", "1")
        yield mlflow.url
    finally:
        mlflow.kill()


def test_it_asks_for_a_password(url: str) -> None:
    asked = f"{url}/api/2.0/mlflow/experiments/get?experiment_id=0"
    assert 401 == httpx.get(asked).status_code
    assert 200 == httpx.get(asked, auth=LOGIN).status_code


def test_the_service_takes_up_the_champion(url: str, tmp_path: Path) -> None:
    folder = RegisteredModel(URI, url, tmp_path, LOGIN).find(NEVER)
    assert trained.challenger().version == folder.name


@pytest.mark.parametrize("login", [None, ("trainer", "another"), ("nobody", LOGIN[1])])
def test_a_refused_login_is_one_sentence(
    url: str, tmp_path: Path, login: tuple[str, str] | None
) -> None:
    with pytest.raises(RegistryError) as refused:
        RegisteredModel(URI, url, tmp_path, login).find(NEVER)
    assert refused.value.message == (
        f"{URI} cannot be fetched: the tracking server does not let this user in (401): check "
        "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
    )


def test_a_training_that_may_not_log_in_is_told_so(url: str, tmp_path: Path) -> None:
    with pytest.raises(RegistryError) as refused:
        TrackingServer(url, tmp_path, ("trainer", "another")).fetch("Sales-Forecasting", "champion")
    assert refused.value.message == (
        "The tracking server does not let this user in (401). Check MLFLOW_TRACKING_USERNAME and "
        "MLFLOW_TRACKING_PASSWORD, then run the command again."
    )


def test_ready_names_the_refusal_until_the_password_is_right(url: str, tmp_path: Path) -> None:
    deployment = Deployment(tmp_path)
    deployment.environment |= {"MLFLOW_TRACKING_URI": url, "MODEL_URI": URI}
    with deployment.served() as (_, line), httpx.Client(base_url=url_in(line)) as client:
        eventually(lambda: "(401)" in client.get("/ready").text)
        assert 503 == client.get("/ready").status_code
    deployment.environment |= dict(
        zip(("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"), LOGIN, strict=True)
    )
    with deployment.served() as (_, line), httpx.Client(base_url=url_in(line)) as client:
        eventually(lambda: "holds no sales" in client.get("/ready").text)  # and that alone
    deployment.database.close()

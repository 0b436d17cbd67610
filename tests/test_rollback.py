"""Back to the champion before: in registry, folder and database, and no request notices."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
import pytest
from mlflow.tracking import MlflowClient

import monitor
from sales_forecast.bundles.bundle import CHALLENGER, CHAMPION
from sales_forecast.data import deployments as deployments_module
from sales_forecast.data.database import Database
from sales_forecast.data.deployments import Deployments
from sales_forecast.errors import BundleRefused, DatabaseError
from sales_forecast.operations.rollback import roll_back
from sales_forecast.settings import Settings
from sales_forecast.training.promote import train_and_promote
from sales_forecast.training.tracking.client import BUNDLE_MODEL, TrackingServer
from tests import trained
from tests.mlflow_server import MlflowServer, until
from tests.service.deployment import Deployment
from tests.service.test_server import url_in
from tests.shared import empty_mlflow

CALLERS = 4


@pytest.fixture(autouse=True)
def _environment_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow keeps the tracking address in the environment of the process."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")


def settings_of(folder: Path, tracking_uri: str | None = None) -> Settings:
    return Settings(
        var_dir=folder,
        database_url=f"sqlite:///{folder}/sales.db",
        mlflow_tracking_uri=tracking_uri or f"sqlite:///{folder}/mlflow.db",
        model_uri=str(folder / CHAMPION),
    )


def train(settings: Settings) -> None:
    """Make three champions one after the other; data is too short for more than the baseline."""
    settings.var_dir.mkdir(exist_ok=True)
    with closing(Database(settings.database_url)) as database:
        database.write(trained.first_weeks(42), "my.csv")
    for weeks in (40, 41, 42):
        train_and_promote(trained.first_weeks(weeks), "my.csv", settings, trained.silent)


@pytest.fixture(scope="module")
def trained_three_times(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("var")
    empty_mlflow(folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "")
        train(settings_of(folder))
    return folder


@pytest.fixture
def settings(trained_three_times: Path, tmp_path: Path) -> Settings:
    return settings_of(shutil.copytree(trained_three_times, tmp_path / "var", symlinks=True))


def history(settings: Settings) -> list[str]:
    with closing(Deployments(settings.database_url)) as deployments:
        return [of.model_version for of in deployments.all()]


def named(settings: Settings, alias: str) -> tuple[str, str | None]:
    """What the local folder and the registry call so."""
    server = TrackingServer(settings.mlflow_tracking_uri, settings.var_dir)
    fetched = server.fetch(BUNDLE_MODEL, alias)
    return (settings.var_dir / alias).resolve().name, fetched and fetched.name


def back(settings: Settings, version: str | None = None, reason: str = "") -> str:
    return roll_back(settings, version, reason, trained.silent).sentence


def test_the_champion_before_is_champion_again_everywhere(settings: Settings) -> None:
    first, second, third = history(settings)
    assert back(settings, reason="too high at Easter") == (
        f"{second} is champion again, after {third}. A service takes it up within REFRESH_SECONDS "
        "from a folder, and within 90 s from a registry."
    )
    assert (second, second) == named(settings, CHAMPION)
    assert (third, third) == named(settings, CHALLENGER)
    with closing(Deployments(settings.database_url)) as deployments:
        now = deployments.all()[-1]
    assert (second, None) == (now.model_version, now.until)
    assert f"rolled back from {third}: too high at Easter" == now.cause.reason
    assert now.cause.by.startswith("monitor.py rollback, ")
    # Once more never leads back to what was left.
    back(settings)
    assert (first, first) == named(settings, CHAMPION)
    with pytest.raises(BundleRefused, match=f"no champion before: {first} is the first that is kn"):
        back(settings)
    back(settings, third)
    assert (third, third) == named(settings, CHAMPION)
    assert [first, second, third, second, first, third] == history(settings)


def test_a_bundle_that_only_the_registry_kept_is_fetched(settings: Settings) -> None:
    first, _, _ = history(settings)
    shutil.rmtree(settings.var_dir / "bundles" / first)
    back(settings, first)
    assert (first, first) == named(settings, CHAMPION)


def forget(settings: Settings, version: str) -> None:
    """Let the registry lose a bundle."""
    server = TrackingServer(settings.mlflow_tracking_uri, settings.var_dir)
    lost = server.registered()[version].version
    MlflowClient(settings.mlflow_tracking_uri).delete_model_version(BUNDLE_MODEL, lost)


def test_what_cannot_be_had_is_refused_and_nothing_changes(settings: Settings) -> None:
    first, second, third = history(settings)
    with pytest.raises(BundleRefused) as refused:
        back(settings, "2012-10-26-0123456789ab")
    assert refused.value.message == (
        "There is no model 2012-10-26-0123456789ab. What can be had, newest first: "
        f"{third}, {second}, {first}."
    )
    forget(settings, second)
    with pytest.raises(BundleRefused, match=f"has no bundle {second}: it lies in .* alone"):
        back(settings)
    shutil.rmtree(settings.var_dir / "bundles" / second)
    with pytest.raises(BundleRefused, match=f"{second} was champion, and is not kept any more"):
        back(settings)
    file = next((settings.var_dir / "bundles" / first).glob("manifest.json"))
    file.write_text(file.read_text() + " ")
    with pytest.raises(BundleRefused, match="It was changed or renamed"):
        back(settings, first)
    assert (third, third) == named(settings, CHAMPION)
    assert [first, second, third] == history(settings)


def test_without_any_champion_on_record_a_version_must_be_named(settings: Settings) -> None:
    with closing(Database(f"sqlite:///{settings.var_dir}/new.db")) as database:
        database.write(trained.first_weeks(42), "my.csv")
    new = settings.model_copy(update={"database_url": f"sqlite:///{settings.var_dir}/new.db"})
    with pytest.raises(BundleRefused, match="no champion before: no champion is known yet"):
        back(new)
    version = history(settings)[0]
    assert f"{version} is champion now. " in back(new, version)


def test_one_that_was_killed_before_it_was_written_down_is_completed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, second, third = history(settings)

    def killed(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(deployments_module.Deployments, "record", killed)
        with pytest.raises(KeyboardInterrupt):
            back(settings)
    assert f"{second} is champion again, after {third}" in back(settings)
    assert (second, second) == named(settings, CHAMPION)
    assert "is the champion already; alias and link were set again" in back(settings, second)


def test_a_database_that_does_not_answer_changes_nothing(settings: Settings) -> None:
    _, _, third = history(settings)
    away = settings.model_copy(update={"database_url": "mysql+pymysql://x@127.0.0.1:1/x"})
    with pytest.raises(DatabaseError):
        back(away)
    assert (third, third) == named(settings, CHAMPION)


@contextmanager
def asked_all_the_time(url: str) -> Iterator[list[list[tuple[int, str]]]]:
    """Give what each of some callers was answered so far; raises what any of them met."""
    over = threading.Event()
    body = {"store_id": int(trained.STORES[0]), "steps": 2}
    answers: list[list[tuple[int, str]]] = [[] for _ in range(CALLERS)]

    def ask(mine: list[tuple[int, str]]) -> None:
        with httpx.Client(base_url=url) as client:
            while not over.is_set():
                answer = client.post("/forecast_sales", json=body)
                mine.append((answer.status_code, answer.headers["X-Model-Version"]))

    with ThreadPoolExecutor(CALLERS) as pool:
        asking = [pool.submit(ask, mine) for mine in answers]
        try:
            until(lambda: all(answers), lambda: "no answer", 30)
            yield answers
        finally:
            over.set()
    for of in asking:
        of.result()


@pytest.mark.parametrize(
    ("registry", "seconds"),
    [
        pytest.param(False, 15, id="folder"),
        pytest.param(
            True,
            90,
            id="registry",
            marks=pytest.mark.skipif(
                os.environ.get("ROLLBACK") != "1",
                reason="ROLLBACK=1 waits for a service that asks its registry once a minute",
            ),
        ),
    ],
)
def test_a_running_service_answers_by_it_and_no_request_fails(
    *,
    registry: bool,
    seconds: float,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    environment = {"ACCESS_LOG": "false"}
    with ExitStack() as stack:
        if registry:
            server = MlflowServer(tmp_path)
            stack.callback(server.kill)
            server.start()
            settings = settings_of(tmp_path / "trained", server.url)
            train(settings)
            # The service is elsewhere: all that it has of a model came from the registry.
            environment |= {
                "VAR_DIR": str(tmp_path / "elsewhere"),
                "MODEL_URI": "models:/Sales-Forecasting@champion",
                "MLFLOW_TRACKING_URI": server.url,
                "WORKERS": "2",
            }
        _, second, third = history(settings)
        for name in ("var_dir", "database_url", "mlflow_tracking_uri", "model_uri"):
            monkeypatch.setenv(name.upper(), str(getattr(settings, name)))
        service = Deployment(settings.var_dir, settings.database_url)
        _, line = stack.enter_context(service.served(**environment))
        url = url_in(line)
        until(lambda: httpx.get(f"{url}/ready").is_success, lambda: "not ready", 60)
        with asked_all_the_time(url) as answers:
            assert 0 == monitor.main(["rollback", "--json"])
            said = json.loads(capsys.readouterr().out)
            until(
                lambda: all(mine[-1][1] == second for mine in answers),
                lambda: f"after {seconds:.0f} s: {[mine[-1] for mine in answers]}",
                seconds,
            )
    assert (second, third) == (said["champion"], said["former"])
    for mine in answers:
        assert {(200, third), (200, second)} == {*mine}
        assert mine == sorted(mine, key=lambda answer: answer[1] == second)

"""Back to the champion before: in registry, folder and database, and no request notices."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
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
from tests.mlflow_server import until
from tests.shared import empty_mlflow

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _environment_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow keeps the tracking address in the environment of the process."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")


def settings_of(folder: Path) -> Settings:
    return Settings(
        var_dir=folder,
        database_url=f"sqlite:///{folder}/sales.db",
        mlflow_tracking_uri=f"sqlite:///{folder}/mlflow.db",
        model_uri=str(folder / CHAMPION),
    )


@pytest.fixture(scope="module")
def trained_three_times(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three champions one after the other; data is too short for more than the baseline."""
    folder = tmp_path_factory.mktemp("var")
    there = settings_of(folder)
    empty_mlflow(folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "")
        with closing(Database(there.database_url)) as database:
            database.write(trained.first_weeks(42), "my.csv")
        for weeks in (40, 41, 42):
            train_and_promote(trained.first_weeks(weeks), "my.csv", there, trained.silent)
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
    assert f"{version} is champion again. " in back(new, version)


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
def served(settings: Settings) -> Iterator[str]:
    """Run the service on a folder; gives its address."""
    environment = {
        **os.environ,
        "VAR_DIR": str(settings.var_dir),
        "DATABASE_URL": settings.database_url,
        "MODEL_URI": settings.model_uri,
        "REFRESH_SECONDS": "0.2",
        "ACCESS_LOG": "false",
    }
    command = [sys.executable, str(ROOT / "main.py"), "--port", "0"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, cwd=ROOT, text=True
    ) as process:
        assert process.stdout is not None
        try:
            started = process.stdout.readline()
            yield started[started.index("http://") :].split()[0].rstrip(".,")
        finally:
            process.kill()


def test_a_running_service_answers_by_it_and_no_request_fails(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, second, third = history(settings)
    for name in ("var_dir", "database_url", "mlflow_tracking_uri", "model_uri"):
        monkeypatch.setenv(name.upper(), str(getattr(settings, name)))
    answers: list[tuple[int, str]] = []
    over = threading.Event()
    body = {"store_id": int(trained.STORES[0]), "steps": 2}

    with served(settings) as url, httpx.Client(base_url=url) as client:
        until(lambda: client.get("/ready").status_code == httpx.codes.OK, lambda: "ready", 60)

        def ask() -> None:
            with httpx.Client(base_url=url) as asking:
                while not over.is_set():
                    answer = asking.post("/forecast_sales", json=body)
                    answers.append((answer.status_code, answer.headers["X-Model-Version"]))

        asker = threading.Thread(target=ask)
        asker.start()
        try:
            until(lambda: answers, lambda: "no answer", 30)
            assert 0 == monitor.main(["rollback", "--json"])
            until(lambda: answers[-1][1] == second, lambda: str(answers[-1]), 15)
        finally:
            over.set()
            asker.join()
    said = json.loads(capsys.readouterr().out)
    assert (second, third) == (said["champion"], said["former"])
    assert {(200, third), (200, second)} == {*answers}
    assert answers == sorted(answers, key=lambda answer: answer[1] == second)

"""MLflow dies while a training is recorded: nothing half-registered, nothing lost."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from sales_forecast.bundles.bundle import CHAMPION, read_bundle, read_manifest
from sales_forecast.bundles.writing import set_alias, write_bundle
from sales_forecast.data.database import Database
from sales_forecast.errors import NothingToPublish, RegistryError
from sales_forecast.models.naive import GROWTH_ANSWERS
from sales_forecast.settings import Settings
from sales_forecast.training import promote
from sales_forecast.training.challenger import Challenger, baseline_challenger, kept_challenger
from sales_forecast.training.promote import promote_kept, train_and_promote
from sales_forecast.training.tracking import client as tracking_client
from sales_forecast.training.tracking import log as tracking_log
from tests import trained
from tests.mlflow_server import MlflowServer
from tests.shared import empty_mlflow
from tests.stages import only_stages
from tests.test_promote import with_errors

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _environment_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow keeps the tracking address in the environment of the process, and its patience."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@dataclass
class Place:
    """A server of its own, and a folder to train in."""

    server: MlflowServer
    settings: Settings

    def train(self) -> promote.Outcome:
        return train_and_promote(trained.panel(), trained.SOURCE, self.settings, trained.silent)

    def publish(self) -> promote.Outcome:
        return promote_kept(self.settings, trained.silent)

    def link(self, name: str) -> Path:
        return self.settings.var_dir / name

    @property
    def registered(self) -> set[str]:
        client = MlflowClient(self.server.url)
        return {model.name for model in client.search_registered_models()}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    server = MlflowServer(tmp_path_factory.mktemp("mlflow"))
    server.start()
    try:
        yield server
    finally:
        server.kill()


def settings(folder: Path, tracking_uri: str) -> Settings:
    folder.mkdir(exist_ok=True)
    there = Settings(var_dir=folder, mlflow_tracking_uri=tracking_uri)
    with closing(Database(there.database_url)) as database:
        database.migrate()
    return there


def give(monkeypatch: pytest.MonkeyPatch, made: Challenger) -> None:
    """Let the next training come to this challenger, without the seconds that it takes."""
    monkeypatch.setattr(promote, "evaluate", lambda *_: made.tables)
    monkeypatch.setattr(promote, "model_challenger", lambda *_: made)


def deadly(server: MlflowServer, whole: Callable[..., Any]) -> Callable[..., Any]:
    def die_first(*arguments: Any, **named: Any) -> Any:
        server.kill()
        return whole(*arguments, **named)

    return die_first


def test_mlflow_that_dies_while_it_records_costs_one_command_later(
    server: MlflowServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(server, settings(tmp_path / "var", server.url))
    made = trained.challenger()
    give(monkeypatch, made)
    with monkeypatch.context() as patch:
        # The run, its scores and the bundle's files are there; of three models, one is not yet.
        dies = deadly(server, tracking_log._log_child)
        patch.setattr(tracking_log, "_log_child", dies)
        with pytest.raises(RegistryError) as failed:
            place.train()

    folder = place.settings.var_dir / "bundles" / made.version
    assert failed.value.message.startswith("MLflow: ")
    assert failed.value.message.endswith(
        f"What was trained is kept in {folder}: `python train.py publish` records it without "
        "training again."
    )
    assert 1 == len(failed.value.message.splitlines())
    assert not place.link(CHAMPION).exists()
    assert {**made.sealed.files} == {**kept_challenger(folder).sealed.files}

    with pytest.raises(RegistryError):
        place.publish()  # it does not answer yet
    server.start()
    assert set() == place.registered

    outcome = place.publish()
    assert (CHAMPION, f"{made.version} is the new champion.") == (
        outcome.alias,
        outcome.sentence,
    )
    assert folder == place.link(CHAMPION).resolve()
    found = MlflowClient(server.url).get_model_version_by_alias("Sales-Forecasting", CHAMPION)
    assert ("1", "READY") == (found.version, found.status)
    # What the training began, the command after it took up.
    client = MlflowClient(server.url)
    experiment = client.get_experiment_by_name("sales-forecasting")
    tag = f"tags.bundle_version = '{made.version}'"
    assert 1 == len(client.search_runs([experiment.experiment_id], tag))
    with pytest.raises(NothingToPublish):
        place.publish()


def local(folder: Path) -> Settings:
    empty_mlflow(folder / "mlflow.db")
    return settings(folder, f"sqlite:///{folder}/mlflow.db")


def keep(
    monkeypatch: pytest.MonkeyPatch, there: Settings, panel: Any = None, source: str = "x"
) -> None:
    """Train, with an MLflow that stops answering just before anything is registered."""
    with monkeypatch.context() as patch:
        patch.setattr(tracking_client.TrackingServer, "register_bundle", _no_answer)
        with pytest.raises(RegistryError, match="no answer"):
            train_and_promote(panel or trained.panel(), source, there, trained.silent)


def _no_answer(*_: object) -> str:
    raise RegistryError("MLflow: no answer.")


def test_what_was_kept_is_judged_by_the_champion_of_the_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = local(tmp_path)
    give(monkeypatch, replace(trained.challenger(), models={}))
    keep(monkeypatch, there)
    kept = (tmp_path / "pending").readlink()
    better = with_errors(0.5)
    give(monkeypatch, better)
    train_and_promote(trained.panel(), "x", there, trained.silent)
    (tmp_path / "pending").symlink_to(kept)

    outcome = promote_kept(there, trained.silent)
    assert "challenger" == outcome.alias
    assert "the champion is kept" in outcome.sentence
    assert better.version == read_bundle(tmp_path / CHAMPION).version


def test_a_baseline_that_was_kept_becomes_the_first_champion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = local(tmp_path)
    keep(monkeypatch, there, trained.first_weeks(40))

    outcome = promote_kept(there, trained.silent)
    assert ("champion", True) == (outcome.alias, GROWTH_ANSWERS in outcome.sentence)
    assert "baseline" == read_bundle(tmp_path / CHAMPION).manifest.kind


def test_a_baseline_that_was_kept_does_not_replace_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = local(tmp_path)
    give(monkeypatch, replace(trained.challenger(), models={}))
    train_and_promote(trained.panel(), "x", there, trained.silent)
    baseline = baseline_challenger(trained.panel(), "x", trained.tables(), "Because.")
    set_alias(tmp_path / "pending", write_bundle(tmp_path / "bundles", baseline.sealed))

    assert "challenger" == promote_kept(there, trained.silent).alias
    assert "models" == read_manifest(tmp_path / CHAMPION).kind


def test_without_anything_to_publish_the_command_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "train.py", "publish"],
        cwd=ROOT,
        env={**os.environ, "VAR_DIR": str(tmp_path), "MLFLOW_TRACKING_URI": "sqlite:///none.db"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = f"Nothing waits to be published: there is no {tmp_path}/pending.\n"
    assert (0, said) == (done.returncode, done.stdout)
    assert only_stages(done.stderr)

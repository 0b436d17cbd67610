from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from sales_forecast.bundles.bundle import MANIFEST, TREES, read_bundle, read_manifest
from sales_forecast.errors import RegistryError
from sales_forecast.features.features import FEATURE_NAMES, History
from sales_forecast.models import smoothing
from sales_forecast.models.trees import FittedRegressor, training_set
from sales_forecast.training.challenger import baseline_candidate
from sales_forecast.training.tracking.arima import ArimaModel
from sales_forecast.training.tracking.client import BUNDLE_MODEL, Registry
from sales_forecast.training.tracking.log import record
from sales_forecast.training.training import Models
from tests import trained

ROOT = Path(__file__).parents[1]
REPORT = {"scores_one_step.md": b"| model |", "forecasts_one_step.png": b"\x89PNG"}
MODELS = {"RF-Sales-Forecasting", "XGB-Sales-Forecasting", "ARIMA-Sales-Forecasting"}


@dataclass(frozen=True)
class Recorded:
    """A tracking database with one training in it, whose bundle is the champion."""

    tracking_uri: str
    folder: Path
    registry: Registry

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.tracking_uri)

    def runs(self, parent: str | None) -> list[Run]:
        experiment = self.client.get_experiment_by_name("sales-forecasting")
        assert experiment is not None
        runs = self.client.search_runs([experiment.experiment_id])
        return [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent]

    def parent(self) -> Run:
        (run,) = self.runs(None)
        return run


def fitted() -> Models:
    models = trained.candidate().models
    assert models is not None
    return models


def trees(name: str) -> FittedRegressor:
    return {"RF": fitted().random_forest, "XGB": fitted().xgboost}[name]


@pytest.fixture(autouse=True, scope="module")
def _environment_as_it_was() -> Iterator[None]:
    """MLflow keeps the tracking address in the environment of the process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "")
        yield


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, _environment_as_it_was: None) -> Recorded:
    folder = tmp_path_factory.mktemp("registry")
    tracking_uri = f"sqlite:///{folder}/mlflow.db"
    registry = Registry(tracking_uri, folder)
    registry.point("champion", record(registry, trained.candidate(), REPORT))
    return Recorded(tracking_uri, folder, registry)


def test_one_run_holds_what_was_trained_on_what(recorded: Recorded) -> None:
    run, manifest = recorded.parent(), trained.candidate().manifest

    assert ("FINISHED", manifest.version) == (run.info.status, run.info.run_name)
    assert run.data.params == {
        "first_week": "2010-02-05",
        "last_week": "2012-10-26",
        "n_series": "3",
        "one_step_horizon": "1",
        "one_step_windows": "39",
        "one_step_step": "1",
        "many_steps_horizon": "8",
        "many_steps_windows": "8",
        "many_steps_step": "4",
    }
    tags = {name: tag for name, tag in run.data.tags.items() if not name.startswith("mlflow.")}
    assert tags == {
        "bundle_version": manifest.version,
        "kind": "models",
        "git_commit": manifest.git_commit or "unknown",
        "data_fingerprint": trained.panel().fingerprint,
        "data_source": trained.SOURCE,
    }


def test_the_run_holds_every_score_the_baselines_too(recorded: Recorded) -> None:
    scores = trained.candidate().manifest.scores
    metrics = recorded.parent().data.metrics

    assert metrics == {
        f"{protocol}.{model}.{metric}": value
        for protocol, models in scores.items()
        for model, errors in models.items()
        for metric, value in errors.items()
    }
    assert metrics["one_step.seasonal_naive_growth.wmae"] > metrics["one_step.rf_xgb_mean.wmae"]


def test_the_run_holds_the_report_and_the_bundle(recorded: Recorded, tmp_path: Path) -> None:
    run_id = recorded.parent().info.run_id
    got = Path(recorded.client.download_artifacts(run_id, "", str(tmp_path)))
    bundle = read_bundle(got / "bundle")

    assert {name: (got / "report" / name).read_bytes() for name in REPORT} == REPORT
    assert trained.candidate().files[TREES] == bundle.trees


def test_each_model_has_a_run_with_its_own_scores_and_parameters(recorded: Recorded) -> None:
    runs = {run.info.run_name: run for run in recorded.runs(recorded.parent().info.run_id)}
    scores = trained.candidate().manifest.scores

    assert {"random_forest", "xgboost", "arima"} == set(runs)
    for name, run in runs.items():
        assert run.info.status == "FINISHED"
        assert run.data.metrics == {
            f"{protocol}.{metric}": value
            for protocol, models in scores.items()
            for metric, value in models[name].items()
        }
    assert "100" == runs["random_forest"].data.params["n_estimators"]
    assert "0.06" == runs["xgboost"].data.params["learning_rate"]
    assert "(0,1,1)" == runs["arima"].data.params["order"]


def test_the_three_models_and_the_bundle_are_registered(recorded: Recorded) -> None:
    names = {model.name for model in recorded.client.search_registered_models()}

    assert {*MODELS, "Sales-Forecasting"} == names


@pytest.mark.parametrize(("name", "flavor"), [("RF", "sklearn"), ("XGB", "xgboost")])
def test_the_registered_trees_answer_their_example_as_the_trained_ones(
    recorded: Recorded, name: str, flavor: str
) -> None:
    mlflow.set_tracking_uri(recorded.tracking_uri)
    model = mlflow.pyfunc.load_model(f"models:/{name}-Sales-Forecasting/1")
    rows = training_set(trained.panel(), trees(name).profile).X[:5]

    assert flavor in model.metadata.flavors
    assert list(FEATURE_NAMES) == model.metadata.signature.inputs.input_names()
    np.testing.assert_array_equal(rows, model.input_example.astype(np.float32))
    np.testing.assert_allclose(
        trees(name).regressor.predict(rows), model.predict(model.input_example), rtol=1e-6
    )


def test_the_registered_arima_forecasts_every_store_as_the_trained_one(recorded: Recorded) -> None:
    mlflow.set_tracking_uri(recorded.tracking_uri)
    model = mlflow.pyfunc.load_model("models:/ARIMA-Sales-Forecasting/1")
    arima, panel = fitted().arima, trained.panel()
    expected = smoothing.forecast(History(panel, arima.profile), arima.theta, 52)
    answer = model.predict(pd.DataFrame({"Store": [30, 3], "steps": [52, 2]}))

    assert [30] * 52 + [3] * 2 == answer["Store"].tolist()
    assert ["2012-11-02", "2012-11-09"] == answer["Date"].tolist()[-2:]
    np.testing.assert_allclose([*expected[2], *expected[0, :2]], answer["Sales"], rtol=1e-12)
    assert 5 == len(model.predict(model.input_example))
    assert ["Store", "steps"] == model.metadata.signature.inputs.input_names()
    assert ["Store", "Date", "Sales"] == model.metadata.signature.outputs.input_names()


def test_the_file_that_mlflow_runs_for_arima_needs_no_mlflow_around_it(
    recorded: Recorded,
) -> None:
    model = ArimaModel()
    file = next(recorded.folder.rglob("arima.json"))
    model.load_context(SimpleNamespace(artifacts={"arima": str(file)}))
    expected = fitted().arima.predict(trained.panel(), 1)[1, 0]

    assert [{"Store": 12, "Date": "2012-11-02", "Sales": pytest.approx(expected)}] == model.predict(
        None, pd.DataFrame({"Store": [12], "steps": [1]})
    ).to_dict("records")


def test_the_bundle_comes_back_byte_for_byte(recorded: Recorded) -> None:
    folder = recorded.registry.fetch(BUNDLE_MODEL, "champion")
    assert folder is not None
    files = {file.name: file.read_bytes() for file in folder.iterdir()}
    manifest = read_bundle(folder).manifest.model_copy(update={"checksums": {}})

    assert trained.candidate().manifest == manifest
    assert {**trained.candidate().files, MANIFEST: files[MANIFEST]} == files
    assert folder == recorded.registry.fetch(BUNDLE_MODEL, "champion")
    assert [folder] == list(folder.parent.iterdir())


@pytest.mark.parametrize(
    ("name", "alias"), [(BUNDLE_MODEL, "nobody"), ("No-Such-Model", "champion")]
)
def test_a_name_or_alias_that_names_nothing_gives_nothing(
    recorded: Recorded, name: str, alias: str
) -> None:
    assert recorded.registry.fetch(name, alias) is None


def test_a_baseline_is_recorded_without_model_runs_and_nothing_is_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    registry = Registry(f"sqlite:///{tmp_path}/new/folder/mlflow.db", tmp_path / "new" / "folder")
    candidate = baseline_candidate(trained.first_weeks(2), "x", {}, "a note")
    first = record(registry, candidate, {})
    second = record(registry, candidate, {})
    registry.point("champion", second)
    folder = registry.fetch(BUNDLE_MODEL, "champion")
    client = MlflowClient(f"sqlite:///{tmp_path}/new/folder/mlflow.db")

    assert ("1", "2") == (first, second)
    assert folder is not None
    assert candidate.manifest == read_bundle(folder).manifest
    assert ["Sales-Forecasting"] == [model.name for model in client.search_registered_models()]
    assert ("", "") == capfd.readouterr()


@pytest.mark.parametrize(
    ("tracking_uri", "reason"),
    [
        ("gopher://somewhere", "unsupported URI 'gopher://somewhere'"),
        ("sqlite:////dev/null/mlflow.db", "/dev/null"),
    ],
)
def test_a_tracking_address_that_cannot_work_is_said_in_one_line(
    tmp_path: Path, tracking_uri: str, reason: str
) -> None:
    with pytest.raises(RegistryError) as refused:
        Registry(tracking_uri, tmp_path).fetch(BUNDLE_MODEL, "champion")

    assert reason in refused.value.message
    assert "Check MLFLOW_TRACKING_URI" in refused.value.message
    assert 1 == len(refused.value.message.splitlines())


def test_a_new_tracking_database_is_not_answered_from_the_cache_of_the_old_one(
    tmp_path: Path,
) -> None:
    notes = []
    for name in ("one", "two"):
        registry = Registry(f"sqlite:///{tmp_path}/{name}.db", tmp_path)
        panel = trained.first_weeks(2)
        candidate = baseline_candidate(panel, "short", {}, name)
        registry.point("champion", record(registry, candidate, {}))
        folder = registry.fetch(BUNDLE_MODEL, "champion")
        assert folder is not None
        notes.append(read_manifest(folder).note)
    assert ["one", "two"] == notes


def test_a_damaged_tracking_database_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.db").write_bytes(b"no database" * 999)
    with pytest.raises(RegistryError) as refused:
        Registry(f"sqlite:///{tmp_path}/bad.db", tmp_path).fetch(BUNDLE_MODEL, "champion")
    assert 1 == len(refused.value.message.splitlines())

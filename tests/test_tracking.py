from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from sales_forecast.bundles.bundle import MANIFEST, TREES, read_bundle, read_manifest
from sales_forecast.bundles.downloads import VERSION_TAG
from sales_forecast.errors import BundleRefused, RegistryError
from sales_forecast.features.features import FEATURE_NAMES, features
from sales_forecast.models.fitted.regressor import FittedRegressor
from sales_forecast.training.challenger import baseline_challenger
from sales_forecast.training.tracking.arima import ArimaModel
from sales_forecast.training.tracking.client import BUNDLE_MODEL, TrackingServer, quietly
from sales_forecast.training.tracking.log import log
from tests import trained
from tests.service.test_registered import alias, answering
from tests.shared import empty_mlflow

ROOT = Path(__file__).parents[1]
REPORT = {"scores_one_step.md": b"| model |", "forecasts_one_step.png": b"\x89PNG"}
MODELS = {"RF-Sales-Forecasting", "XGB-Sales-Forecasting", "ARIMA-Sales-Forecasting"}


@dataclass(frozen=True)
class Logged:
    """A tracking database with one training in it, whose bundle is the champion."""

    tracking_uri: str
    folder: Path
    server: TrackingServer

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


def trees(name: str) -> FittedRegressor:
    full = {"RF": "random_forest", "XGB": "xgboost"}[name]
    model = trained.challenger().models[full]
    assert isinstance(model, FittedRegressor)
    return model


@pytest.fixture(autouse=True, scope="module")
def _environment_as_it_was() -> Iterator[None]:
    """MLflow keeps the tracking address in the environment of the process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "")
        yield


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory, _environment_as_it_was: None) -> Logged:
    folder = tmp_path_factory.mktemp("mlflow")
    tracking_uri = f"sqlite:///{folder}/mlflow.db"
    empty_mlflow(folder / "mlflow.db")
    server = TrackingServer(tracking_uri, folder)
    server.set_alias("champion", log(server, trained.challenger(), REPORT))
    return Logged(tracking_uri, folder, server)


def test_one_run_holds_what_was_trained_on_what(logged: Logged) -> None:
    run, challenger = logged.parent(), trained.challenger()

    assert ("FINISHED", challenger.version) == (run.info.status, run.info.run_name)
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
        "bundle_version": challenger.version,
        "kind": "models",
        "git_commit": challenger.origin.git_commit or "unknown",
        "data_fingerprint": trained.panel().fingerprint,
        "data_source": trained.SOURCE,
    }


def test_the_run_holds_every_score_the_baselines_too(logged: Logged) -> None:
    scores = trained.challenger().manifest.scores
    metrics = logged.parent().data.metrics

    assert metrics == {
        f"{protocol}.{model}.{metric}": value
        for protocol, models in scores.items()
        for model, errors in models.items()
        for metric, value in errors.items()
    }
    assert metrics["one_step.seasonal_naive_growth.wmae"] > metrics["one_step.rf_xgb_mean.wmae"]


def test_the_run_holds_the_report_and_the_bundle(logged: Logged, tmp_path: Path) -> None:
    run_id = logged.parent().info.run_id
    got = Path(logged.client.download_artifacts(run_id, "", str(tmp_path)))
    files = {file.name: file.read_bytes() for file in (got / "bundle").iterdir()}

    assert {name: (got / "report" / name).read_bytes() for name in REPORT} == REPORT
    assert {**trained.challenger().sealed.files} == files
    assert TREES in files


def test_each_model_has_a_run_with_its_own_scores_and_parameters(logged: Logged) -> None:
    runs = {run.info.run_name: run for run in logged.runs(logged.parent().info.run_id)}
    scores = trained.challenger().manifest.scores

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


def test_the_three_models_and_the_bundle_are_registered(logged: Logged) -> None:
    names = {model.name for model in logged.client.search_registered_models()}

    assert {*MODELS, "Sales-Forecasting"} == names


@pytest.mark.parametrize(("name", "flavor"), [("RF", "sklearn"), ("XGB", "xgboost")])
def test_the_registered_trees_answer_their_example_as_the_trained_ones(
    logged: Logged, name: str, flavor: str
) -> None:
    mlflow.set_tracking_uri(logged.tracking_uri)
    model = mlflow.pyfunc.load_model(f"models:/{name}-Sales-Forecasting/1")
    past = trees(name).sees(trained.panel())
    rows = features(past, *(which[:5] for which in past.ahead(1)))

    assert flavor in model.metadata.flavors
    assert 3 == len(rows)
    assert list(FEATURE_NAMES) == model.metadata.signature.inputs.input_names()
    np.testing.assert_array_equal(rows, model.input_example.astype(np.float32))
    np.testing.assert_allclose(
        trees(name).regressor.predict(rows), model.predict(model.input_example), rtol=1e-6
    )


def test_the_registered_arima_forecasts_every_store_as_the_trained_one(logged: Logged) -> None:
    mlflow.set_tracking_uri(logged.tracking_uri)
    model = mlflow.pyfunc.load_model("models:/ARIMA-Sales-Forecasting/1")
    expected = trained.challenger().models["arima"].predict(trained.panel(), 52)
    answer = model.predict(pd.DataFrame({"Store": [30, 3], "steps": [52, 2]}))

    assert [30] * 52 + [3] * 2 == answer["Store"].tolist()
    assert ["2012-11-02", "2012-11-09"] == answer["Date"].tolist()[-2:]
    np.testing.assert_allclose([*expected[2], *expected[0, :2]], answer["Sales"], rtol=1e-12)
    assert 5 == len(model.predict(model.input_example))
    assert ["Store", "steps"] == model.metadata.signature.inputs.input_names()
    assert ["Store", "Date", "Sales"] == model.metadata.signature.outputs.input_names()


def test_the_file_that_mlflow_runs_for_arima_needs_no_mlflow_around_it(
    logged: Logged,
) -> None:
    model = ArimaModel()
    state, arrays = (next(logged.folder.rglob(f"arima.{end}")) for end in ("json", "npz"))
    artifacts = {"state": str(state), "arrays": str(arrays)}
    model.load_context(SimpleNamespace(artifacts=artifacts))
    expected = trained.challenger().models["arima"].predict(trained.panel(), 1)[1, 0]

    assert [{"Store": 12, "Date": "2012-11-02", "Sales": pytest.approx(expected)}] == model.predict(
        None, pd.DataFrame({"Store": [12], "steps": [1]})
    ).to_dict("records")


def test_the_bundle_comes_back_byte_for_byte(logged: Logged) -> None:
    folder = logged.server.fetch(BUNDLE_MODEL, "champion")
    assert folder is not None
    files = {file.name: file.read_bytes() for file in folder.iterdir()}

    assert {**trained.challenger().sealed.files} == files
    assert trained.challenger().version == read_bundle(folder).version
    assert folder == logged.server.fetch(BUNDLE_MODEL, "champion")
    assert [folder] == list(folder.parent.iterdir())
    assert [folder.parent] == list(folder.parent.parent.iterdir())


def test_the_server_says_which_version_it_holds(logged: Logged) -> None:
    found = logged.client.get_model_version_by_alias(BUNDLE_MODEL, "champion")
    assert {VERSION_TAG: trained.challenger().version} == found.tags


def test_a_bundle_that_was_exchanged_on_the_server_is_refused(tmp_path: Path) -> None:
    """Whole and right in itself, but another one than was registered."""
    empty_mlflow(tmp_path / "mlflow.db")
    server = TrackingServer(f"sqlite:///{tmp_path}/mlflow.db", tmp_path)
    one, other = (baseline_challenger(trained.first_weeks(2), "x", {}, name) for name in "ab")
    registered = log(server, one, {})
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    client.set_model_version_tag(BUNDLE_MODEL, registered, VERSION_TAG, other.version)
    server.set_alias("champion", registered)

    with pytest.raises(BundleRefused) as refused:
        server.fetch(BUNDLE_MODEL, "champion")
    assert refused.value.message == (
        f"The registry says that it holds version {other.version}, and what it gave is "
        f"{one.version}: it was changed there. Run `python train.py` again."
    )


@pytest.mark.parametrize(
    ("name", "alias"), [(BUNDLE_MODEL, "nobody"), ("No-Such-Model", "champion")]
)
def test_a_name_or_alias_that_names_nothing_gives_nothing(
    logged: Logged, name: str, alias: str
) -> None:
    assert logged.server.fetch(name, alias) is None


def test_a_baseline_is_logged_without_model_runs_and_nothing_is_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / "new" / "folder"
    server = TrackingServer(f"sqlite:///{there}/mlflow.db", there)
    challenger = baseline_challenger(trained.first_weeks(2), "x", {}, "a note")
    first = log(server, challenger, {})
    second = log(server, challenger, {})
    server.set_alias("champion", second)
    folder = server.fetch(BUNDLE_MODEL, "champion")
    client = MlflowClient(f"sqlite:///{tmp_path}/new/folder/mlflow.db")

    assert ("1", "1") == (first, second)  # what is the same is recorded once
    assert folder is not None
    assert challenger.version == read_bundle(folder).version
    assert "a note" == read_manifest(folder).note
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
        TrackingServer(tracking_uri, tmp_path).fetch(BUNDLE_MODEL, "champion")

    assert reason in refused.value.message
    assert "Check MLFLOW_TRACKING_URI" in refused.value.message
    assert 1 == len(refused.value.message.splitlines())


@pytest.mark.parametrize(
    "tracking_uri",
    ["gopher://anna:Qx1@Qy2@host", "gopher://anna:Qx1", "mysql+pymysql://anna:Qx1/mlflow"],
)
def test_of_a_tracking_address_that_may_hold_a_password_the_scheme_is_said(
    tmp_path: Path, tracking_uri: str
) -> None:
    with pytest.raises(RegistryError) as refused:
        TrackingServer(tracking_uri, tmp_path).fetch(BUNDLE_MODEL, "champion")

    assert f"MLflow: {tracking_uri.partition('anna')[0]}... failed" in refused.value.message
    assert "Q" not in refused.value.message


def test_a_new_tracking_database_is_not_answered_from_the_cache_of_the_old_one(
    tmp_path: Path,
) -> None:
    notes = []
    for name in ("one", "two"):
        server = TrackingServer(f"sqlite:///{tmp_path}/{name}.db", tmp_path)
        panel = trained.first_weeks(2)
        challenger = baseline_challenger(panel, "short", {}, name)
        server.set_alias("champion", log(server, challenger, {}))
        folder = server.fetch(BUNDLE_MODEL, "champion")
        assert folder is not None
        notes.append(read_manifest(folder).note)
    assert ["one", "two"] == notes


def test_a_record_that_was_broken_off_is_taken_up_and_never_made_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    server = TrackingServer(uri, tmp_path)
    made = replace(trained.challenger(), models={})

    def die(*_: object) -> None:
        raise RegistryError("killed")

    moments = ((mlflow, "log_artifacts"), (mlflow, "log_artifact"), (server, "register_bundle"))
    for of, moment in moments:
        with monkeypatch.context() as patch:
            patch.setattr(of, moment, die)
            with pytest.raises(RegistryError):
                log(server, made, REPORT)
    versions = [log(server, made, REPORT) for _ in range(2)]

    assert ["1", "1"] == versions
    recorded = Logged(uri, tmp_path, server)
    assert "FINISHED" == recorded.parent().info.status
    assert made.version == recorded.parent().data.tags["bundle_version"]
    server.set_alias("champion", "1")
    assert made.version == read_bundle(server.fetch(BUNDLE_MODEL, "champion")).version


@pytest.mark.parametrize("changes", [{"version": "../../out"}, {"run_id": "/etc"}], ids=str)
def test_a_server_cannot_name_a_place_elsewhere(tmp_path: Path, changes: dict[str, str]) -> None:
    with answering({"/": alias("", **changes)}) as url, pytest.raises(RegistryError) as refused:
        TrackingServer(url, tmp_path / "var").fetch(BUNDLE_MODEL, "champion")
    assert "calls a version or a run " in refused.value.message
    assert [] == [*tmp_path.iterdir()]


@pytest.mark.parametrize("name", ["../../../../out", "{}/out", "..%2F..%2Fout"])
def test_a_server_cannot_let_a_file_be_written_elsewhere(tmp_path: Path, name: str) -> None:
    listed = [
        {"path": of, "is_dir": False, "file_size": 2} for of in (name.format(tmp_path), MANIFEST)
    ]
    pages = {
        "alias": alias("mlflow-artifacts:/1"),
        "get-download-uri": (200, b'{"artifact_uri": "mlflow-artifacts:/1"}'),
        "path=1": (200, json.dumps({"files": listed}).encode()),
        "/": (200, b"{}"),
    }
    cache = tmp_path / "a" / "b" / "var"
    with answering(pages) as url, pytest.raises(RegistryError) as refused:
        TrackingServer(url, cache).fetch(BUNDLE_MODEL, "champion")
    assert "Invalid path" in refused.value.message
    assert [] == [*tmp_path.rglob("*out*")]


def test_a_full_disk_is_called_that() -> None:
    with pytest.raises(RegistryError) as failed, quietly():
        raise OSError(errno.ENOSPC, "No space left on device", "mlartifacts/x")

    assert failed.value.message.startswith("MLflow: the disk is full. Make room")


def test_a_damaged_tracking_database_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.db").write_bytes(b"no database" * 999)
    with pytest.raises(RegistryError) as refused:
        TrackingServer(f"sqlite:///{tmp_path}/bad.db", tmp_path).fetch(BUNDLE_MODEL, "champion")
    assert 1 == len(refused.value.message.splitlines())

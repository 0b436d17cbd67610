from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from sales_forecast.bundles import bundle as bundles
from sales_forecast.bundles.bundle import TREES, Bundle, read_bundle
from sales_forecast.bundles.conformance import verify
from sales_forecast.bundles.panel_state import panel_of
from sales_forecast.bundles.writing import write_bundle
from sales_forecast.compute.source import source_hash
from sales_forecast.data.panel import Panel
from sales_forecast.data.sample import sample_rows
from sales_forecast.errors import BundleRefused, NotEnoughData
from sales_forecast.features.features import FEATURE_NAMES, feature_names
from sales_forecast.models.ages import AGES, OLD, YOUNG
from sales_forecast.models.asked import Asked
from sales_forecast.models.catalogue import ALL_FORECASTERS
from sales_forecast.models.fitted.blends import FittedEnsemble, FittedMean
from sales_forecast.models.fitted.onnx_trees import OnnxTrees
from sales_forecast.models.fitted.pooled import FittedPooled
from sales_forecast.models.fitted.regressor import FittedRegressor
from sales_forecast.models.fitted.smoothing import FittedArima
from sales_forecast.models.naive import BASELINES
from sales_forecast.models.names import BASELINE_MODEL
from sales_forecast.prediction.forecast import forecast
from sales_forecast.service.predictor import Predictor
from sales_forecast.training import tables as stored_tables
from sales_forecast.training.challenger import (
    Challenger,
    baseline_challenger,
    kept_challenger,
    model_challenger,
    regressors,
)
from sales_forecast.training.gate import choose
from sales_forecast.training.recipe import Recipe
from sales_forecast.training.training import evaluate
from tests import trained
from tests.builders import daily_panel, table_of, with_sales

ROOT = Path(__file__).parents[1]


@cache
def best_of(model: str) -> Challenger:
    """The challenger, had this model missed nothing over many steps."""
    many = trained.tables()["many_steps"]
    tables = {**trained.tables(), "many_steps": many.assign(**{model: many["y"]})}
    with threadpool_limits(1):
        return model_challenger(trained.panel(), trained.SOURCE, tables, trained.silent)


def with_model(bundle: Bundle, name: str, model: object) -> Bundle:
    return replace(bundle, models={**bundle.models, name: model})


def trees_of(bundle: Bundle, name: str) -> FittedRegressor:
    mean = bundle.models["rf_xgb_mean"]
    assert isinstance(mean, FittedMean)
    member = mean.members[name]
    assert isinstance(member, FittedRegressor)
    return member


def with_trees(bundle: Bundle, name: str, trees: FittedRegressor) -> Bundle:
    mean = bundle.models["rf_xgb_mean"]
    assert isinstance(mean, FittedMean)
    return with_model(bundle, "rf_xgb_mean", FittedMean({**mean.members, name: trees}))


def other_weight(bundle: Bundle) -> Bundle:
    trees = trees_of(bundle, "random_forest")
    profile = replace(trees.profile, chain=1.1 * trees.profile.chain)
    return with_trees(bundle, "random_forest", replace(trees, profile=profile))


def other_theta(bundle: Bundle) -> Bundle:
    arima = bundle.models["arima"]
    assert isinstance(arima, FittedArima)
    return with_model(bundle, "arima", replace(arima, theta=dict.fromkeys(arima.theta, 0.5)))


def other_process(bundle: Bundle) -> Bundle:
    fitted = bundle.models["pooled"]
    assert isinstance(fitted, FittedPooled)
    store = fitted.process.store
    drifting = replace(store, fast_drift=2 * store.fast_drift)  # in no calendar
    return with_model(bundle, "pooled", FittedPooled(replace(fitted.process, store=drifting)))


def other_model(bundle: Bundle) -> Bundle:
    return with_model(bundle, "pooled", bundle.models["arima"])


def other_leaves(bundle: Bundle) -> Bundle:
    model = onnx.load_from_string(best_of("pooled").sealed.files[TREES])
    leaves = next(
        attribute
        for attribute in model.graph.node[0].attribute
        if attribute.name == "target_weights"
    )
    leaves.floats[:] = [value + 0.001 for value in leaves.floats]
    regressor = OnnxTrees(model.SerializeToString()).regressor("random_forest")
    changed = replace(trees_of(bundle, "random_forest"), regressor=regressor)
    return with_trees(bundle, "random_forest", changed)


class Silent:
    """Says nothing of anything."""

    def predict(self, X: np.ndarray) -> np.ndarray:
        return np.full(len(X), np.nan)


def no_answer(bundle: Bundle) -> Bundle:
    return with_trees(bundle, "xgboost", replace(trees_of(bundle, "xgboost"), regressor=Silent()))


def test_a_fresh_challenger_answers_as_it_was_trained_to() -> None:
    bundle = trained.bundle()
    verify(bundle)
    assert bundle.conformance is not None

    history = panel_of(bundle.conformance["history"])
    assert trained.panel().select(history.series).fingerprint == history.fingerprint
    assert 3 == history.n_series
    answers = bundle.conformance["answers"]
    assert ["ahead", "last week"] == [*answers]
    for question, horizon in (("ahead", 60), ("last week", 1)):
        assert [*bundle.models] == [*answers[question]]
        assert {(3, horizon)} == {of.shape for of in answers[question].values()}


@pytest.mark.parametrize(
    ("tamper", "says"),
    [
        (other_weight, "rf_xgb_mean, ahead, series"),
        (other_theta, "arima, ahead, series"),
        (other_process, "pooled, ahead, series"),
        (other_model, "pooled, ahead, series"),
        (other_leaves, "rf_xgb_mean, ahead, series"),
        (no_answer, "rf_xgb_mean, ahead, series 3, step 1: nan instead of"),
    ],
)
def test_a_bundle_that_answers_otherwise_is_refused(
    tamper: Callable[[Bundle], Bundle], says: str
) -> None:
    bundle = trained.read(best_of("pooled").sealed)
    verify(bundle)
    with pytest.raises(BundleRefused) as refused:
        verify(tamper(bundle))
    start = f"bundle {bundle.version} does not answer as it was trained to: "
    assert refused.value.message.startswith(f"{start}{says}")
    assert refused.value.message.endswith("It was damaged, or made by other code.")


def test_a_challenger_is_proved_before_anyone_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it writes is read again: a graph that says something else is found out."""
    made = trees_without_growth(trained.challenger().sealed.files[TREES])
    monkeypatch.setattr("sales_forecast.training.challenger.trees_to_onnx", lambda *_: made)
    with (
        threadpool_limits(1),
        pytest.raises(BundleRefused, match="does not answer as it was trained to"),
    ):
        model_challenger(trained.panel(), "x", trained.tables(), trained.silent)


def trees_without_growth(graph: bytes) -> bytes:
    model = onnx.load_from_string(graph)
    for attribute in model.graph.node[0].attribute:
        if attribute.name == "target_weights":
            attribute.floats[:] = [value + 0.001 for value in attribute.floats]
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    "best", [one.name for one in ALL_FORECASTERS if one.name not in {"arima", "rf_xgb_mean"}]
)
def test_any_model_of_the_catalogue_can_be_served(best: str) -> None:
    challenger = best_of(best)
    bundle = trained.read(challenger.sealed)
    verify(bundle)

    assert {"rf_xgb_mean", "arima", best} == set(bundle.models)
    assert {*bundle.models, "seasonal_naive_growth"} == set(bundle.spreads)
    panel = trained.panel()
    expected = forecast({best: challenger.models[best]}, panel, 52)[best].if_sold
    for store in trained.STORES:
        weeks = Predictor(bundle, panel).forecast((int(store),), 52, "best")
        sales = expected[panel.positions[store]]
        np.testing.assert_allclose([week.sales for week in weeks], sales, rtol=1e-4, atol=0.01)


def test_trees_that_several_models_are_made_of_are_exported_once() -> None:
    bundle = trained.read(best_of("ensemble").sealed)
    ensemble, mean = (bundle.models[name] for name in ("ensemble", "rf_xgb_mean"))
    assert isinstance(ensemble, FittedEnsemble)
    assert isinstance(mean, FittedMean)

    assert ["random_forest", "xgboost"] == [of.name for of in regressors(bundle.models)]
    for name in ("random_forest", "xgboost"):
        assert ensemble.members[name] is mean.members[name]
    assert ensemble.members["arima"] is bundle.models["arima"]
    graph = onnx.load_from_string(best_of("ensemble").sealed.files[TREES])
    assert ["random_forest", "xgboost"] == [output.name for output in graph.graph.output]


def test_a_bundle_without_trees_has_no_graph() -> None:
    challenger = best_of("pooled")
    arima = challenger.models["arima"]
    assert [] == [*regressors({"arima": arima, "pooled": challenger.models["pooled"]})]
    assert TREES not in baseline_challenger(trained.first_weeks(10), "x", {}, "").sealed.files


def test_daily_sales_are_packed_with_the_models_that_were_best_of_them() -> None:
    panel = daily_panel(n_series=3, n_days=500)
    with threadpool_limits(1):
        challenger = model_challenger(panel, "days", {}, trained.silent)
    bundle = trained.read(challenger.sealed)
    verify(bundle)

    assert choose({}, stores=False) == bundle.manifest.answered_by
    assert feature_names(panel) == bundle.manifest.feature_names
    expected = forecast(challenger.models, panel, 42)
    for name, sales in forecast(bundle.models, panel, 42).items():
        np.testing.assert_allclose(sales, expected[name], rtol=1e-4)


def test_equal_data_gives_an_equal_version() -> None:
    with threadpool_limits(1):
        again = model_challenger(trained.panel(), "elsewhere", trained.tables(), trained.silent)

    assert trained.challenger().version == again.version
    first, second = (dict(of.sealed.files) for of in (trained.challenger(), again))
    assert first.pop(bundles.ORIGIN) != second.pop(bundles.ORIGIN)
    assert first == second
    assert again.version.startswith("2012-10-26-")


def test_other_data_gives_another_version() -> None:
    panel = trained.first_weeks(40)
    y = panel.y.copy()
    y[0, 0] += 0.01
    versions = {
        baseline_challenger(each, "x", {}, note).version
        for each in (panel, replace(panel, y=y))
        for note in ("a note", "another note")
    }

    assert 4 == len(versions)


def test_the_manifest_says_what_was_trained_on() -> None:
    training = trained.challenger().manifest.training

    assert ("2010-02-05", "2012-10-26") == (str(training.first_week), str(training.last_week))
    assert trained.STORES == training.series
    assert trained.panel().fingerprint == training.fingerprint
    assert trained.SOURCE == trained.challenger().origin.source
    assert FEATURE_NAMES == trained.challenger().manifest.feature_names


def test_the_origin_names_the_commit_and_the_hash_of_the_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (told.stdout.strip() or None) == trained.challenger().origin.git_commit
    assert source_hash() == trained.challenger().origin.code

    monkeypatch.setenv("PATH", "")
    without_git = baseline_challenger(trained.first_weeks(2), "x", {}, "")
    assert without_git.origin.git_commit is None


def test_condition_ranges_are_those_of_the_training() -> None:
    panel = trained.panel()
    ranges = trained.challenger().manifest.condition_ranges

    assert ranges == {
        name: (min(panel.conditions[name].ravel()), max(panel.conditions[name].ravel()))
        for name in ("Temperature", "Fuel_Price", "CPI", "Unemployment")
    }


def test_a_condition_that_was_never_observed_has_no_range() -> None:
    panel = trained.first_weeks(10)
    unknown = {**panel.conditions, "CPI": np.full_like(panel.y, np.nan)}
    challenger = baseline_challenger(replace(panel, conditions=unknown), "x", {}, "")

    assert {"Temperature", "Fuel_Price", "Unemployment"} == set(
        challenger.manifest.condition_ranges
    )


def wmae(rows: pd.DataFrame, model: str) -> float:
    errors = weights = 0.0
    for row in rows.to_dict("records"):
        weight = 5 if row["holiday"] else 1
        errors += weight * abs(row["y"] - row[model])
        weights += weight
    return errors / weights


def test_scores_are_those_of_the_tables() -> None:
    scores = trained.challenger().manifest.scores
    assert set(trained.tables()) == set(scores)
    for protocol, table in trained.tables().items():
        assert {one.name for one in ALL_FORECASTERS} == set(scores[protocol])
        for model, errors in scores[protocol].items():
            assert pytest.approx(wmae(table, model)) == errors["wmae"]


@pytest.mark.parametrize("best", ["pooled", "arima"])
def test_the_manifest_says_which_model_gives_each_answer(best: str) -> None:
    assert {
        "predict_sales": "rf_xgb_mean", "forecast_sales": "arima", "best": best, "arima": "arima",
    } == best_of(best).manifest.answered_by.model_dump()  # fmt: skip


def test_a_baseline_gives_every_answer_itself() -> None:
    manifest = baseline_challenger(trained.panel(), "x", trained.tables(), "").manifest

    assert {"seasonal_naive_growth"} == set(manifest.answered_by.model_dump().values())
    assert {"seasonal_naive_growth"} == set(manifest.spreads)


def test_quantiles_of_every_model_that_answers_lie_around_the_prediction() -> None:
    manifest = trained.challenger().manifest

    served = {*manifest.answered_by.models, "seasonal_naive_growth"}
    assert served == set(manifest.spreads)
    for stored in manifest.spreads.values():
        spread = stored.spread()
        assert [OLD] == [*spread.of_age]
        assert pytest.approx(1.0, abs=0.1) == spread.mean
        of_old = spread.of_age[OLD]
        assert set(trained.panel().series) == set(of_old.widths)
        assert (8, 3 * 39 + 3 * 8 * 8) == (of_old.steps, of_old.rows)
        assert (of_old.shape[0] < 0, 0.0, of_old.shape[-1] > 0) == (True, of_old.shape[49], True)
        assert (np.diff(of_old.shape) >= 0).all()


def with_young(panel: Panel) -> Panel:
    """The panel, had two stores opened 45 weeks ago."""
    return with_sales(with_sales(panel, 3, 0, 98, np.nan), 4, 0, 98, np.nan)


def test_what_is_served_of_a_young_series_was_measured_on_young_ones() -> None:
    panel = with_young(sample_rows().to_panel().select(["3", "12", "30", "7", "9"]))
    tables = evaluate(panel, trained.silent, replace(Recipe.of(panel), forecasters=BASELINES))
    manifest = baseline_challenger(panel, "x", tables, "").manifest
    spread = manifest.spreads["seasonal_naive_growth"].spread()

    assert {OLD, YOUNG} <= set(spread.of_age)
    together = pd.concat([*tables.values()], ignore_index=True)
    young = together["unique_id"].isin(["7", "9"]) & (together["cutoff"] >= panel.periods[98])
    assert young.sum() == spread.of_age[YOUNG].rows
    names, step = together.loc[young, ["unique_id", "step"]].to_numpy().T
    of = Asked(
        names,
        np.arange(len(names)),
        np.full(len(names), AGES.index(YOUNG), dtype=np.int8),
        step.astype(np.int64),
        np.ones(len(names)),
    )
    lower, middle, upper = spread.factors((0.1, 0.5, 0.9), of).T
    ratio = (together["y"] / together["seasonal_naive_growth"])[young].to_numpy()
    ratio = ratio / np.median(ratio)  # what is served is the median, and the ends lie around it
    assert pytest.approx(0.8, abs=0.03) == ((lower <= ratio) & (ratio <= upper)).mean()
    assert (middle == 1).all()


def test_the_tables_of_what_answers_and_of_the_baseline_travel_with_the_bundle(
    tmp_path: Path,
) -> None:
    folder = write_bundle(tmp_path, best_of("ets").sealed)
    read = stored_tables.read(folder)

    assert set(trained.tables()) == set(read)
    models = ["seasonal_naive_growth", "rf_xgb_mean", "arima", "ets"]
    for protocol, table in best_of("ets").tables.items():
        ends = [f"{model}{end}" for model in models for end in ("", "_lo_80", "_hi_80")]
        kept = table[[*table.columns[:6], *ends]]
        pd.testing.assert_frame_equal(kept, read[protocol], check_exact=False, rtol=1e-12)
        # Rows are compared with those of later trainings by their sales, to the last bit.
        np.testing.assert_array_equal(table["y"], read[protocol]["y"])


def test_a_bundle_without_tables_has_none(tmp_path: Path) -> None:
    assert {} == stored_tables.read(tmp_path)


def test_a_series_called_NA_is_read_back_as_one(tmp_path: Path) -> None:  # noqa: N802
    table = table_of([1.0, 2.0], {BASELINE_MODEL: [1.0, 2.0]}, store="NA")
    for name, content in stored_tables.files({"one_step": table}, []).items():
        (tmp_path / name).write_bytes(content)
    assert ["NA", "NA"] == stored_tables.read(tmp_path)["one_step"]["unique_id"].tolist()


def test_what_a_training_wrote_is_read_back_as_it_was(tmp_path: Path) -> None:
    made = trained.challenger()
    kept = kept_challenger(write_bundle(tmp_path, made.sealed))

    assert (made.version, made.origin) == (kept.version, kept.origin)
    assert made.manifest.answered_by == kept.manifest.answered_by
    assert {**made.sealed.files} == {**kept.sealed.files}
    assert ({}, None) == (kept.models, kept.panel)
    assert set(made.tables) == set(kept.tables)


@pytest.mark.parametrize("weeks", [1, 2, 40, 60, 64, 66, 80])
@pytest.mark.parametrize("stores", [1, 3])
def test_short_data_always_gives_a_baseline_that_answers(
    tmp_path: Path, weeks: int, stores: int
) -> None:
    panel = trained.first_weeks(weeks).select(trained.STORES[:stores])
    tables = evaluate(panel, trained.silent)
    challenger = baseline_challenger(panel, "x", tables, "the baseline answers")
    bundle = read_bundle(write_bundle(tmp_path, challenger.sealed))
    verify(bundle)
    predictor = Predictor(bundle, panel)
    forecast = predictor.forecast((int(panel.series[0]),), 52)

    assert ("baseline", "the baseline answers") == (bundle.manifest.kind, bundle.manifest.note)
    assert ("the baseline answers",) == predictor.warnings
    assert all(week.sales > 0 for week in forecast)


def test_models_are_not_made_of_too_few_weeks() -> None:
    with pytest.raises(NotEnoughData):
        model_challenger(trained.first_weeks(55), "x", {}, trained.silent)


def test_models_that_no_window_could_judge_still_answer_and_promise_no_interval() -> None:
    with threadpool_limits(1):
        challenger = model_challenger(trained.first_weeks(65), "x", {}, trained.silent)
    predictor = Predictor(trained.read(challenger.sealed), trained.first_weeks(65))

    assert {} == challenger.manifest.scores
    assert "arima" == challenger.manifest.answered_by.best
    assert {(None, None)} == {
        (week.lower, week.upper) for week in predictor.forecast((int(trained.STORES[0]),), 3)
    }


def test_any_sales_survive_the_tables_of_a_bundle_bit_for_bit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = trained.tables()["one_step"]
    table = table.assign(y=np.exp(rng.normal(10, 3, len(table))))
    packed = baseline_challenger(trained.panel(), "test", {"one_step": table}, "note")
    folder = write_bundle(tmp_path, packed.sealed)
    np.testing.assert_array_equal(table["y"], stored_tables.read(folder)["one_step"]["y"])

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

from sales_forecast.bundles.bundle import Bundle, read_bundle, write_bundle
from sales_forecast.errors import BundleRefused, NotEnoughData
from sales_forecast.features.features import FEATURE_NAMES
from sales_forecast.prediction.conformance import verify
from sales_forecast.prediction.predictor import Predictor
from sales_forecast.training.challenger import (
    Candidate,
    baseline_candidate,
    model_candidate,
    read_tables,
)
from sales_forecast.training.training import evaluate
from tests import trained

ROOT = Path(__file__).parents[1]


@cache
def best_of(model: str) -> Candidate:
    """The candidate, had this model missed nothing over many steps."""
    many = trained.tables()["many_steps"]
    tables = {**trained.tables(), "many_steps": many.assign(**{model: many["y"]})}
    with threadpool_limits(1):
        return model_candidate(trained.panel(), trained.SOURCE, tables, trained.silent)


def other_weight(bundle: Bundle) -> Bundle:
    calendar = bundle.manifest.calendar
    assert calendar is not None
    chain = tuple(1.1 * weight for weight in calendar.chain)
    changed = calendar.model_copy(update={"chain": chain})
    return replace(bundle, manifest=bundle.manifest.model_copy(update={"calendar": changed}))


def other_theta(bundle: Bundle) -> Bundle:
    theta = dict.fromkeys(bundle.manifest.theta, 0.5)
    return replace(bundle, manifest=bundle.manifest.model_copy(update={"theta": theta}))


def other_process(bundle: Bundle) -> Bundle:
    calendar = bundle.manifest.calendar
    assert calendar is not None
    drift = {"fast_drift": 2 * calendar.store_process["fast_drift"]}  # in no calendar
    changed = calendar.model_copy(update={"store_process": {**calendar.store_process, **drift}})
    return replace(bundle, manifest=bundle.manifest.model_copy(update={"calendar": changed}))


def other_best(bundle: Bundle) -> Bundle:
    answered_by = bundle.manifest.answered_by.model_copy(update={"best": "arima"})
    return replace(bundle, manifest=bundle.manifest.model_copy(update={"answered_by": answered_by}))


def other_order(bundle: Bundle) -> Bundle:
    names = (*FEATURE_NAMES[1:], FEATURE_NAMES[0])
    return replace(bundle, manifest=bundle.manifest.model_copy(update={"feature_names": names}))


def other_leaves(bundle: Bundle) -> Bundle:
    model = onnx.load_from_string(bundle.trees)
    leaves = next(
        attribute
        for attribute in model.graph.node[0].attribute
        if attribute.name == "target_weights"
    )
    leaves.floats[:] = [value + 0.001 for value in leaves.floats]
    return replace(bundle, trees=model.SerializeToString())


def cut_trees(bundle: Bundle) -> Bundle:
    return replace(bundle, trees=bundle.trees[: len(bundle.trees) // 2])


def test_a_fresh_candidate_answers_its_golden_rows() -> None:
    golden = trained.bundle().manifest.golden
    assert golden is not None

    verify(trained.bundle())
    assert 3 * (1 + 4) == len(golden.rows)
    assert {1, 5, 30, 60, 0} == {
        (row.week_ending - trained.panel().last).days // 7 for row in golden.rows
    }
    assert ["arima", "arima", "arima", "best", "best", "best"] == [
        forecast.choice for forecast in golden.forecasts
    ]
    assert {52} == {len(forecast.sales) for forecast in golden.forecasts}


@pytest.mark.parametrize(
    ("tamper", "says"),
    [
        (other_weight, "fails its golden rows: random_forest, store"),
        (other_theta, "fails its golden rows: arima, store"),
        (other_process, "fails its golden rows: pooled, store"),
        (other_best, "fails its golden rows: arima, store"),
        (other_leaves, "fails its golden rows: random_forest, store"),
        (other_order, "other features"),
        (cut_trees, "trees"),
    ],
)
def test_a_candidate_that_was_tampered_with_is_refused(
    tamper: Callable[[Bundle], Bundle], says: str
) -> None:
    with pytest.raises(BundleRefused, match=says):
        verify(tamper(trained.bundle(best_of("pooled"))))


def test_a_golden_row_without_an_answer_is_refused() -> None:
    bundle = trained.bundle()
    golden = bundle.manifest.golden
    assert golden is not None
    first = golden.rows[0].model_copy(update={"xgboost": float("nan")})
    changed = golden.model_copy(update={"rows": (first, *golden.rows[1:])})

    with pytest.raises(BundleRefused, match="fails its golden rows: xgboost"):
        verify(replace(bundle, manifest=bundle.manifest.model_copy(update={"golden": changed})))


def test_equal_data_gives_an_equal_version() -> None:
    with threadpool_limits(1):
        again = model_candidate(trained.panel(), trained.SOURCE, trained.tables(), trained.silent)

    assert trained.candidate().manifest.version == again.manifest.version
    assert trained.candidate().files == again.files
    assert again.manifest.version.startswith("2012-10-26-")


def test_another_format_gives_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a training over a folder that older code wrote would keep what nobody can read."""
    now = baseline_candidate(trained.first_weeks(40), "x", {}, "").manifest.version
    monkeypatch.setattr("sales_forecast.training.challenger.FORMAT", 2)

    assert now != baseline_candidate(trained.first_weeks(40), "x", {}, "").manifest.version


def test_other_data_gives_another_version() -> None:
    panel = trained.first_weeks(40)
    y = panel.y.copy()
    y[0, 0] += 0.01
    versions = {
        baseline_candidate(each, "x", {}, note).manifest.version
        for each in (panel, replace(panel, y=y))
        for note in ("a note", "another note")
    }

    assert 4 == len(versions)


def test_the_manifest_says_what_was_trained_on() -> None:
    training = trained.candidate().manifest.training

    assert ("2010-02-05", "2012-10-26") == (str(training.first_week), str(training.last_week))
    assert trained.STORES == training.series
    assert trained.panel().fingerprint == training.fingerprint
    assert trained.SOURCE == training.source
    assert FEATURE_NAMES == trained.candidate().manifest.feature_names


def test_the_manifest_names_the_commit_of_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    told = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (told.stdout.strip() or None) == trained.candidate().manifest.git_commit

    monkeypatch.setenv("PATH", "")
    without_git = baseline_candidate(trained.first_weeks(2), "x", {}, "")
    assert without_git.manifest.git_commit is None


def test_condition_ranges_are_those_of_the_training() -> None:
    panel = trained.panel()
    ranges = trained.candidate().manifest.condition_ranges

    assert ranges == {
        name: (min(panel.conditions[name].ravel()), max(panel.conditions[name].ravel()))
        for name in ("Temperature", "Fuel_Price", "CPI", "Unemployment")
    }


def test_a_condition_that_was_never_observed_has_no_range() -> None:
    panel = trained.first_weeks(10)
    unknown = {**panel.conditions, "CPI": np.full_like(panel.y, np.nan)}
    candidate = baseline_candidate(replace(panel, conditions=unknown), "x", {}, "")

    assert {"Temperature", "Fuel_Price", "Unemployment"} == set(candidate.manifest.condition_ranges)


def wmae(rows: pd.DataFrame, model: str) -> float:
    errors = weights = 0.0
    for row in rows.to_dict("records"):
        weight = 5 if row["holiday"] else 1
        errors += weight * abs(row["y"] - row[model])
        weights += weight
    return errors / weights


def test_scores_are_those_of_the_tables_for_every_series_too() -> None:
    manifest = trained.candidate().manifest
    for protocol, table in trained.tables().items():
        assert set(manifest.scores[protocol]) == set(manifest.scores_by_series[protocol])
        for model, by_series in manifest.scores_by_series[protocol].items():
            expected = {
                series: wmae(table[table["unique_id"] == series], model)
                for series in trained.STORES
            }
            assert pytest.approx(expected) == dict(by_series)
            assert pytest.approx(wmae(table, model)) == manifest.scores[protocol][model]["wmae"]


@pytest.mark.parametrize("best", ["pooled", "arima"])
def test_the_manifest_says_which_model_gives_each_answer(best: str) -> None:
    assert {
        "predict_sales": "rf_xgb_mean", "forecast_sales": "arima", "best": best,
    } == best_of(best).manifest.answered_by.model_dump()  # fmt: skip


def test_a_baseline_gives_every_answer_itself() -> None:
    manifest = baseline_candidate(trained.panel(), "x", trained.tables(), "").manifest

    assert {"seasonal_naive_growth"} == set(manifest.answered_by.model_dump().values())
    assert {"seasonal_naive_growth"} == set(manifest.intervals)


def test_intervals_of_every_model_that_answers_enclose_the_prediction() -> None:
    manifest = trained.candidate().manifest
    intervals = manifest.intervals

    assert {"rf_xgb_mean", "arima", manifest.answered_by.best} == set(intervals)
    for measured in (each.intervals() for each in intervals.values()):
        assert set(trained.panel().series) == set(measured.widths)
        for factors in measured.factors.values():
            assert 8 == len(factors.lower) == len(factors.upper)
            assert (factors.lower < 1).all()
            assert (factors.upper > 1).all()


def test_the_tables_travel_with_the_bundle(tmp_path: Path) -> None:
    candidate = trained.candidate()
    folder = write_bundle(tmp_path / "bundle", candidate.manifest, candidate.files)
    read = read_tables(folder)

    assert set(trained.tables()) == set(read)
    for protocol, table in trained.tables().items():
        pd.testing.assert_frame_equal(table, read[protocol], check_exact=False, rtol=1e-12)
        # Rows are compared with those of later trainings by their sales, to the last bit.
        np.testing.assert_array_equal(table["y"], read[protocol]["y"])


def test_a_bundle_without_tables_has_none(tmp_path: Path) -> None:
    assert {} == read_tables(tmp_path)


@pytest.mark.parametrize("weeks", [1, 2, 40, 60, 64, 66, 80])
@pytest.mark.parametrize("stores", [1, 3])
def test_short_data_always_gives_a_baseline_that_answers(
    tmp_path: Path, weeks: int, stores: int
) -> None:
    panel = trained.first_weeks(weeks).select(trained.STORES[:stores])
    tables = evaluate(panel, trained.silent)
    candidate = baseline_candidate(panel, "x", tables, "the baseline answers")
    bundle = read_bundle(write_bundle(tmp_path / "b", candidate.manifest, candidate.files))
    verify(bundle)
    predictor = Predictor(bundle, panel)
    forecast = predictor.forecast(int(panel.series[0]), 52)

    assert ("baseline", "the baseline answers") == (bundle.manifest.kind, bundle.manifest.note)
    assert ("the baseline answers",) == predictor.warnings
    assert all(week.sales > 0 for week in forecast)


def test_models_are_not_made_of_too_few_weeks() -> None:
    with pytest.raises(NotEnoughData):
        model_candidate(trained.first_weeks(55), "x", {}, trained.silent)


def test_models_that_no_window_could_judge_still_answer_and_promise_no_interval() -> None:
    with threadpool_limits(1):
        candidate = model_candidate(trained.first_weeks(65), "x", {}, trained.silent)
    predictor = Predictor(trained.bundle(candidate), trained.first_weeks(65))

    assert {} == candidate.manifest.scores
    assert "arima" == candidate.manifest.answered_by.best
    assert {(None, None)} == {
        (week.lower, week.upper) for week in predictor.forecast(int(trained.STORES[0]), 3)
    }


def test_any_sales_survive_the_tables_of_a_bundle_bit_for_bit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = trained.tables()["one_step"]
    table = table.assign(y=np.exp(rng.normal(10, 3, len(table))))
    packed = baseline_candidate(trained.panel(), "test", {"one_step": table}, "note")
    for name, content in packed.files.items():
        (tmp_path / name).write_bytes(content)
    np.testing.assert_array_equal(table["y"], read_tables(tmp_path)["one_step"]["y"])

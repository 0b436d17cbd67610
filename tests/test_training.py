from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sales_forecast.bundles.manifest import AnsweredBy
from sales_forecast.data.files.layouts import read_panel
from sales_forecast.errors import NotEnoughData, SettingsError
from sales_forecast.evaluation.judged import Tables, score_models
from sales_forecast.evaluation.protocols import RollingOrigin
from sales_forecast.evaluation.scoring import with_quantiles
from sales_forecast.models.arima import ARIMA
from sales_forecast.models.catalogue import choose
from sales_forecast.models.fitted.smoothing import FittedArima
from sales_forecast.models.naive import BASELINES
from sales_forecast.training.challenger import model_challenger
from sales_forecast.training.gate import judge
from sales_forecast.training.training import evaluate, fit_models, together
from tests import trained
from tests.builders import daily_folder, daily_panel

SERVING = AnsweredBy(predict_sales="rf_xgb_mean", forecast_sales="arima", best="arima")
BASELINE_NAMES = ["naive", "seasonal_naive", "seasonal_naive_growth"]
OTHER_NAMES = [
    "moving_average", "seasonal_average", "tsb", "ridge", "ets", "random_forest", "xgboost",
    "arima", "pooled", "ensemble", "rf_xgb_mean",
]  # fmt: skip


def names(models: str | None) -> list[str]:
    return [forecaster.name for forecaster in choose(models)]


def windows(tables: Tables) -> dict[str, int]:
    return {protocol: table["cutoff"].nunique() for protocol, table in tables.items()}


def predicted(table: pd.DataFrame) -> list[str]:
    known = [*BASELINE_NAMES, *OTHER_NAMES]
    return [name for name in table.columns if name in known]


@pytest.mark.parametrize(
    ("asked", "models"),
    [
        (None, OTHER_NAMES),
        ("arima", ["arima"]),
        ("arima, random_forest", ["random_forest", "arima"]),
        ("rf_xgb_mean", ["random_forest", "xgboost", "rf_xgb_mean"]),
        ("xgboost,random_forest", ["random_forest", "xgboost", "rf_xgb_mean"]),
        ("ensemble,pooled , ets,moving_average", ["moving_average", "ets", "pooled", "ensemble"]),
        ("naive", []),
    ],
)
def test_the_baselines_run_beside_whatever_is_asked_for(
    asked: str | None, models: list[str]
) -> None:
    assert [*BASELINE_NAMES, *models] == names(asked)


@pytest.mark.parametrize("asked", ["arima,prophet,deep", "prophet,deep"])
def test_unknown_models_are_named_beside_the_known_ones(asked: str) -> None:
    with pytest.raises(SettingsError) as refused:
        choose(asked)

    assert refused.value.message == (
        "--models: unknown deep, prophet. Known: arima, catboost, ensemble, ets, lightgbm, "
        "moving_average, naive, pooled, random_forest, rf_xgb_mean, ridge, seasonal_average, "
        "seasonal_naive, seasonal_naive_growth, tsb, xgboost."
    )


def test_both_protocols_judge_the_same_39_weeks() -> None:
    weeks = {name: table["ds"] for name, table in trained.tables().items()}

    assert {"one_step": 39, "many_steps": 8} == windows(trained.tables())
    assert {name: str(ds.min().date()) for name, ds in weeks.items()} == {
        "one_step": "2012-02-03",
        "many_steps": "2012-02-03",
    }
    assert "2012-10-26" == str(weeks["one_step"].max().date())
    assert {"one_step": 3 * 39, "many_steps": 3 * 8 * 8} == {
        name: len(table) for name, table in trained.tables().items()
    }


def test_every_model_and_the_mean_of_both_trees_is_in_both_tables() -> None:
    for table in trained.tables().values():
        assert [*BASELINE_NAMES, *OTHER_NAMES] == predicted(table)
        mean = (table["random_forest"] + table["xgboost"]) / 2
        np.testing.assert_allclose(mean, table["rf_xgb_mean"], rtol=1e-12)


def test_the_last_known_sales_are_the_naive_forecast() -> None:
    panel = trained.panel()
    sold = {
        (series, str(week)): value
        for series, row in zip(panel.series, panel.y, strict=True)
        for week, value in zip(panel.periods, row, strict=True)
    }
    for table in trained.tables().values():
        rows = zip(table["unique_id"], table["cutoff"].dt.date, strict=True)
        assert [sold[series, str(cutoff)] for series, cutoff in rows] == table["naive"].tolist()


def test_on_the_sample_the_models_beat_the_growth_baseline() -> None:
    verdict = judge(trained.tables(), SERVING)

    assert 4 == len(verdict.checks)
    assert verdict.passed


def test_progress_says_which_protocol_and_window_is_running() -> None:
    said: list[str] = []
    evaluate(trained.first_weeks(10), said.append)

    assert said[:2] == [
        "one step: window 1 of 9: fitting naive",
        "one step: window 1 of 9: fitting seasonal_naive",
    ]
    assert "many steps" not in {text.partition(":")[0] for text in said}


@pytest.mark.parametrize(
    ("weeks", "expected"),
    [
        (1, {}),
        (2, {"one_step": 1}),
        (12, {"one_step": 11, "many_steps": 1}),
        (40, {"one_step": 39, "many_steps": 8}),
        (65, {"one_step": 39, "many_steps": 8}),
    ],
)
def test_short_data_is_judged_with_the_baselines_alone_on_the_windows_it_holds(
    weeks: int, expected: dict[str, int]
) -> None:
    tables = evaluate(trained.first_weeks(weeks), trained.silent)

    assert expected == windows(tables)
    assert all(BASELINE_NAMES == predicted(table) for table in tables.values())
    assert not judge(tables, SERVING).passed


def test_models_run_in_a_protocol_from_its_first_whole_window_on() -> None:
    tables = evaluate(trained.first_weeks(66), trained.silent)

    assert {"one_step": 1, "many_steps": 8} == windows(tables)
    assert [*BASELINE_NAMES, *OTHER_NAMES] == predicted(tables["one_step"])
    assert BASELINE_NAMES == predicted(tables["many_steps"])
    assert not judge(tables, SERVING).checks


def test_other_panels_that_are_short_are_judged_with_the_models_that_need_less(
    tmp_path: Path,
) -> None:
    panel = read_panel(daily_folder(tmp_path, daily_panel(3, n_days=300)), "daily")
    tables = evaluate(panel, trained.silent)

    # Of 42 days they were shut on six Sundays and a Wednesday.
    assert {"one_step": 35, "many_steps": 2} == windows(tables)
    for table in tables.values():
        assert {*BASELINE_NAMES, "moving_average", "pooled"} <= {*predicted(table)}
        assert not {"random_forest", "xgboost", "ensemble", "rf_xgb_mean"} & {*predicted(table)}
    serving = model_challenger(panel, "sales.csv", tables, trained.silent).manifest.answered_by
    assert "pooled" == serving.forecast_sales
    assert judge(tables, serving).passed


def test_scores_without_the_trees_have_no_mean_of_them() -> None:
    split = RollingOrigin(horizon=2, windows=2, step=1)
    table = score_models(trained.panel(), (*BASELINES, ARIMA), split, trained.silent)

    assert [*BASELINE_NAMES, "arima"] == predicted(table)
    assert {"arima_lo_80", "arima_hi_80"} <= set(table.columns)


def test_a_fit_on_too_few_weeks_says_how_many_are_needed() -> None:
    with pytest.raises(NotEnoughData, match="at least 56 weeks"):
        fit_models(trained.first_weeks(55), ["arima"], trained.silent)


def test_every_store_is_fitted() -> None:
    arima = trained.challenger().models["arima"]

    assert isinstance(arima, FittedArima)
    assert set(trained.STORES) == set(arima.theta)


def test_models_are_fitted_by_name_each_once_and_said() -> None:
    said: list[str] = []
    models = fit_models(trained.panel(), ["arima", "pooled", "arima"], said.append)

    assert ["arima", "pooled"] == [*models]
    assert ["fitting arima on all weeks", "fitting pooled on all weeks"] == said


def test_quantiles_are_measured_on_the_forecasts_of_both_protocols() -> None:
    """What is served is measured so, and what is scored is what is served."""
    tables = trained.tables()
    keys = ["unique_id", "cutoff", "ds", "step", "y", "holiday", "naive"]
    bare = {name: table[keys] for name, table in tables.items()}
    measured = together(bare)
    assert [*bare["one_step"]["y"], *bare["many_steps"]["y"]] == measured["y"].tolist()
    for name, table in bare.items():
        expected = with_quantiles(table, trained.panel(), measured)
        columns = [column for column in tables[name] if column.startswith("naive")]
        assert {"naive", "naive_mean", "naive_q20", "naive_lo_95"} <= {*columns}
        pd.testing.assert_frame_equal(expected[columns], tables[name][columns])

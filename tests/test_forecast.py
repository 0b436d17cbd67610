"""Forecasts of what comes after all that is known: those that a backtest would have judged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sales_forecast import forecast, training
from sales_forecast.backtest import KEY_COLUMNS, RollingOrigin, backtest
from sales_forecast.forecasters.naive import BASELINES
from sales_forecast.panel import DAILY, OPEN, Panel
from tests.builders import days, sample_panel, with_sales

MODELS = training.choose("pooled,random_forest,xgboost")


def silent(_: str) -> None:
    """Show nothing."""


def one_window(horizon: int) -> RollingOrigin:
    return RollingOrigin(horizon=horizon, windows=1, step=1)


def test_a_forecast_is_what_a_backtest_judges_when_the_weeks_have_come():
    panel = sample_panel(3)
    known = panel.until(panel.periods[-5])
    said = forecast.ahead(known, MODELS, 4, silent)
    judged = backtest(panel, MODELS, one_window(4))
    names = [name for name in judged.columns if name not in ("y", "holiday")]
    assert [*said.columns] == names
    pd.testing.assert_frame_equal(said, judged[names])


def test_it_is_as_sure_as_the_backtest_was_up_to_then():
    panel = sample_panel(3)
    scored = training.score_models(panel, BASELINES, RollingOrigin(2, 30, 1), silent)
    last = scored["cutoff"].max()
    before = scored[scored["ds"] <= last]
    said = training.forecast(panel.until(last), BASELINES, before, 2, silent)
    expected = scored[scored["cutoff"] == last].drop(columns=["y", "holiday"])
    pd.testing.assert_frame_equal(said, expected.reset_index(drop=True)[[*said.columns]])


def test_the_mean_of_both_trees_comes_with_them():
    panel = sample_panel(2)
    trees = training.choose("rf_xgb_mean")
    scored = training.score_models(panel, trees, one_window(2), silent)
    said = training.forecast(panel, trees, scored, 2, silent)
    both = said[["random_forest", "xgboost"]].mean(axis=1)
    pd.testing.assert_series_equal(said["rf_xgb_mean"], both, check_names=False)


def test_every_series_has_a_row_for_every_step():
    said = forecast.ahead(sample_panel(2, 60), BASELINES, 3, silent)
    assert [*KEY_COLUMNS[:3], "step"] == [*said.columns[:4]]
    assert ["1", "1", "1", "2", "2", "2"] == said["unique_id"].tolist()
    assert [1, 2, 3, 1, 2, 3] == said["step"].tolist()
    assert not said.isna().to_numpy().any()


def daily(plan: np.ndarray) -> Panel:
    """Two shops that are shut on Sundays, and a plan that may reach beyond their days."""
    n = 70
    y = np.full((2, n), 10.0)
    y[:, 6::7] = np.nan
    return Panel(y, days("2024-01-01", n), ("1", "2"), plan={OPEN: plan}, frequency=DAILY)


def test_days_that_are_closed_by_plan_sell_nothing():
    plan = np.ones((2, 77))
    plan[:, 6::7] = 0
    plan[0, 71] = 0  # a Tuesday
    plan[1, 76] = 1  # a Sunday
    said = forecast.ahead(daily(plan), BASELINES[:1], 7, silent)
    assert [10, 0, 10, 10, 10, 10, 0] == said["naive"].tolist()[:7]
    assert [10] * 7 == said["naive"].tolist()[7:]


def test_where_there_is_no_plan_shops_are_shut_as_usual():
    plan = np.ones((2, 70))
    plan[:, 6::7] = 0
    said = forecast.ahead(daily(plan), BASELINES[:1], 7, silent)
    assert 2 * [10, 10, 10, 10, 10, 10, 0] == said["naive"].tolist()


def test_a_year_of_sales_needs_no_words():
    assert {} == forecast.warnings(sample_panel(2, 52))


@pytest.mark.parametrize(("first", "words"), [(52 - 51, 51), (51, 1)])
def test_little_history_is_said_with_its_weeks(first, words):
    panel = with_sales(sample_panel(2, 52), 1, 0, first, np.nan)
    text = f"Only {words} weeks of sales are known: it strays further, as its interval says."
    assert {"2": text} == forecast.warnings(panel)


@pytest.mark.parametrize(("idle", "ended"), [(12, False), (13, True)])
def test_a_series_without_sales_for_a_quarter_may_have_ended(idle, ended):
    panel = with_sales(sample_panel(2, 80), 0, 80 - idle, None, np.nan)
    text = f"No sales since {panel.periods[80 - idle - 1]}: it may have ended."
    assert ({"1": text} if ended else {}) == forecast.warnings(panel)


def test_a_series_that_never_sold_is_said_to_go_on_so():
    panel = with_sales(sample_panel(2, 60), 1, 0, None, 0.0)
    text = "It never sold anything: answered by its last known value."
    assert {"2": text} == forecast.warnings(panel)


def test_the_peers_of_an_unknown_series_are_named_or_counted():
    panel = with_sales(sample_panel(8, 60), 1, 0, None, np.nan)
    start = "Nothing is known of it: expected to sell what its like do, "
    assert {"2": f"{start}7 series."} == forecast.warnings(panel)
    sized = replace(panel, traits={"size": np.array([1.0, 2, 3, 4, 5, 60, 70, 80])})
    assert {"2": f"{start}1, 3, 4, 5, 6."} == forecast.warnings(sized)

"""What every forecaster keeps: no look ahead, and an answer for whatever is missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sales_forecast.data.panel import Panel
from sales_forecast.errors import NotEnoughData
from sales_forecast.evaluation.backtest import backtest
from sales_forecast.evaluation.protocols import RollingOrigin
from sales_forecast.models.averages import AVERAGES
from sales_forecast.models.catalogue import ALL_FORECASTERS
from sales_forecast.models.naive import BASELINES
from sales_forecast.models.pooled import POOLED
from tests.builders import BOOSTED_IF_INSTALLED, panel_of, sample_panel, with_sales

pytestmark = pytest.mark.usefixtures("on_one_thread")

RULES = (*BASELINES, *AVERAGES)
LEARNING = [*(one for one in ALL_FORECASTERS if one not in RULES), *BOOSTED_IF_INSTALLED]
BEYOND_A_YEAR = 60
every_forecaster = pytest.mark.parametrize("forecaster", [*RULES, *LEARNING], ids=lambda f: f.name)


def changed_after(panel: Panel, sales: int, conditions: int) -> Panel:
    """The panel with all sales and all conditions changed from these weeks on."""
    rng = np.random.default_rng(0)
    y = panel.y.copy()
    y[:, sales:] *= rng.uniform(2.0, 5.0, y[:, sales:].shape)
    y[0, sales + 20 :] = np.nan  # and one store closes
    others = {name: values.copy() for name, values in panel.conditions.items()}
    for values in others.values():
        values[:, conditions:] += rng.uniform(1.0, 9.0, values[:, conditions:].shape)
    return replace(panel, y=y, conditions=others)


# No look ahead


@every_forecaster
@pytest.mark.parametrize(
    # One week ahead, the conditions of the target week are the caller's to give.
    ("split", "known_conditions"),
    [(RollingOrigin(1, 3, 7), 1), (RollingOrigin(8, 3, 7), 0)],
    ids=["one_step", "many_steps"],
)
def test_values_after_a_cutoff_change_no_forecast_made_until_then(
    forecaster, split, known_conditions
):
    panel = sample_panel(3)
    table = backtest(panel, [forecaster], split)
    for number, cutoff in enumerate(split.cutoffs(panel), start=1):
        after = int(np.flatnonzero(panel.periods == cutoff)[0]) + 1
        other = changed_after(panel, sales=after, conditions=after + known_conditions)
        changed = backtest(other, [forecaster], split)
        before, now = (one[one["cutoff"] <= cutoff] for one in (table, changed))
        assert 3 * split.horizon * number == len(before)
        assert (before["y"] != now["y"]).any()
        assert before[forecaster.name].tolist() == now[forecaster.name].tolist()


@every_forecaster
def test_forecasting_leaves_the_panel_as_it_was(forecaster):
    panel = sample_panel(3)
    before = panel.fingerprint
    forecaster.fit(panel).predict(panel, 8)
    assert before == replace(panel).fingerprint  # a copy: a panel computes its own only once


@every_forecaster
def test_equal_histories_give_equal_forecasts(forecaster):
    one, other = (forecaster.fit(sample_panel(3)).predict(sample_panel(3), 8) for _ in range(2))
    np.testing.assert_array_equal(one, other)


@every_forecaster
def test_a_fitted_model_answers_from_a_later_history_than_it_was_fitted_on(forecaster):
    panel = sample_panel(3)
    fitted = forecaster.fit(panel.until(panel.periods[129]))
    week_ago, now = (fitted.predict(panel.until(end), 1) for end in panel.periods[-2:])
    assert (week_ago != now).all()


# Whatever is missing


def closed_for_ten_weeks(panel: Panel) -> Panel:
    return with_sales(panel, 0, 60, 70, np.nan)


def closed_at_the_end(panel: Panel) -> Panel:
    return with_sales(panel, 0, 70, None, np.nan)


def opened_in_the_second_year(panel: Panel) -> Panel:
    return with_sales(panel, 0, 0, 60, np.nan)


def opened_three_weeks_ago(panel: Panel) -> Panel:
    return with_sales(panel, 0, 0, 140, np.nan)


def zero_and_negative_weeks(panel: Panel) -> Panel:
    return with_sales(with_sales(panel, 0, 80, 90, 0.0), 0, 100, 101, -50.0)


def zero_to_the_end(panel: Panel) -> Panel:
    return with_sales(panel, 0, 100, None, 0.0)


def week_lost_for_all(panel: Panel) -> Panel:
    y = panel.y.copy()
    y[:, [90, 142]] = np.nan
    return replace(panel, y=y)


def one_store_only(panel: Panel) -> Panel:
    return panel.select(["1"])


def no_conditions_known(panel: Panel) -> Panel:
    nothing = {name: np.full_like(panel.y, np.nan) for name in panel.conditions}
    return replace(panel, conditions=nothing)


def tenfold_for_a_week(panel: Panel) -> Panel:
    return with_sales(panel, 0, 141, 142, 1e8)


@every_forecaster
@pytest.mark.parametrize(
    "damage",
    [
        closed_for_ten_weeks,
        closed_at_the_end,
        opened_in_the_second_year,
        opened_three_weeks_ago,
        zero_and_negative_weeks,
        zero_to_the_end,
        week_lost_for_all,
        one_store_only,
        no_conditions_known,
        tenfold_for_a_week,
    ],
)
def test_every_store_with_any_sales_has_a_finite_forecast(forecaster, damage):
    panel = damage(sample_panel(3))
    forecast = forecaster.fit(panel).predict(panel, BEYOND_A_YEAR)
    assert (panel.n_series, BEYOND_A_YEAR) == forecast.shape
    assert np.isfinite(forecast).all()


@every_forecaster
def test_a_store_without_sales_has_no_forecast_and_the_others_have(forecaster):
    panel = with_sales(sample_panel(3), 1, 0, None, np.nan)
    forecast = forecaster.fit(panel).predict(panel, BEYOND_A_YEAR)
    assert [False, True, False] == np.isnan(forecast).all(axis=1).tolist()
    assert np.isfinite(forecast[[0, 2]]).all()


@pytest.mark.parametrize("forecaster", LEARNING, ids=lambda f: f.name)
def test_a_store_that_never_sold_more_than_nothing_has_no_modelled_forecast(forecaster):
    panel = with_sales(sample_panel(3), 1, 0, None, 0.0)
    forecast = forecaster.fit(panel).predict(panel, 4)
    assert [False, True, False] == np.isnan(forecast).all(axis=1).tolist()


@pytest.mark.parametrize("baseline", RULES, ids=lambda f: f.name)
def test_a_store_that_never_sold_more_than_nothing_is_expected_to_go_on_so(baseline):
    panel = with_sales(sample_panel(3), 1, 0, None, 0.0)
    assert not baseline.fit(panel).predict(panel, 4)[1].any()


@pytest.mark.parametrize("forecaster", LEARNING, ids=lambda f: f.name)
def test_a_damaged_store_does_not_disturb_the_scale_of_the_others(forecaster):
    panel = zero_to_the_end(opened_in_the_second_year(sample_panel(3)))
    forecast = forecaster.fit(panel).predict(panel, 8)[1:]
    ratio = forecast / panel.y[1:, 91:99]
    assert (ratio > 0.5).all()
    assert (ratio < 2.0).all()


# Too little


@pytest.mark.parametrize("baseline", RULES, ids=lambda f: f.name)
def test_a_baseline_answers_from_a_single_week(baseline):
    panel = panel_of([[7.0], [9.0]])
    forecast = baseline.fit(panel).predict(panel, 53)
    np.testing.assert_array_equal(forecast, np.repeat([[7.0], [9.0]], 53, axis=1))


@pytest.mark.parametrize("forecaster", LEARNING, ids=lambda f: f.name)
def test_so_many_weeks_are_enough_and_one_less_is_refused_with_both_numbers(forecaster):
    needed = {POOLED.name: 8}.get(forecaster.name, 56)
    panel = sample_panel(3, n_weeks=needed)
    assert np.isfinite(forecaster.fit(panel).predict(panel, 8)).all()
    with pytest.raises(NotEnoughData) as refused:
        forecaster.fit(sample_panel(3, n_weeks=needed - 1))
    assert {"weeks": needed - 1, "needed": needed} == refused.value.fields
    assert f"at least {needed} weeks of sales" in refused.value.message
    assert f"the longest has {needed - 1}" in refused.value.message
    assert refused.value.message.endswith("Load at least 1 more.")

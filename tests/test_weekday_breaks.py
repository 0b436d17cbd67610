"""Breaks of weekday patterns: found where they are, told from seasons, and forecast as they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sales_forecast.data.frequency import DAILY
from sales_forecast.data.panel import Array, Panel
from sales_forecast.features.weekday_breaks import WeekdayBreaks, outdated
from sales_forecast.models.arima import ARIMA
from sales_forecast.models.chance import chance_of_sale
from sales_forecast.models.plan_profile import PlanProfile
from sales_forecast.models.pooled import POOLED, fit_process, fit_profile
from sales_forecast.models.regression import DailyProcess
from sales_forecast.prediction.forecast import forecast
from tests.builders import daily_panel, days
from tests.zeros import of_zeros

N_DAYS = 700
MONDAY_FOR_SATURDAY = np.array([0.4, 0.15, 0.0, 0.0, 0.0, -0.55, 0.0])
"""What each weekday sells more since a tram line; in all it is nothing."""
DAYS = days("2022-01-05", N_DAYS)  # a Wednesday: weeks count back from the last day
WEEKDAY = (DAYS.astype(np.int64) + 3) % 7


def left(n_series: int = 4, noise: float = 0.15, seed: int = 0) -> Array:
    """What a regression leaves of series whose pattern stays."""
    return np.random.default_rng(seed).normal(0, noise, (n_series, N_DAYS))


def since(n_days: int) -> Array:
    """1 on the last days."""
    return (np.arange(N_DAYS) >= N_DAYS - n_days).astype(float)


def found(values: Array) -> WeekdayBreaks:
    return WeekdayBreaks.of(values, [str(row) for row in range(len(values))], DAYS)


# Where they are


@pytest.mark.parametrize("n_days", [35, 91, 301])
def test_a_pattern_that_changed_is_found_within_a_week_and_as_large_as_it_is(n_days):
    values = left()
    values[2] += since(n_days) * MONDAY_FOR_SATURDAY[WEEKDAY]

    breaks = found(values)

    assert ("2",) == breaks.series
    assert abs(int((breaks.since[0] - DAYS[-n_days]).astype(int))) <= 7
    np.testing.assert_allclose(breaks.more[0], MONDAY_FOR_SATURDAY, atol=0.2)
    now = breaks.at(["2", "0", "unknown"], DAYS[-1] + np.arange(1, 8))
    np.testing.assert_array_equal(breaks.more[0][WEEKDAY[:7]], now[0])
    assert not now[1:].any()
    assert not breaks.at(["2"], DAYS[: -n_days - 7]).any()


@pytest.mark.parametrize("seed", range(5))
def test_patterns_that_stay_have_no_break(seed):
    assert () == found(left(50, seed=seed)).series


def test_what_all_do_is_found_though_none_tells_it_alone():
    values = left(40, noise=0.5) + since(42) * 0.5 * MONDAY_FOR_SATURDAY[WEEKDAY]

    breaks = found(values)

    assert () == found(values[:1]).series
    assert 40 == len(breaks.series)
    np.testing.assert_allclose(breaks.more[7], 0.5 * MONDAY_FOR_SATURDAY, atol=0.15)


def test_a_pattern_that_came_and_went_leaves_the_one_before_it():
    values = left()
    values[1] += (since(301) - since(119)) * MONDAY_FOR_SATURDAY[WEEKDAY]

    at = found(values).at(["1"], DAYS)[0]

    np.testing.assert_allclose(at[:390], 0, atol=0.15)
    np.testing.assert_allclose(at[-110:], 0, atol=0.15)
    np.testing.assert_allclose(at[-250:-150], MONDAY_FOR_SATURDAY[WEEKDAY[-250:-150]], atol=0.15)


def test_weekends_that_sell_more_each_summer_are_a_season_and_no_break():
    summer = np.array([0.0, 0, 0, 0, 0, 0.5, 0.5])[WEEKDAY] * (np.arange(N_DAYS) % 364 > 240)

    assert () == found(left() + summer).series


@pytest.mark.parametrize("n", [1, 7, 20, 41])
def test_of_few_days_nothing_is_told(n):
    values = left() + since(14) * 2 * MONDAY_FOR_SATURDAY[WEEKDAY]

    assert () == WeekdayBreaks.of(values[:, -n:], list("abcd"), DAYS[-n:]).series


def test_two_weeks_and_unknown_days_tell_nothing():
    values = left() + since(14) * 2 * MONDAY_FOR_SATURDAY[WEEKDAY]
    values[1] = np.nan
    values[2, -14:] = np.nan

    assert () == found(values).series


# Which weekdays sell at all


def test_a_weekday_that_began_or_ceased_to_sell_forgets_what_was_before():
    sold = np.ones((3, N_DAYS), bool)
    sunday = WEEKDAY == 6
    sold[0, sunday & (since(21) == 0)] = False
    sold[1, sunday & (since(63) == 1)] = False

    old = outdated(sold, np.ones_like(sold))

    np.testing.assert_array_equal(sunday & (since(21) == 0), old[0])
    np.testing.assert_array_equal(sunday & (since(63) == 0), old[1])
    assert not old[2].any()


def test_a_pause_of_all_weekdays_and_sundays_of_each_december_are_no_break_of_one():
    sold = np.ones((2, N_DAYS), bool)
    sold[0, -60:] = False
    december = np.isin(np.arange(N_DAYS) // 7, (44, 45, 46, 47, 96, 97, 98, 99))
    sold[1, (WEEKDAY == 6) & ~december] = False

    assert not outdated(sold, np.ones_like(sold)).any()


@pytest.mark.parametrize("rate", [0.1, 0.5, 1.5])
def test_articles_that_sell_at_times_hardly_ever_have_a_break(rate):
    sold = np.random.default_rng(0).random((1000, N_DAYS)) < 1 - np.exp(-rate)

    assert outdated(sold, np.ones_like(sold)).any(axis=1).mean() < 0.005


@pytest.mark.parametrize("opens", [True, False])
def test_sundays_that_open_or_close_for_good_do_so_in_the_forecast(opens):
    rng = np.random.default_rng(0)
    shut = (WEEKDAY == 6) & (since(28) == (0 if opens else 1))
    y = np.exp(rng.normal(5, 0.1, (6, N_DAYS))) * np.where(shut, 0.0, 1.0)

    chance = chance_of_sale(of_zeros(y, DAILY), 28)

    sunday = (WEEKDAY[-1] + 1 + np.arange(28)) % 7 == 6
    assert chance[:, ~sunday].min() > 0.9
    assert chance[:, sunday].min() > 0.9 if opens else chance[:, sunday].max() < 0.2


# Together with the models


def moved(panel: Panel, n_days: int, rows: slice = slice(None)) -> Panel:
    """The panel, some of whose stores have another weekday pattern on its last days."""
    weekday = (panel.periods.astype(np.int64) + 3) % 7
    y = panel.y.copy()
    y[rows, -n_days:] *= np.exp(MONDAY_FOR_SATURDAY[weekday[-n_days:]])
    return replace(panel, y=y)


@pytest.mark.parametrize("rows", [slice(2, 3), slice(None)], ids=["one", "all"])
@pytest.mark.parametrize("n_days", [77, 342])
def test_a_pattern_that_changed_is_forecast_as_near_as_noise_lets_one(n_days, rows):
    whole = moved(daily_panel(n_days=742), n_days, rows)
    history = whole.until(whole.periods[699])
    models = {"pooled": POOLED.fit(history), "arima": ARIMA.fit(history)}
    sold = whole.y[rows, 700:]

    for name, expected in forecast(models, history, 42).items():
        off = np.abs(expected.if_sold[rows] - sold)
        # 0.05 of noise are 4% of sales; the pattern before would be 15% off.
        assert np.nansum(off) / np.nansum(sold) < 0.055, name


def test_stores_whose_pattern_stays_are_forecast_the_same_beside_one_whose_did_not():
    panel = daily_panel(n_days=500)
    one = moved(panel, 70, slice(2, 3))

    before, after = (fit_process(of).ahead(of, 28) for of in (panel, one))

    np.testing.assert_allclose(*(np.delete(of, 2, axis=0) for of in (before, after)), atol=0.02)


def test_a_profile_tells_days_before_a_break_by_the_pattern_they_had():
    panel = moved(daily_panel(n_days=500), 70, slice(2, 3))
    profile = fit_profile(panel)

    level = np.log(panel.y) - profile.at(panel.series, panel.periods)

    weekday = (panel.periods.astype(np.int64) + 3) % 7
    for some in (slice(0, 420), slice(430, 500)):
        of_day = [np.nanmean(level[2, some][weekday[some] == day]) for day in range(6)]
        assert np.ptp(of_day) < 0.1


def test_a_later_history_tells_of_a_break_without_another_fit():
    panel = daily_panel(n_days=500)
    process = fit_process(panel.until(panel.periods[419]))
    later = moved(panel, 70, slice(2, 3))

    change = process.ahead(later, 14)[2] - process.ahead(panel, 14)[2]

    weekday = (panel.after(14).astype(np.int64) + 3) % 7
    open_days = weekday != 6
    np.testing.assert_allclose(change[open_days], MONDAY_FOR_SATURDAY[weekday][open_days], atol=0.1)


def test_breaks_outlive_a_bundle_and_bundles_from_before_there_were_any_have_none():
    panel = moved(daily_panel(n_days=500), 70, slice(2, 3))
    process, profile = fit_process(panel), fit_profile(panel)
    assert ("3",) == process.breaks.series

    again = DailyProcess.restore(process.state), PlanProfile.restore(profile.state).seeing(panel)

    np.testing.assert_array_equal(process.ahead(panel, 14), again[0].ahead(panel, 14))
    expected = profile.at(panel.series, panel.periods)
    np.testing.assert_array_equal(expected, again[1].at(panel.series, panel.periods))
    old = {name: of for name, of in profile.state.items() if name != "breaks"}
    assert () == PlanProfile.restore(old).breaks.series

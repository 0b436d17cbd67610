"""The baselines, against loops and examples that fit in the head."""

from __future__ import annotations

import numpy as np
import pytest

from sales_forecast.data.panel import Array
from sales_forecast.models.naive import BASELINES, GROWTH, LAST_VALUE, SEASONAL_NAIVE
from tests.builders import daily_panel, panel_of

NAN = np.nan
COUNTING = np.arange(1.0, 61.0)  # week 1 sells 1, week 60 sells 60


def forecast(forecaster, y, horizon: int) -> Array:
    panel = panel_of(y)
    return forecaster.fit(panel).predict(panel, horizon)


def growth_by_a_loop(sales: list[float]) -> float:
    """The last eight weeks over the same weeks a year before, those with sales in both years."""
    now = before = 0.0
    for back in range(1, 9):
        if len(sales) - back >= 52:
            one, other = sales[len(sales) - back], sales[len(sales) - back - 52]
            if one > 0 and other > 0:  # NaN is neither
                now, before = now + one, before + other
    return now / before if before else 1.0


def test_baselines_are_named_as_in_every_table():
    assert ["naive", "seasonal_naive", "seasonal_naive_growth"] == [b.name for b in BASELINES]


# Last value


def test_the_last_value_is_repeated():
    expected = [[3.0, 3.0, 3.0], [6.0, 6.0, 6.0]]
    assert expected == forecast(LAST_VALUE, [[1, 2, 3], [4, 5, 6]], 3).tolist()


def test_the_last_value_is_the_last_known_one():
    y = [[1, 2, NAN], [NAN, 5, NAN], [7, NAN, NAN], [NAN, NAN, NAN]]
    np.testing.assert_array_equal(forecast(LAST_VALUE, y, 1), [[2], [5], [7], [NAN]])


@pytest.mark.parametrize("n_days", [1, 3, 5])
def test_of_less_than_a_week_of_days_a_weekday_without_any_is_as_the_last_one(n_days):
    week = daily_panel(2, n_days)
    for rule in BASELINES:
        found = rule.fit(week).predict(week, 7)
        np.testing.assert_array_equal(found[:, 7 - n_days :], week.y)
        np.testing.assert_array_equal(found[:, : 7 - n_days], week.y[:, [-1] * (7 - n_days)])


# Seasonal naive


def test_the_same_week_of_last_year_is_repeated():
    assert [9.0, 10.0, 11.0] == forecast(SEASONAL_NAIVE, COUNTING, 3)[0].tolist()


def test_beyond_a_year_the_last_known_year_is_repeated_again():
    expected = [*range(9, 61), *range(9, 61), 9]
    assert expected == forecast(SEASONAL_NAIVE, COUNTING, 105)[0].tolist()


def test_a_week_that_is_unknown_last_year_is_the_last_known_value():
    y = COUNTING.copy()
    y[9] = NAN  # the reference of the second week ahead
    assert [9.0, 60.0, 11.0] == forecast(SEASONAL_NAIVE, y, 3)[0].tolist()


def test_a_history_shorter_than_a_year_repeats_its_last_value_where_there_is_no_last_year():
    # 50 weeks: the first two weeks ahead were before the first week, a year ago.
    assert [50.0, 50.0, 1.0, 2.0] == forecast(SEASONAL_NAIVE, COUNTING[:50], 4)[0].tolist()


# Seasonal naive with growth


def test_growth_is_that_of_the_last_eight_weeks():
    # 60 weeks: 153..160 over 101..108.
    expected = np.array([109.0, 110.0, 111.0]) * (1252 / 836)
    np.testing.assert_allclose(forecast(GROWTH, COUNTING + 100.0, 3)[0], expected)


@pytest.mark.parametrize(("factor", "believed"), [(1000.0, np.e), (0.001, 1 / np.e)])
def test_no_growth_is_believed_beyond_a_factor_of_e(factor, believed):
    y = np.repeat([100.0, 100.0 * factor], 52)
    np.testing.assert_allclose(forecast(GROWTH, y, 3)[0], y[-1] * believed)


@pytest.mark.parametrize("n_weeks", [1, 52, 53, 57, 60, 61, 104, 143])
def test_growth_equals_that_of_a_loop_with_gaps_and_without(n_weeks):
    rng = np.random.default_rng(n_weeks)
    y = rng.uniform(50.0, 150.0, (20, n_weeks))
    y[5:][rng.random((15, n_weeks)) < 0.4] = NAN
    y[:, -1] = 100.0
    expected = forecast(SEASONAL_NAIVE, y, 5)
    for series, row in enumerate(y.tolist()):
        for step in range(5):
            year_ago = n_weeks + step - 52
            # A last value that stands in for last year's has grown already.
            if year_ago >= 0 and not np.isnan(row[year_ago]):
                expected[series, step] *= growth_by_a_loop(row)
    np.testing.assert_allclose(forecast(GROWTH, y, 5), expected, rtol=1e-12)


def test_weeks_without_sales_a_year_ago_do_not_make_growth_explode():
    y = np.full(143, 100.0)
    y[143 - 60 : 143 - 53] = 0.0
    assert [100.0] == forecast(GROWTH, y, 1)[0].tolist()


@pytest.mark.parametrize("now", [0.0, -1.0, NAN])
def test_without_sales_in_the_last_weeks_growth_is_not_known_and_nothing_is_changed(now):
    y = COUNTING.copy()
    y[52:] = now
    np.testing.assert_array_equal(forecast(GROWTH, y, 3), forecast(SEASONAL_NAIVE, y, 3))


@pytest.mark.parametrize("before", [0.0, -1.0, NAN])
def test_without_sales_a_year_ago_growth_is_not_known_and_nothing_is_changed(before):
    y = COUNTING.copy()
    y[:8] = before
    np.testing.assert_array_equal(forecast(GROWTH, y, 3), forecast(SEASONAL_NAIVE, y, 3))


def test_growth_is_each_stores_own():
    y = np.ones((2, 60))
    y[1, 52:] = 1.5
    assert [1.0, 1.5] == forecast(GROWTH, y, 1)[:, 0].tolist()

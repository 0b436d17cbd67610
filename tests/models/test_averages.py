"""The averages, against loops and examples that fit in the head."""

from __future__ import annotations

import numpy as np
import pytest

from sales_forecast.data.panel import Array
from sales_forecast.models.averages import AVERAGES, MOVING_AVERAGE, SEASONAL_AVERAGE, TSB
from tests.builders import panel_of

NAN = np.nan
COUNTING = np.arange(1.0, 61.0)  # week 1 sells 1, week 60 sells 60


def forecast(forecaster, y, horizon: int) -> Array:
    panel = panel_of(y)
    return forecaster.fit(panel).predict(panel, horizon)


def seasonal_average_by_a_loop(sales: list[float], step: int) -> float:
    """The mean of the known weeks 52, 104, ... before; else the last known week."""
    back = range(len(sales) + step, -1, -52)
    known = [sales[week] for week in back if week < len(sales) and not np.isnan(sales[week])]
    if known:
        return float(np.mean(known))
    return next((value for value in reversed(sales) if not np.isnan(value)), NAN)


def test_averages_are_named_as_in_every_table():
    assert ["moving_average", "seasonal_average", "tsb"] == [average.name for average in AVERAGES]


def test_the_mean_of_the_last_8_weeks_is_repeated():
    assert [56.5] * 3 == forecast(MOVING_AVERAGE, COUNTING, 3)[0].tolist()


def test_unknown_weeks_do_not_count_in_the_mean():
    y = np.where(COUNTING == 60, NAN, COUNTING)
    assert [56.0] == forecast(MOVING_AVERAGE, y, 1)[0].tolist()


def test_a_store_that_is_closed_for_8_weeks_is_expected_to_sell_what_it_sold_last():
    y = np.where(COUNTING > 52, NAN, COUNTING)
    assert [52.0] == forecast(MOVING_AVERAGE, y, 1)[0].tolist()


def test_a_store_of_three_weeks_averages_those():
    assert [2.0, 2.0] == forecast(MOVING_AVERAGE, [[1.0, 2.0, 3.0]], 2)[0].tolist()


def test_the_same_week_of_all_years_is_averaged():
    # 110 weeks: the next is the 111th, as were the 59th and the 7th.
    y = np.arange(1.0, 111.0)
    assert [33.0, 34.0] == forecast(SEASONAL_AVERAGE, y, 2)[0].tolist()


@pytest.mark.parametrize("n_weeks", [1, 51, 52, 53, 104, 143])
def test_a_seasonal_average_equals_that_of_a_loop_with_gaps_and_without(n_weeks):
    rng = np.random.default_rng(n_weeks)
    y = rng.uniform(50.0, 150.0, (12, n_weeks))
    y[4:][rng.random((8, n_weeks)) < 0.4] = NAN
    y[-1] = NAN
    expected = [[seasonal_average_by_a_loop(row, step) for step in range(60)] for row in y.tolist()]
    np.testing.assert_allclose(forecast(SEASONAL_AVERAGE, y, 60), expected, rtol=1e-12)


def tsb_by_a_loop(sales: list[float]) -> float:
    """Chance and size, each moved a tenth of the way; a size by periods with sales alone."""
    chance = size = NAN
    for sold in sales:
        if np.isnan(sold):
            continue
        some = float(sold > 0)
        chance = some if np.isnan(chance) else chance + 0.1 * (some - chance)
        if some:
            size = sold if np.isnan(size) else size + 0.1 * (sold - size)
    return chance * size if chance else 0.0


def test_tsb_equals_that_of_a_loop_with_gaps_and_zeros():
    rng = np.random.default_rng(3)
    y = rng.integers(0, 4, (20, 80)) * (rng.random((20, 80)) < 0.4).astype(float)
    y[rng.random(y.shape) < 0.1] = NAN
    y[:, 0] = 0.0
    expected = [[tsb_by_a_loop(row)] * 3 for row in y.tolist()]
    np.testing.assert_allclose(forecast(TSB, y, 3), expected, rtol=1e-12)


def test_tsb_of_a_series_that_never_sold_is_nothing():
    assert [0.0, 0.0] == forecast(TSB, [[0.0] * 20], 2)[0].tolist()

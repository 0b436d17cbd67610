"""Metrics, on examples that fit in the head."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sales_forecast.data.panel import Array
from sales_forecast.evaluation import metrics
from sales_forecast.models.spread import DECILES

Y = np.array([100.0, 200.0, 300.0, 400.0])
PREDICTION = np.array([110.0, 190.0, 330.0, 400.0])  # off by 10, 10, 30, 0
HOLIDAY = np.array([0.0, 0.0, 1.0, 0.0])
LOWER = np.array([90.0, np.nan, 310.0, 400.0])
UPPER = np.array([120.0, np.nan, 350.0, 400.0])


def beside(lower: Array, upper: Array, wide: float = 100.0) -> metrics.Distribution:
    """A mean of 1.1 times the prediction, and an interval in which the median stays in between."""
    ends = {0.025: lower - wide, 0.1: lower, 0.9: upper, 0.975: upper + wide}
    inner = {tau: np.clip(PREDICTION, lower, upper) for tau in DECILES[1:-1]}
    return metrics.Distribution(mean=1.1 * PREDICTION, quantiles={**ends, **inner})


@pytest.mark.parametrize(
    ("error", "read"),
    [(4_633.4, "4,633"), (100, "100"), (40.021, "40.02"), (0.41237, "0.4124"), (0, "0"), (5, "5")],
)
def test_small_errors_are_read_with_their_decimals(error: float, read: str) -> None:
    assert read == metrics.in_units(error)


def test_mae_is_the_mean_of_what_forecasts_were_off_by():
    assert 12.5 == metrics.mae(Y, PREDICTION)


def test_mae_of_no_rows_does_not_exist():
    assert math.isnan(metrics.mae(Y[:0], PREDICTION[:0]))


def test_wmae_counts_a_holiday_week_five_times():
    assert (10 + 10 + 5 * 30 + 0) / (1 + 1 + 5 + 1) == metrics.wmae(Y, PREDICTION, HOLIDAY)


def test_wmae_without_holidays_is_the_mae():
    assert 12.5 == metrics.wmae(Y, PREDICTION, np.zeros(4))


def test_rmse_weighs_large_errors_more():
    assert math.sqrt((100 + 100 + 900) / 4) == metrics.rmse(Y, PREDICTION)


def test_rmspe_weighs_each_row_by_what_was_sold_and_leaves_out_rows_without():
    sold, said = np.array([100.0, 200.0, 0.0]), np.array([110.0, 160.0, 50.0])
    assert pytest.approx(math.sqrt((0.1**2 + 0.2**2) / 2)) == metrics.rmspe(sold, said)


def test_rmspe_without_sales_does_not_exist():
    assert math.isnan(metrics.rmspe(np.zeros(2), np.ones(2)))


def test_the_rmspe_is_among_the_scores_only_where_it_is_asked_for():
    said = beside(LOWER, UPPER)
    asked = metrics.score(Y, PREDICTION, HOLIDAY, said, percentages=True).as_dict()
    unasked = metrics.score(Y, PREDICTION, HOLIDAY, said).as_dict()
    assert metrics.rmspe(Y, PREDICTION) == asked.pop("rmspe")
    assert unasked == asked


def test_wape_is_the_share_of_sales_that_was_missed():
    assert 50 / 1000 == metrics.wape(Y, PREDICTION)


def test_wape_takes_returns_by_their_size():
    assert 20 / 400 == metrics.wape(np.array([-100.0, 300.0]), np.array([-90.0, 310.0]))


def test_an_over_and_an_under_forecast_do_not_cancel():
    off = np.array([90.0, 210.0])
    assert (10.0, 10.0) == (metrics.mae(Y[:2], off), metrics.rmse(Y[:2], off))


def test_coverage_counts_ends_as_inside_and_leaves_out_rows_without_an_interval():
    assert 2 / 3 == metrics.coverage(Y, LOWER, UPPER)


def test_coverage_of_no_interval_does_not_exist():
    none = np.full(4, np.nan)
    assert math.isnan(metrics.coverage(Y, none, none))


def test_a_perfect_forecast_has_no_error():
    assert (0.0, 0.0, 0.0, 0.0) == (
        metrics.mae(Y, Y),
        metrics.rmse(Y, Y),
        metrics.wape(Y, Y),
        metrics.wmae(Y, Y, HOLIDAY),
    )


def test_wql_is_twice_the_pinball_loss_over_what_was_sold_of_rows_with_all_quantiles():
    y = np.array([10.0, 10.0, 10.0])
    said = {0.1: np.array([4.0, 12.0, np.nan]), 0.5: np.array([10.0, 14.0, 0.0])}
    # Too low by 6: a tenth of it; too high by 2: nine tenths; too high by 4: half; mean of both.
    assert 2 * (0.1 * 6 + 0.9 * 2 + 0.0 + 0.5 * 4) / 2 / 20 == pytest.approx(metrics.wql(y, said))


def test_wql_of_a_point_is_the_wape():
    same = dict.fromkeys(DECILES, PREDICTION)
    assert metrics.wape(Y, PREDICTION) == pytest.approx(metrics.wql(Y, same))


def test_wql_without_sales_or_quantiles_does_not_exist():
    same = dict.fromkeys(DECILES, PREDICTION)
    assert math.isnan(metrics.wql(np.zeros(4), same))
    assert math.isnan(metrics.wql(Y, {0.5: np.full(4, np.nan)}))


def test_a_sum_of_nothing_has_no_ratio():
    scores = metrics.score(np.zeros(4), PREDICTION, HOLIDAY, beside(LOWER, UPPER))
    assert math.isnan(scores.sum_ratio)


def test_score_has_all_of_them():
    deciles = {tau: beside(LOWER, UPPER).quantiles[tau] for tau in DECILES}
    expected = {
        "wmae": 21.25,
        "wape": 0.05,
        "rmse": math.sqrt(275),
        "mae": 12.5,
        "mae_holiday": 30.0,
        "coverage_80": 2 / 3,
        "coverage_95": 1.0,
        "wql": metrics.wql(Y, deciles),
        "sum_ratio": 1.1 * 1030 / 1000,
    }
    found = metrics.score(Y, PREDICTION, HOLIDAY, beside(LOWER, UPPER)).as_dict()
    assert expected == pytest.approx(found)


@pytest.mark.parametrize("name", ["mae_holiday", "coverage_80", "coverage_95", "wql"])
def test_a_score_that_does_not_exist_is_left_out(name):
    none = np.full(4, np.nan)
    scores = metrics.score(Y, PREDICTION, np.zeros(4), beside(none, none))
    assert math.isnan(getattr(scores, name))
    assert {"wmae", "wape", "rmse", "mae", "sum_ratio"} == scores.as_dict().keys()


def test_wape_of_a_store_that_sells_nothing_does_not_exist():
    zeros = np.zeros(3)
    assert np.isnan(metrics.wape(zeros, zeros))

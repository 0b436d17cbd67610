"""Metrics, on examples that fit in the head."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sales_forecast.evaluation import metrics

Y = np.array([100.0, 200.0, 300.0, 400.0])
PREDICTION = np.array([110.0, 190.0, 330.0, 400.0])  # off by 10, 10, 30, 0
HOLIDAY = np.array([0.0, 0.0, 1.0, 0.0])
LOWER = np.array([90.0, np.nan, 310.0, 400.0])
UPPER = np.array([120.0, np.nan, 350.0, 400.0])


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
    intervals = {80: (LOWER, UPPER), 95: (LOWER, UPPER)}
    asked = metrics.score(Y, PREDICTION, HOLIDAY, intervals, percentages=True).as_dict()
    unasked = metrics.score(Y, PREDICTION, HOLIDAY, intervals).as_dict()
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


def test_score_has_all_of_them():
    expected = {
        "wmae": 21.25,
        "wape": 0.05,
        "rmse": math.sqrt(275),
        "mae": 12.5,
        "mae_holiday": 30.0,
        "coverage_80": 2 / 3,
        "coverage_95": 1.0,
    }
    wide = (LOWER - 100, UPPER + 100)
    assert (
        expected == metrics.score(Y, PREDICTION, HOLIDAY, {80: (LOWER, UPPER), 95: wide}).as_dict()
    )


@pytest.mark.parametrize("name", ["mae_holiday", "coverage_80", "coverage_95"])
def test_a_score_that_does_not_exist_is_left_out(name):
    none = np.full(4, np.nan)
    scores = metrics.score(Y, PREDICTION, np.zeros(4), {80: (none, none), 95: (none, none)})
    assert math.isnan(getattr(scores, name))
    assert {"wmae", "wape", "rmse", "mae"} == scores.as_dict().keys()


def test_wape_of_a_store_that_sells_nothing_does_not_exist():
    zeros = np.zeros(3)
    assert np.isnan(metrics.wape(zeros, zeros))

"""Smoothing of levels: the ARIMA(0,1,1) forecast, held against two other ways to compute it."""

from __future__ import annotations

import numpy as np
import pytest

from sales_forecast.features.features import History
from sales_forecast.models.fitted.smoothing import FittedArima, levels
from sales_forecast.models.pooled import fit_profile
from tests.builders import log_growth, sample_panel, with_sales
from tests.models.oracles import best_linear_forecast, statsmodels_fit


def level_at_the_end(values, theta):
    return levels(values, theta)[:, -1]


@pytest.mark.parametrize("theta", [-0.95, -0.6, 0.0, 0.3, 0.9])
@pytest.mark.parametrize("n_weeks", [1, 2, 3, 13, 91])
def test_the_level_is_the_best_linear_forecast(theta, n_weeks):
    growth = log_growth(4, n_weeks)
    expected = [best_linear_forecast(row, theta) for row in growth]
    found = level_at_the_end(growth, np.full(4, theta))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_the_level_is_the_forecast_of_statsmodels_at_every_step(seed):
    growth = 0.5 + log_growth(1, 78, seed)
    fitted = statsmodels_fit(growth[0])
    found = level_at_the_end(growth, fitted.params[:1])
    np.testing.assert_allclose(fitted.forecast(8), np.repeat(found, 8), rtol=1e-6)


def test_each_series_has_its_own_parameter():
    growth = log_growth(3, 40)
    thetas = np.array([-0.9, -0.5, 0.2])
    alone = [level_at_the_end(growth[[row]], thetas[[row]])[0] for row in range(3)]
    np.testing.assert_array_equal(alone, level_at_the_end(growth, thetas))


def test_a_gap_leaves_the_level_as_it_was():
    growth = log_growth(1, 60)
    theta = np.array([-0.6])
    gaps = growth.copy()
    gaps[0, [0, 1, 20, 21, 22, 45, 58, 59]] = np.nan
    without_them = gaps[:, ~np.isnan(gaps[0])]
    assert (1, 52) == without_them.shape
    found = level_at_the_end(gaps, theta)
    np.testing.assert_allclose(found, level_at_the_end(without_them, theta), rtol=1e-12)
    np.testing.assert_allclose(best_linear_forecast(without_them[0], -0.6), found[0], rtol=1e-9)


def test_the_level_at_an_origin_is_that_of_what_was_known_then():
    growth = log_growth(3, 40)
    thetas = np.array([-0.9, -0.5, 0.2])
    found = levels(growth, thetas)
    for origin in (0, 1, 17, 39):
        known = level_at_the_end(growth[:, : origin + 1], thetas)
        np.testing.assert_array_equal(known, found[:, origin])


def test_gaps_of_one_series_do_not_touch_another():
    growth = log_growth(2, 60)
    gaps = growth.copy()
    gaps[0, 10:30] = np.nan
    theta = np.full(2, -0.6)
    assert level_at_the_end(growth, theta)[1] == level_at_the_end(gaps, theta)[1]


def test_of_a_series_without_any_value_nothing_is_expected():
    unknown = np.full((2, 30), np.nan)
    assert np.isnan(level_at_the_end(unknown, np.full(2, -0.6))).all()
    assert (1, 0) == levels(np.empty((1, 0)), np.array([-0.6])).shape


@pytest.mark.parametrize(("theta", "expected"), [(0.0, 0.3), (-1.0, 0.2)])
def test_theta_goes_from_the_last_value_to_the_mean_of_all(theta, expected):
    values = np.array([[0.1, 0.2, 0.3]])
    np.testing.assert_allclose(level_at_the_end(values, np.array([theta])), [expected], rtol=1e-12)


# Sales


def test_a_forecast_is_the_level_moved_by_the_calendar():
    panel = sample_panel(2)
    history = History(panel, fit_profile(panel))
    levels = level_at_the_end(history.adjusted, np.array([-0.6, -0.8]))
    calendar = history.profile.at(panel.series, panel.after(60))
    expected = np.exp(levels[:, None] + calendar)
    found = FittedArima({"1": -0.6, "2": -0.8}, history.profile).predict(panel, 60)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_store_without_a_parameter_takes_the_median_of_the_others():
    panel = sample_panel(4)
    profile = fit_profile(panel)
    given = {"1": -0.9, "2": -0.5, "3": -0.8}
    np.testing.assert_array_equal(
        FittedArima(given | {"4": -0.8}, profile).predict(panel, 8),
        FittedArima(given, profile).predict(panel, 8),
    )


def test_a_store_of_one_week_goes_on_as_it_is():
    panel = with_sales(sample_panel(2), series=0, first=0, stop=142, sales=np.nan)
    profile = fit_profile(panel)
    ends = np.append(panel.periods[-1], panel.after(3))
    calendar = np.exp(profile.at(panel.series, ends))[0]
    expected = panel.y[0, -1] * calendar[1:] / calendar[0]
    found = FittedArima({"2": -0.6}, profile).predict(panel, 3)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-9)

"""ARIMA per store: parameters as statsmodels estimates them, and who gets one."""

from __future__ import annotations

import numpy as np
import pytest

from sales_forecast.errors import NotEnoughData
from sales_forecast.features.features import History
from sales_forecast.models.arima import ARIMA, deviance, thetas
from sales_forecast.models.fitted.smoothing import FittedArima
from sales_forecast.models.pooled import fit_profile
from tests.builders import panel_of, sample_panel, with_sales
from tests.models.oracles import statsmodels_fit


def test_a_store_is_forecast_as_statsmodels_would_forecast_what_the_calendar_leaves_over():
    panel = sample_panel(3)
    fitted = ARIMA.fit(panel)
    history = History(panel, fit_profile(panel))
    calendar = history.profile.at(panel.series, panel.after(8))
    for row, store in enumerate(panel.series):
        theirs = statsmodels_fit(history.adjusted[row])
        assert (
            pytest.approx(theirs.params[0], abs=1e-5) == fitted.theta[store]
        )  # where the search ends
        expected = np.exp(calendar[row] + theirs.forecast(8))
        np.testing.assert_allclose(fitted.predict(panel, 8)[row], expected, rtol=1e-6)


def test_parameters_are_the_likeliest_of_each_length_and_to_the_border():
    noise = np.random.default_rng(5).normal(size=(4, 140))
    moved = [noise[0][:60], np.diff(noise[1]), np.cumsum(noise[2])[:90], np.diff(np.diff(noise[3]))]
    differences = np.full((5, 140), np.nan)
    for row, of in zip(differences, moved, strict=False):
        row[: len(of)] = of
    differences[4, :60] = 0.0
    found = thetas(differences)
    theirs = statsmodels_fit(np.cumsum(np.r_[0.0, moved[0]])).params[0]
    assert (pytest.approx(theirs, abs=1e-5), -1.0, -1.0, 0.0) == (*found[[0, 1, 3, 4]],)
    everywhere = deviance(differences, np.tile(np.linspace(-1, 1, 401), (5, 1))).min(axis=1)
    assert (deviance(differences, found[:, None])[:, 0] <= everywhere + 1e-9).all()


def test_parameters_are_each_stores_own_and_invertible():
    theta = ARIMA.fit(sample_panel(9)).theta
    assert [str(store) for store in range(1, 10)] == [*theta]
    assert 9 == len(set(theta.values()))
    assert all(-1 < value < 1 for value in theta.values())


def test_a_store_of_55_weeks_gets_no_parameter_and_the_median_answers_for_it():
    panel = with_sales(sample_panel(4), series=3, first=0, stop=143 - 55, sales=np.nan)
    fitted = ARIMA.fit(panel)
    assert {"1", "2", "3"} == fitted.theta.keys()
    theta = {**fitted.theta, "4": float(np.median([*fitted.theta.values()]))}
    expected = FittedArima(theta, fitted.profile).predict(panel, 4)
    np.testing.assert_array_equal(expected, fitted.predict(panel, 4))


def test_a_store_of_56_weeks_gets_a_parameter():
    panel = with_sales(sample_panel(4), series=3, first=0, stop=143 - 56, sales=np.nan)
    assert {"1", "2", "3", "4"} == ARIMA.fit(panel).theta.keys()


def test_a_gap_is_estimated_over_as_if_the_store_had_stood_still():
    panel = with_sales(sample_panel(1), series=0, first=110, stop=115, sales=np.nan)
    fitted = ARIMA.fit(panel)
    adjusted = History(panel, fitted.profile).adjusted[0]
    assert 5 == np.isnan(adjusted).sum()
    adjusted[110:115] = adjusted[109]
    assert pytest.approx(statsmodels_fit(adjusted).params[0], abs=1e-5) == fitted.theta["1"]


def test_conditions_do_not_matter():
    panel = sample_panel(2)
    fitted = ARIMA.fit(panel)
    storm = {name: np.full((2, 4), 1e6) for name in panel.conditions}
    np.testing.assert_array_equal(fitted.predict(panel, 4), fitted.predict(panel, 4, storm))


def test_a_panel_without_any_store_of_56_weeks_is_refused():
    panel = sample_panel(2)
    for store in range(2):
        panel = with_sales(panel, series=store, first=0, stop=88, sales=np.nan)
    with pytest.raises(NotEnoughData, match="at least 56 weeks of sales"):
        ARIMA.fit(panel)


def test_sales_that_never_move_are_forecast_as_they_are():
    panel = panel_of(np.full((1, 143), 1000.0))
    np.testing.assert_allclose(ARIMA.fit(panel).predict(panel, 4), 1000.0, rtol=1e-6)

"""ETS per store: as statsmodels forecasts, gap or not, and who gets parameters."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from statsmodels.tsa import holtwinters

from sales_forecast.errors import NotEnoughData
from sales_forecast.features.features import History
from sales_forecast.models.ets import ETS
from sales_forecast.models.fitted.damped_trend import ahead
from tests.builders import panel_of, sample_panel, with_sales

PARAMETERS = np.array([[0.3, 0.2, 0.9]])
NAN = np.nan


def test_a_store_is_forecast_as_statsmodels_would_forecast_what_the_calendar_leaves_over():
    panel = sample_panel(3)
    fitted = ETS.fit(panel)
    adjusted = History(panel, fitted.profile).adjusted
    calendar = fitted.profile.at(panel.series, panel.after(8))
    for row, store in enumerate(panel.series):
        start = {"initial_level": adjusted[row, 0], "initial_trend": 0.0}
        model = holtwinters.Holt(
            adjusted[row], damped_trend=True, initialization_method="known", **start
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = model.fit()
        assert pytest.approx(theirs.params["smoothing_level"]) == fitted.parameters[store][0]
        expected = np.exp(calendar[row] + theirs.forecast(8))
        np.testing.assert_allclose(fitted.predict(panel, 8)[row], expected, rtol=1e-8)


def test_a_level_follows_and_a_trend_fades():
    # Level 10 -> 10 + 0.3 * 1, trend 0 -> 0.2 * 0.3; then 0.9 of it, 0.9 + 0.81, ...
    expected = 10.3 + 0.06 * np.array([0.9, 0.9 + 0.81, 0.9 + 0.81 + 0.729])
    np.testing.assert_allclose(ahead(np.array([[10.0, 11.0]]), PARAMETERS, 3), [expected])


def test_through_a_gap_level_and_trend_go_on_as_expected():
    known = np.array([[10.0, 11.0]])
    gap = np.array([[NAN, 10.0, 11.0, NAN, NAN]])
    np.testing.assert_allclose(
        ahead(known, PARAMETERS, 5)[:, 2:], ahead(gap, PARAMETERS, 3), rtol=1e-12
    )


def test_a_series_of_which_nothing_is_known_has_no_forecast():
    values = np.array([[NAN, NAN], [NAN, 7.0]])
    np.testing.assert_array_equal(
        ahead(values, np.repeat(PARAMETERS, 2, axis=0), 2), [[NAN, NAN], [7.0, 7.0]]
    )


def test_a_store_of_55_weeks_gets_no_parameters_and_the_median_answers_for_it():
    panel = with_sales(sample_panel(4), series=3, first=0, stop=143 - 55, sales=NAN)
    fitted = ETS.fit(panel)
    assert {"1", "2", "3"} == fitted.parameters.keys()
    history = History(panel, fitted.profile)
    typical = np.median([fitted.parameters[store] for store in "123"], axis=0)
    calendar = fitted.profile.at(["4"], panel.after(4))
    expected = np.exp(calendar + ahead(history.adjusted[3:], typical[None, :], 4))
    np.testing.assert_allclose(fitted.predict(panel, 4)[3:], expected, rtol=1e-12)


def test_conditions_do_not_matter():
    panel = sample_panel(2)
    fitted = ETS.fit(panel)
    storm = {name: np.full((2, 4), 1e6) for name in panel.conditions}
    np.testing.assert_array_equal(fitted.predict(panel, 4), fitted.predict(panel, 4, storm))


def test_a_panel_without_any_store_of_56_weeks_is_refused():
    with pytest.raises(NotEnoughData, match="at least 56 weeks of sales"):
        ETS.fit(sample_panel(2, n_weeks=55))


def test_sales_that_never_move_are_forecast_as_they_are():
    panel = panel_of(np.full((1, 143), 1000.0))
    np.testing.assert_allclose(ETS.fit(panel).predict(panel, 4), 1000.0, rtol=1e-6)

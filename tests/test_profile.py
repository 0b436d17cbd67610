"""The calendar profile: what dates alone do to the sales of the chain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sales_forecast import calendar
from sales_forecast.panel import Panel
from sales_forecast.profile import fit_profile, log_sales
from tests.builders import panel_of, sample_panel, weeks

BEFORE_CHRISTMAS = calendar.EVENT_NAMES.index("days_1_4_before_christmas")


def profile_by_the_book(panel: Panel, ends: np.ndarray) -> np.ndarray:
    """Ridge regression as least squares with one more row per penalty, stores by loops."""
    stores = [
        {week: np.log(sales) for week, sales in enumerate(row) if sales > 0} for row in panel.y
    ]
    means = [np.mean(list(store.values())) if store else 0.0 for store in stores]
    chain = {
        week: np.mean(changes)
        for week in range(panel.n_periods)
        if (
            changes := [
                store[week] - mean
                for store, mean in zip(stores, means, strict=True)
                if week in store
            ]
        )
    }

    def terms(days: np.ndarray) -> np.ndarray:
        season, month = calendar.season_harmonics(days, 5), calendar.month_harmonics(days, 3)
        return np.hstack([season, month, calendar.event_days(days)])

    known = list(chain)
    design = np.column_stack(
        [np.ones(len(known)), np.array(known) / 52, terms(panel.periods[known])]
    )
    penalties = np.diag(np.sqrt([1e-3, 1e-3] + [1.0] * (design.shape[1] - 2)))
    wanted = [*chain.values(), *np.zeros(len(penalties))]
    effects = np.linalg.lstsq(np.vstack([design, penalties]), wanted)[0]
    return terms(ends) @ effects[2:]


def test_sales_that_are_missing_zero_or_negative_have_no_logarithm():
    logs = log_sales(np.array([1.0, np.e, 0.0, -5.0, np.nan]))
    np.testing.assert_array_equal(logs, [0.0, 1.0, np.nan, np.nan, np.nan])


def test_the_profile_is_the_ridge_regression_it_says_it_is():
    panel = sample_panel(5)
    y = panel.y.copy()
    y[0, :40] = np.nan  # opens later
    y[1, 60:70] = 0.0
    y[:, 100] = np.nan  # a week without any sales
    panel = replace(panel, y=y)
    ends = weeks("2010-02-05", 250)
    np.testing.assert_allclose(
        fit_profile(panel).at(ends), profile_by_the_book(panel, ends), rtol=0, atol=1e-8
    )


def test_an_effect_of_each_day_before_christmas_is_found_and_shrunk_a_little():
    ends = weeks("2010-02-05", 143)
    days = calendar.event_days(ends)[:, BEFORE_CHRISTMAS]
    profile = fit_profile(panel_of(1000 * np.exp(0.1 * days)))
    christmas = profile.at(np.array(["2010-12-24", "2010-12-31"], dtype="datetime64[D]"))
    assert 0.3 < christmas[0] - christmas[1] < 0.4
    # Christmas 2013 is a Wednesday: three days before it in the one week, one in the next.
    future = profile.at(np.array(["2013-12-20", "2013-12-27"], dtype="datetime64[D]"))
    assert future[0] < future[1]


def test_growth_is_not_part_of_the_profile():
    ends = weeks("2010-02-05", 156)
    growing = panel_of(1000 * np.exp(0.2 * np.arange(156) / 52))
    assert np.abs(fit_profile(growing).at(ends)).max() < 0.005


def test_the_size_of_a_store_does_not_matter():
    panel = sample_panel(3)
    larger = replace(panel, y=panel.y * np.array([[8.0], [1.0], [0.1]]))
    np.testing.assert_allclose(
        fit_profile(larger).weights, fit_profile(panel).weights, rtol=0, atol=1e-9
    )


def test_a_store_without_sales_changes_nothing():
    panel = sample_panel(3)
    empty = np.full((1, panel.n_periods), np.nan)
    with_empty = Panel(np.vstack([panel.y, empty]), panel.periods, (*panel.series, "4"))
    np.testing.assert_array_equal(fit_profile(panel).weights, fit_profile(with_empty).weights)


@pytest.mark.parametrize("sales", [np.nan, 0.0, -5.0])
def test_a_panel_without_positive_sales_has_a_profile_of_zeros(sales):
    profile = fit_profile(panel_of(np.full((2, 80), sales)))
    assert not profile.at(weeks("2012-11-02", 60)).any()


def test_a_week_has_one_value_whichever_weeks_are_asked_with_it():
    profile = fit_profile(sample_panel(3))
    ends = weeks("2012-11-02", 20)
    alone = [profile.at(ends[position : position + 1])[0] for position in range(20)]
    np.testing.assert_allclose(profile.at(ends), alone, rtol=1e-12, atol=0)

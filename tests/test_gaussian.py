"""A process over weeks, held against the textbook: conditioning on everything at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sales_forecast.data import calendar
from sales_forecast.features.gaussian import (
    Between,
    Hyperparameters,
    Seen,
    Weeks,
    calendar_covariance,
    components,
    covariance,
    observed,
)
from tests.builders import weeks

OF = Hyperparameters(
    trend=0.01, fast_drift=0.02, fast_length=0.1, slow_drift=0.03, slow_length=1.0, season=0.04,
    season_length=0.7, month=0.005, large_events=0.01, small_events=0.002, noise=0.01,
    cycle=0.004, cycle_length=0.5,
)  # fmt: skip
PIVOT = np.datetime64("2011-12-30", "D")
PAST, AHEAD = weeks("2010-02-05", 100), weeks("2012-01-06", 10)


def between(rows: np.ndarray, columns: np.ndarray) -> Between:
    return Between.of(Weeks.of(rows, PIVOT), Weeks.of(columns, PIVOT))


def shared(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return covariance(OF, between(rows, columns))


def both(periods: np.ndarray) -> np.ndarray:
    return observed(shared(periods, periods), OF.noise)


def drawn(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.linalg.cholesky(both(PAST)) @ rng.normal(size=(len(PAST), n))


def seeing(values: np.ndarray, periods: np.ndarray = PAST) -> Seen:
    return Seen.values(both(periods), values)


def test_what_is_expected_is_what_the_textbook_conditions_on_all_values_at_once():
    values = 0.5 * drawn(3)  # so that nothing is further off than three standard deviations
    expected = shared(AHEAD, PAST) @ np.linalg.solve(both(PAST), values)
    np.testing.assert_allclose(
        seeing(values).expected(shared(AHEAD, PAST)), expected, rtol=0, atol=1e-9
    )


def textbook_spread(seen: np.ndarray, asked: np.ndarray) -> float:
    """The standard deviation of the first week asked, where the values of others are known."""
    known = shared(asked, seen) @ np.linalg.solve(both(seen), shared(seen, asked))
    return float(np.sqrt((both(asked) - known)[0, 0]))


def left_out(week: int, values: np.ndarray) -> tuple[float, float]:
    """What all other values let one expect of a week, and its standard deviation."""
    others, now = np.delete(PAST, week), PAST[week : week + 1]
    seen = seeing(np.delete(values, week, axis=0), others)
    return seen.expected(shared(now, others))[0, 0], textbook_spread(others, now)


@pytest.mark.parametrize("size", [5.0, 1e6])
def test_an_accident_counts_as_three_standard_deviations_whatever_its_size(size):
    values = 0.5 * drawn(1)
    expected, spread = left_out(40, values)
    hit = values.copy()
    hit[40] = size
    seen = seeing(hit)
    # In its order, it is drawn in too, so its neighbours hardly feel it.
    assert pytest.approx(expected + 3 * spread, abs=0.2 * spread) == seen.believed[40, 0]
    np.testing.assert_array_equal(np.delete(values, 40), np.delete(seen.believed, 40))


def test_a_lasting_change_of_level_is_believed_once_later_values_confirm_it():
    values = 0.2 * drawn(1)
    values[60:] += 1.0
    believed = seeing(values).believed
    assert np.abs(believed - values)[62:].max() < 0.05
    until = seeing(values[:61], PAST[:61])  # before anything confirms it
    assert values[60, 0] - until.believed[60, 0] > 0.3


def test_values_that_surprise_nobody_are_believed_as_they_are():
    values = 0.5 * drawn(3)
    np.testing.assert_array_equal(values, seeing(values).believed)


def test_series_do_not_touch_each_other():
    values = drawn(9)  # more than are worked on one by one
    together = seeing(values).expected(shared(AHEAD, PAST))
    alone = [seeing(values[:, [row]]).expected(shared(AHEAD, PAST)) for row in range(9)]
    np.testing.assert_allclose(together, np.hstack(alone), rtol=0, atol=1e-12)


def test_a_season_repeats_with_the_date_and_events_with_their_days():
    parts = components(OF, between(PAST, PAST))
    # 2010-12-24 and 2011-12-23 are a year less a day apart, 2010-06-25 half a year.
    first, second, half = (int((np.datetime64(day) - PAST[0]).astype(int) // 7) for day in (
        "2010-12-24", "2011-12-23", "2010-06-25"
    ))  # fmt: skip
    assert parts["season"][first, second] > 0.99 * OF.season
    assert parts["season"][first, half] < 0.05 * OF.season
    days = calendar.event_days(PAST, calendar.LARGE_EVENTS)
    assert (
        pytest.approx(OF.large_events * days[first] @ days[second])
        == (parts["large_events"][first, second])
    )


@pytest.mark.parametrize("cycle_weeks", [2, 4])
def test_a_cycle_comes_again_after_its_weeks_and_fades(cycle_weeks):
    cyclic = replace(OF, cycle_weeks=cycle_weeks)
    first = components(cyclic, between(PAST, PAST))["cycle"][0]
    age = np.arange(len(PAST)) * 7 / 365.2425
    again = np.where(np.arange(len(PAST)) % cycle_weeks, -1 / (cycle_weeks - 1), 1)
    np.testing.assert_allclose(first, 0.004 * again * np.exp(-age / 0.5), rtol=0, atol=1e-12)


def test_the_calendar_is_what_dates_make_and_the_rest_with_a_level_is_everything():
    parts = components(OF, between(AHEAD, PAST))
    names = ("season", "month", "large_events", "small_events", "cycle")
    dates = sum(parts[name] for name in names)
    np.testing.assert_allclose(calendar_covariance(OF, between(AHEAD, PAST)), dates)
    np.testing.assert_allclose(shared(AHEAD, PAST), sum(parts.values()) + 0.01)


def test_hyperparameters_keep_their_order_as_logarithms():
    assert Hyperparameters.names()[0] == "trend"
    logs = OF.logs()
    assert len(logs) == len(Hyperparameters.names()) == 13
    again = OF.from_logs(logs)
    np.testing.assert_allclose(again.logs(), logs, rtol=1e-12)
    assert replace(OF, noise=1.0).logs()[10] == 0.0

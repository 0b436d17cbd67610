"""Intervals: tenths of what went wrong before, never narrower later, always around 1."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sales_forecast.data.frequency import DAILY
from sales_forecast.data.panel import Panel
from sales_forecast.models.intervals import (
    AGES,
    LEVELS,
    NEW,
    OLD,
    YOUNG,
    IntervalFactors,
    Intervals,
    IntervalsByAge,
    ages,
    interval_factors,
    min_residuals,
    weeks_known,
    weeks_known_then,
)
from tests.builders import daily_panel, days, panel_of

EVEN = np.linspace(0.5, 1.5, 101)  # its tenths are 0.6 and 1.4


def steps(step: int, ratios: np.ndarray) -> np.ndarray:
    return np.full(len(ratios), step)


def test_the_ends_are_the_first_and_the_last_tenth_of_the_residuals():
    factors = interval_factors(steps(1, EVEN), EVEN, horizon=1, level=80)
    np.testing.assert_allclose([0.6], factors.lower, rtol=1e-12)
    np.testing.assert_allclose([1.4], factors.upper, rtol=1e-12)


@pytest.mark.parametrize("level", LEVELS)
def test_the_interval_covers_its_share_of_the_residuals_it_was_measured_on(level):
    ratio = np.random.default_rng(0).lognormal(0.0, 0.1, 1000)
    lower, upper = interval_factors(steps(1, ratio), ratio, 1, level).at(1)
    assert 10 * level == ((lower <= ratio) & (ratio <= upper)).sum()


@pytest.mark.parametrize(("level", "needed"), [(80, 30), (95, 80)])
def test_too_few_residuals_promise_nothing(level, needed):
    assert needed == min_residuals(level)
    few, enough = EVEN[: needed - 1], EVEN[:needed]
    assert np.isnan(interval_factors(steps(1, few), few, 2, level).lower).all()
    assert np.isnan(interval_factors(steps(1, few), few, 2, level).upper).all()
    assert not np.isnan(interval_factors(steps(1, enough), enough, 2, level).lower).any()


def test_no_residuals_at_all_promise_nothing():
    factors = interval_factors(np.array([], dtype=np.int64), np.array([]), horizon=3, level=80)
    assert np.isnan([*factors.lower, *factors.upper]).all()
    assert all(math.isnan(end) for end in factors.at(8))


@pytest.mark.parametrize("n", [20, 200])
def test_a_step_takes_the_residuals_of_all_steps_up_to_it(n):
    wide = np.concatenate([np.full(n // 2, 0.2), np.full(n // 2, 1.8)])  # of step 2
    factors = interval_factors(
        np.concatenate([steps(1, EVEN), steps(2, wide)]),
        np.concatenate([EVEN, wide]),
        horizon=2,
        level=80,
    )
    tenths = np.quantile(np.concatenate([EVEN, wide]), [0.1, 0.9])
    np.testing.assert_allclose([0.6, tenths[0]], factors.lower, rtol=1e-12)
    np.testing.assert_allclose([1.4, tenths[1]], factors.upper, rtol=1e-12)


def test_a_step_never_takes_residuals_of_later_steps():
    later = np.concatenate([steps(1, EVEN[:10]), steps(2, EVEN)])
    factors = interval_factors(later, np.concatenate([EVEN[:10], EVEN]), horizon=2, level=80)
    assert [True, False] == np.isnan(factors.lower).tolist()
    together = np.concatenate([EVEN[:10], EVEN])
    np.testing.assert_allclose(np.quantile(together, 0.1), factors.lower[1], rtol=1e-12)


def test_a_later_step_is_never_narrower():
    rng = np.random.default_rng(1)
    step = np.repeat(np.arange(1, 9), 40)
    ratio = rng.lognormal(0.0, np.where(step == 1, 0.5, 0.05))
    factors = interval_factors(step, ratio, horizon=8, level=80)
    assert (np.diff(factors.lower) <= 0).all()
    assert (np.diff(factors.upper) >= 0).all()
    assert factors.lower[0] == factors.lower[7]  # step 1 was the worst


@pytest.mark.parametrize("bias", [0.5, 2.0])
def test_the_prediction_itself_lies_inside_even_if_it_was_always_too_high_or_too_low(bias):
    ratio = bias * np.linspace(0.9, 1.1, 50)
    lower, upper = interval_factors(steps(1, ratio), ratio, horizon=1, level=80).at(1)
    assert lower <= 1.0 <= upper
    assert 1.0 in (lower, upper)


def test_a_measured_step_has_its_own_factors():
    factors = IntervalFactors(np.array([0.9, 0.8]), np.array([1.1, 1.3]))
    assert (0.9, 1.1) == factors.at(1)
    assert (0.8, 1.3) == factors.at(2)


@pytest.mark.parametrize("power", [0.0, 0.1, 0.5])
def test_beyond_the_measured_steps_the_interval_widens_as_it_did_within_them(power):
    widening = np.arange(1, 53) ** power
    lower, upper = 1 - 0.1 * widening, 1 + 0.15 * widening
    factors = IntervalFactors(lower[:8], upper[:8])
    assert pytest.approx(power) == factors.slope
    np.testing.assert_allclose([lower, upper], factors.at(np.arange(1, 53)))


@pytest.mark.parametrize("upper", [[1.1, 1.4], [1.1], [np.nan, 1.1]])
def test_it_widens_no_faster_than_a_random_walk_and_so_where_nothing_shows_how_fast(upper):
    factors = IntervalFactors(2 - np.array(upper), np.array(upper))
    _, ends = factors.at(np.array([len(upper), 4 * len(upper)]))
    assert pytest.approx(2.0) == (ends[1] - 1) / (ends[0] - 1)


def test_sales_of_nothing_stay_possible_at_every_step():
    intervals = Intervals({80: IntervalFactors(np.array([0.0]), np.array([1.2]))}, {})
    (lower,), (upper,) = intervals.of(80, ["s"], np.array([52]))
    assert 0.0 == lower
    assert 1.2 < upper < math.inf


# Series


def forecasts(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Forecasts of nine series, the three smallest of which stray four times as far."""
    rng = np.random.default_rng(2)
    size = np.tile([1e3, 1e3, 1e3, 5e4, 5e4, 5e4, 9e5, 9e5, 9e5], n)
    off = np.where(size < 5e3, 0.2, 0.05) * rng.normal(size=len(size))
    series = np.tile([f"s{number}" for number in range(9)], n).astype(object)
    return series, np.ones(len(size), dtype=np.int64), size * (1 + off), size


def test_small_series_that_stray_further_get_wider_intervals_and_all_are_covered():
    series, step, y, prediction = forecasts(400)
    intervals = Intervals.measured(series, step, y, prediction, horizon=1)
    for level in LEVELS:
        lower, upper = intervals.of(level, series, step)
        inside = (lower * prediction <= y) & (y <= upper * prediction)
        for group in (["s0", "s1", "s2"], ["s3", "s4", "s5"], ["s6", "s7", "s8"]):
            assert pytest.approx(level / 100, abs=0.03) == inside[np.isin(series, group)].mean()
    (small, large), _ = intervals.of(80, ["s0", "s8"], np.array([1, 1]))
    assert pytest.approx(4, rel=0.1) == (1 - small) / (1 - large)


def test_the_larger_level_is_the_wider_interval():
    intervals = Intervals.measured(*forecasts(40), horizon=1)
    one = np.array([1])
    (lower_80,), (upper_80,) = intervals.of(80, ["s1"], one)
    (lower_95,), (upper_95,) = intervals.of(95, ["s1"], one)
    assert lower_95 < lower_80 < 1 < upper_80 < upper_95


def test_a_series_that_was_never_measured_strays_as_most_do():
    intervals = Intervals({80: IntervalFactors(np.array([0.9]), np.array([1.2]))}, {"s": 2.0})
    lower, upper = intervals.of(80, ["new", "s"], np.array([1, 1]))
    np.testing.assert_allclose(lower, [0.9, 0.8])
    np.testing.assert_allclose(upper, [1.2, 1.4])


def test_no_end_is_negative_however_wide():
    intervals = Intervals({95: IntervalFactors(np.array([0.4]), np.array([3.0]))}, {"s": 5.0})
    assert [0.0] == intervals.of(95, ["s"], np.array([1]))[0].tolist()


def test_nothing_measured_promises_nothing():
    none = Intervals.measured(
        np.array([], dtype=object), np.array([], dtype=np.int64), np.array([]), np.array([]), 2
    )
    for intervals in (none, Intervals.none()):
        for level in LEVELS:
            assert np.isnan(intervals.of(level, ["s"], np.array([1]))).all()


# Ages


def test_a_series_is_new_before_its_first_week_young_for_a_year_and_then_old():
    weeks = np.array([0, 1, 51, 52, 200])
    assert [NEW, YOUNG, YOUNG, OLD, OLD] == ages(weeks).tolist()


def test_a_week_is_known_whatever_was_sold_in_it():
    y = np.full((3, 60), np.nan)
    y[0, 9:] = 0.0
    y[1, 8:] = -1.0
    y[1, 20:25] = np.nan
    assert [51, 47, 0] == weeks_known(panel_of(y)).tolist()


def test_a_week_of_days_is_known_by_any_day_of_it():
    panel = daily_panel(n_series=3, n_days=7 * 60)
    panel.y[0, : 7 * 9] = np.nan
    panel.y[1] = np.nan
    panel.y[1, 70] = 5.0
    assert [51, 1, 60] == weeks_known(panel).tolist()


def by_age(n: int) -> tuple[np.ndarray, IntervalsByAge]:
    """The nine series, of which every 17th forecast was of a young one that strays tenfold."""
    series, step, y, prediction = forecasts(n)
    young = np.arange(len(y)) % 17 == 0
    y = np.where(young, prediction * (1 + 10 * (y / prediction - 1)), y)
    age = np.where(young, YOUNG, OLD)
    return young, IntervalsByAge.measured(age, series, step, y, prediction)


def ends_of(intervals: IntervalsByAge, level: int, age: str, series: str, sales: float = 1.0):
    lower, upper = intervals.ends(level, [age], [series], np.array([1]), np.array([sales]))
    return lower.item(), upper.item()


def test_young_series_are_measured_apart_and_all_alike():
    _, intervals = by_age(400)
    of_young, of_old = (ends_of(intervals, 95, age, "s8")[0] for age in (YOUNG, OLD))
    assert of_young == 0.0
    assert of_old > 0.85
    assert ends_of(intervals, 80, YOUNG, "s0") == ends_of(intervals, 80, YOUNG, "s8")
    assert ends_of(intervals, 80, OLD, "s0") != ends_of(intervals, 80, OLD, "s8")


def test_the_intervals_of_an_age_are_those_that_its_forecasts_alone_give():
    series, step, y, prediction = forecasts(40)
    young, _ = by_age(40)
    age = np.where(young, YOUNG, OLD)
    intervals = IntervalsByAge.measured(age, series, step, y, prediction)
    alone = Intervals.measured(series[~young], step[~young], y[~young], prediction[~young], 1)
    for level in LEVELS:
        (lower,), (upper,) = alone.of(level, ["s1"], np.array([1]))
        assert (200.0 * lower, 200.0 * upper) == ends_of(intervals, level, OLD, "s1", 200.0)


@pytest.mark.parametrize("age", AGES)
def test_of_an_age_that_was_never_measured_nothing_is_promised(age):
    others = [one for one in AGES if one != age]
    series, step, y, prediction = forecasts(40)
    given = np.array(others, dtype=object)[np.arange(len(y)) % 2]
    intervals = IntervalsByAge.measured(given, series, step, y, prediction)
    assert set(others) == set(intervals.of_age)
    for level in LEVELS:
        assert np.isnan(ends_of(intervals, level, age, "s1")).all()
        assert np.isnan(ends_of(IntervalsByAge.none(), level, age, "s1")).all()


@pytest.mark.parametrize(("few", "promised"), [(29, False), (30, True)])
def test_of_an_age_of_which_too_little_was_measured_nothing_is_promised(few, promised):
    series, step, y, prediction = forecasts(40)
    age = np.where(np.arange(len(y)) < few, NEW, OLD)
    intervals = IntervalsByAge.measured(age, series, step, y, prediction)
    assert promised != np.isnan(ends_of(intervals, 80, NEW, "s1")).all()
    assert np.isnan(ends_of(intervals, 95, NEW, "s1")).all()


def test_the_lower_end_of_returns_is_the_lower_one():
    _, intervals = by_age(40)
    lower, upper = ends_of(intervals, 80, OLD, "s1", -100.0)
    assert lower < -100.0 < upper


def test_a_single_size_is_measured_whatever_a_series_sells():
    series = np.repeat(np.array(["a", "b"], dtype=object), 50)
    prediction = np.repeat([1.0, 1e6], 50)
    y = prediction * np.tile(np.linspace(0.5, 1.5, 50), 2)
    age = np.full(100, YOUNG)
    intervals = IntervalsByAge.measured(age, series, np.ones(100, dtype=np.int64), y, prediction)
    tenths = np.quantile(y / prediction, [0.1, 0.9])
    np.testing.assert_allclose(ends_of(intervals, 80, YOUNG, "new"), tenths)


def test_a_week_of_days_is_known_from_its_first_known_day_on():
    y = np.full((2, 16), np.nan)
    y[0, [2, 3, 9]] = 1.0
    y[1, 15] = 1.0
    panel = Panel(y, days("2024-01-01", 16), ("1", "2"), frequency=DAILY)
    then = weeks_known_then(panel)
    assert [0, 0, *[1] * 7, *[2] * 7] == then[0].tolist()
    assert [*[0] * 15, 1] == then[1].tolist()
    for period in range(16):
        known = weeks_known(panel.until(panel.periods[period]))
        assert then[:, period].tolist() == known.tolist()

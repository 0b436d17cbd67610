"""Intervals: tenths of what went wrong before, never narrower later, always around 1."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sales_forecast.intervals import MIN_RESIDUALS, IntervalFactors, interval_factors

EVEN = np.linspace(0.5, 1.5, 101)  # its tenths are 0.6 and 1.4


def steps(step: int, ratios: np.ndarray) -> np.ndarray:
    return np.full(len(ratios), step)


def test_the_ends_are_the_first_and_the_last_tenth_of_the_residuals():
    factors = interval_factors(steps(1, EVEN), EVEN, horizon=1)
    np.testing.assert_allclose([0.6], factors.lower, rtol=1e-12)
    np.testing.assert_allclose([1.4], factors.upper, rtol=1e-12)


def test_the_interval_covers_eight_tenths_of_the_residuals_it_was_measured_on():
    ratio = np.random.default_rng(0).lognormal(0.0, 0.1, 1000)
    lower, upper = interval_factors(steps(1, ratio), ratio, horizon=1).at(1)
    assert 800 == ((lower <= ratio) & (ratio <= upper)).sum()


def test_too_few_residuals_promise_nothing():
    few, enough = EVEN[: MIN_RESIDUALS - 1], EVEN[:MIN_RESIDUALS]
    assert np.isnan(interval_factors(steps(1, few), few, horizon=2).lower).all()
    assert np.isnan(interval_factors(steps(1, few), few, horizon=2).upper).all()
    assert not np.isnan(interval_factors(steps(1, enough), enough, horizon=2).lower).any()


def test_no_residuals_at_all_promise_nothing():
    factors = interval_factors(np.array([], dtype=np.int64), np.array([]), horizon=3)
    assert np.isnan([*factors.lower, *factors.upper]).all()
    assert all(math.isnan(end) for end in factors.at(8))


@pytest.mark.parametrize("n", [20, 200])
def test_a_step_takes_the_residuals_of_all_steps_up_to_it(n):
    wide = np.concatenate([np.full(n // 2, 0.2), np.full(n // 2, 1.8)])  # of step 2
    factors = interval_factors(
        np.concatenate([steps(1, EVEN), steps(2, wide)]), np.concatenate([EVEN, wide]), horizon=2
    )
    tenths = np.quantile(np.concatenate([EVEN, wide]), [0.1, 0.9])
    np.testing.assert_allclose([0.6, tenths[0]], factors.lower, rtol=1e-12)
    np.testing.assert_allclose([1.4, tenths[1]], factors.upper, rtol=1e-12)


def test_a_step_never_takes_residuals_of_later_steps():
    later = np.concatenate([steps(1, EVEN[:10]), steps(2, EVEN)])
    factors = interval_factors(later, np.concatenate([EVEN[:10], EVEN]), horizon=2)
    assert [True, False] == np.isnan(factors.lower).tolist()
    together = np.concatenate([EVEN[:10], EVEN])
    np.testing.assert_allclose(np.quantile(together, 0.1), factors.lower[1], rtol=1e-12)


def test_a_later_step_is_never_narrower():
    rng = np.random.default_rng(1)
    step = np.repeat(np.arange(1, 9), 40)
    ratio = rng.lognormal(0.0, np.where(step == 1, 0.5, 0.05))
    factors = interval_factors(step, ratio, horizon=8)
    assert (np.diff(factors.lower) <= 0).all()
    assert (np.diff(factors.upper) >= 0).all()
    assert factors.lower[0] == factors.lower[7]  # step 1 was the worst


@pytest.mark.parametrize("bias", [0.5, 2.0])
def test_the_prediction_itself_lies_inside_even_if_it_was_always_too_high_or_too_low(bias):
    ratio = bias * np.linspace(0.9, 1.1, 50)
    lower, upper = interval_factors(steps(1, ratio), ratio, horizon=1).at(1)
    assert lower <= 1.0 <= upper
    assert 1.0 in (lower, upper)


def test_a_measured_step_has_its_own_factors():
    factors = IntervalFactors(np.array([0.9, 0.8]), np.array([1.1, 1.3]))
    assert (0.9, 1.1) == factors.at(1)
    assert (0.8, 1.3) == factors.at(2)


def test_beyond_the_measured_steps_the_interval_widens_with_the_root_of_the_step():
    factors = IntervalFactors(np.array([0.9]), np.array([1.1]))
    assert (pytest.approx(0.81), pytest.approx(1.21)) == factors.at(4)
    factors = IntervalFactors(np.array([1.0, 0.9]), np.array([1.0, 1.1]))
    assert (pytest.approx(0.81), pytest.approx(1.21)) == factors.at(8)


def test_sales_of_nothing_stay_possible_at_every_step():
    lower, upper = IntervalFactors(np.array([0.0]), np.array([1.2])).at(52)
    assert 0.0 == lower
    assert 1.2 < upper < math.inf

"""Breaks of a level and growth are told from drifts and accidents."""

from __future__ import annotations

import numpy as np
import pytest

from sales_forecast.features.gaussian import Between, Hyperparameters, Weeks, covariance, observed
from sales_forecast.features.lasting import Lasting, lasting
from tests.builders import weeks

OF = Hyperparameters(
    trend=0.01**2, fast_drift=0.02**2, fast_length=0.05, slow_drift=0.03**2, slow_length=1.0,
    season=0.1**2, season_length=0.7, month=0.01**2, large_events=0.05**2, small_events=0.01**2,
    noise=0.02**2,
)  # fmt: skip
PERIODS = weeks("2022-01-07", 120)
WEEKS = Weeks.of(PERIODS, PERIODS[-1])


def calm(seed: int = 0) -> np.ndarray:
    """Values with a season, a slow drift and noise."""
    rng = np.random.default_rng(seed)
    season = 0.1 * np.sin(2 * np.pi * np.arange(120) / 52.18)
    return season + rng.normal(0, 0.002, 120).cumsum() + rng.normal(0, 0.02, 120)


def among(weeks: Weeks) -> np.ndarray:
    """The covariance of values of weeks."""
    return observed(covariance(OF, Between.of(weeks, weeks)), OF.noise)


def told(values: np.ndarray, weeks: Weeks = WEEKS) -> Lasting:
    """What lasts of one column, which may grow."""
    return lasting(among(weeks), weeks.years, values[:, None], grows=True)


@pytest.mark.parametrize("place", [3, 70, 117])
def test_a_step_is_found_where_it_is_and_as_large_as_it_is(place):
    step = np.where(np.arange(120) >= place, 0.4, 0.0)

    assert told(calm() + step).values[:, 0] == pytest.approx(step, abs=0.06)


def test_steps_down_and_up_again_add_up():
    t = np.arange(120)
    level = np.where(t >= 50, -0.5, 0.0) + np.where(t >= 80, 0.3, 0.0)

    assert told(calm() + level).values[:, 0] == pytest.approx(level, abs=0.06)


@pytest.mark.parametrize("seed", range(5))
def test_drifts_and_seasons_are_no_breaks(seed):
    assert not told(calm(seed)).values.any()


@pytest.mark.parametrize("place", [20, 60, 118])
def test_two_weeks_that_are_far_off_are_no_break(place):
    values = calm()
    values[place : place + 2] += 1.0

    assert not told(values).values.any()


@pytest.mark.parametrize("n", [0, 1, 5])
def test_of_few_values_nothing_is_told(n):
    few = Weeks.of(PERIODS[:n], PERIODS[-1])

    assert not told(np.arange(float(n)), few).values.any()


def test_growth_is_as_much_as_it_is_and_goes_on_for_a_year():
    found = told(calm() + 0.5 * WEEKS.years)
    year = Weeks.of(PERIODS[-1] + 7 * np.array([1, 52, 104]), PERIODS[-1])

    assert found.growth == pytest.approx(0.5, abs=0.05)
    rise = (found.ahead(year) - found.values[-1])[:, 0]
    assert rise == pytest.approx(found.growth * np.array([7, 364, 365.2425]) / 365.2425)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("ago", [0.8, 1.0, 1.3])
def test_growth_that_ended_is_as_much_as_it_was_and_does_not_go_on(ago, seed):
    grown = 0.5 * np.minimum(WEEKS.years, -ago)
    found = told(calm(seed) + grown)

    assert abs(found.growth) < 0.1
    assert found.values[-1] - found.values[0] == pytest.approx(grown[-1] - grown[0], abs=0.1)


def test_less_than_two_years_do_not_tell_growth_from_a_season():
    some = Weeks.of(PERIODS[:100], PERIODS[-1])

    assert told(calm()[:100] + 0.5 * some.years, some).growth == 0


def test_columns_are_told_apart():
    t = np.arange(120)
    steps = np.column_stack([0.0 * t, np.where(t >= 40, 0.5, 0.0), np.where(t >= 90, -0.4, 0.0)])
    noise = np.column_stack([calm(seed) for seed in range(3)])
    found = lasting(among(WEEKS), WEEKS.years, noise + steps, grows=False)

    assert found.values == pytest.approx(steps, abs=0.06)
    assert not found.growth.any()
    assert found.ahead(WEEKS)[0] == pytest.approx(steps[-1], abs=0.06)

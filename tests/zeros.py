"""Generated sales with zeros in them: slow movers, seasons, ends, closed weekdays."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from sales_forecast.data.frequency import DAILY, WEEKLY, Frequency
from sales_forecast.data.panel import Array, Panel
from tests.builders import days, weeks


def of_zeros(y: Array, frequency: Frequency = WEEKLY) -> Panel:
    """A panel of nothing but sales."""
    n = y.shape[1]
    return Panel(
        y=y.astype(np.float64),
        periods=weeks("2020-01-03", n) if frequency == WEEKLY else days("2020-01-06", n),
        series=tuple(str(row + 1) for row in range(len(y))),
        frequency=frequency,
    )


def _sizes(rng: np.random.Generator, shape: tuple[int, int], level: float, noise: float) -> Array:
    of_series = rng.normal(level, 0.7, (shape[0], 1))
    return np.round(np.exp(of_series + rng.normal(0, noise, shape)))


def slow(n: int = 30, n_weeks: int = 156, seed: int = 1) -> Panel:
    """Series that sell in 1% to 70% of weeks."""
    rng = np.random.default_rng(seed)
    sold = rng.random((n, n_weeks)) < np.geomspace(0.01, 0.7, n)[:, None]
    return of_zeros(sold * _sizes(rng, sold.shape, 3, 0.4))


def poisson(n: int = 30, n_weeks: int = 156, seed: int = 2) -> Panel:
    """Counts of 0.01 to 1.5 a week."""
    rng = np.random.default_rng(seed)
    return of_zeros(rng.poisson(np.geomspace(0.01, 1.5, n)[:, None], (n, n_weeks)))


def seasonal(n: int = 40, n_weeks: int = 182, seed: int = 3) -> Panel:
    """Series that sell in 6 to 25 weeks of each year."""
    rng = np.random.default_rng(seed)
    return of_zeros(in_season(n, n_weeks, seed) * _sizes(rng, (n, n_weeks), 4, 0.3))


def in_season(n: int = 40, n_weeks: int = 182, seed: int = 3) -> np.ndarray:
    """When they do, bool[n, n_weeks]."""
    rng = np.random.default_rng((seed, 1))
    start, length = rng.integers(0, 52, (n, 1)), rng.integers(6, 26, (n, 1))
    return (np.arange(n_weeks) % 52 - start) % 52 < length


def few_seasonal() -> Panel:
    """Five of them."""
    return seasonal(5, seed=21)


def christmas(n: int = 8, n_weeks: int = 182, seed: int = 7) -> Panel:
    """Series that sell in the last 12 of 52 weeks."""
    rng = np.random.default_rng(seed)
    return of_zeros((np.arange(n_weeks) % 52 >= 40) * _sizes(rng, (n, n_weeks), 4, 0.3))


def ended(n: int = 20, n_weeks: int = 156, seed: int = 4) -> Panel:
    """Series half of which end in the last third."""
    rng = np.random.default_rng(seed)
    end = rng.integers(n_weeks * 2 // 3, n_weeks + n_weeks // 4, (n, 1))
    return of_zeros((np.arange(n_weeks) < end) * _sizes(rng, (n, n_weeks), 4, 0.3))


def shut(n: int = 24, n_days: int = 460, seed: int = 5) -> Panel:
    """Stores that sell nothing on Sundays, and each third of them nothing on Mondays."""
    rng = np.random.default_rng(seed)
    weekday = np.arange(n_days) % 7
    sizes = _sizes(rng, (n, n_days), 7, 0.15) * (1 + 0.3 * np.sin(weekday * 2 * np.pi / 7))
    return of_zeros(~closed(n, n_days) * np.round(sizes), DAILY)


def closed(n: int = 24, n_days: int = 460, first: int = 0) -> np.ndarray:
    """When they are, bool[n, n_days], from so many days after the first Monday on."""
    weekday = (first + np.arange(n_days)) % 7
    third = np.arange(n)[:, None] % 3 == 0
    return (weekday == 6) | third & (weekday == 0)


SETS: Mapping[str, Callable[[], Panel]] = {
    "slow": slow, "poisson": poisson, "seasonal": seasonal, "few_seasonal": few_seasonal,
    "christmas": christmas, "ended": ended, "shut": shut,
}  # fmt: skip

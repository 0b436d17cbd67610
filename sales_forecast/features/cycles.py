"""After how many weeks what no column holds comes again, as a promotion every fourth week.

Takes values of processes of weeks, or what dates and plan leave of log sales by days, gives weeks.
numpy only. Must not know sales, nor what becomes of a cycle.

Source of sizes and standard errors: generalised least squares (Aitken, 1936).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sales_forecast.data.frequency import DAYS_PER_PERIOD
from sales_forecast.data.panel import Array
from sales_forecast.features.gaussian import Between, Hyperparameters, covariance, observed
from sales_forecast.features.tables import medians

_WEEKS = range(2, 14)
"""Up to a quarter, which two years show eight times."""
_FEWEST = 4
"""So often each week of a cycle is known."""
_FURTHER_THAN_CHANCE = 6.0
"""So many standard deviations of what chance makes of the squares."""
_TIMES_CHANCE = 3.0
"""And so many times the squares of chance: a little beyond it in many series is something else."""
_WEEKS_OF_DAYS = range(2, 7)
_FEWEST_OF_DAYS = 6
_FAR = 4.0
"""A day further off than so many times what is usual counts as one that is just so far."""


def cycle_of_weeks(
    of: Hyperparameters, alike: Sequence[tuple[Between, Array, int]]
) -> dict[str, Any]:
    """Return what a process does not hold of the clearest cycle, as hyperparameters; {} if none.

    `alike`: of series that are known in the same n weeks, what is between these, float64[n, n] the
    sum of products of their values, and how many there are.
    """
    clearest, found = _FURTHER_THAN_CHANCE, dict[str, Any]()
    alike = [known for known in alike if len(known[1])]
    inverses = [np.linalg.inv(observed(covariance(of, between), of.noise)) for between, *_ in alike]
    for weeks in _WEEKS:
        squares, free, variance, values = 0.0, 0, 0.0, 0
        for inverse, (between, products, n_series) in zip(inverses, alike, strict=True):
            place = between.weeks[-1] % weeks
            if np.bincount(place, minlength=weeks).min() >= _FEWEST:
                shapes = ((place[:, None] == np.arange(weeks)) - 1 / weeks)[:, 1:]
                weights = inverse @ shapes
                of_sizes = np.linalg.inv(shapes.T @ weights)
                tell = weights.T @ products @ weights
                squares += float((of_sizes * tell).sum())
                sizes = shapes @ of_sizes
                variance += float(((sizes @ tell) * sizes).sum())
                free, values = free + n_series * (weeks - 1), values + n_series * len(products)
        clear = (squares - free) / max(2 * free, 1) ** 0.5
        if clear > clearest and squares > _TIMES_CHANCE * free:
            clearest = clear
            found = {"cycle": variance / values, "cycle_length": 1.0, "cycle_weeks": weeks}
    return found


def cycle_of_days(left: Array) -> int:
    """Return the weeks of the clearest cycle in float64[n_series, n_days], NaN where unknown; or 0.

    A weekday is compared with the same ones of the weeks of its cycle, which have its level.
    """
    clearest, found = _TIMES_CHANCE, 0
    for weeks in _WEEKS_OF_DAYS:
        length = weeks * DAYS_PER_PERIOD
        times = left.shape[1] // length
        if times >= _FEWEST_OF_DAYS:
            days = left[:, left.shape[1] - times * length :]
            clear = _times_chance(days.reshape(len(left), times, weeks, DAYS_PER_PERIOD))
            if clear > clearest:
                clearest, found = clear, weeks
    return found


def _times_chance(left: Array) -> float:
    """Return the mean square of the places in a cycle, in that of chance; the mean of all series.

    `left`: float64[n_series, times, weeks, 7].
    """
    away = left - left.mean(axis=2, keepdims=True)
    far = _FAR * medians(np.abs(away).reshape(len(away), -1))[:, None, None, None] / 0.6745
    known, away = ~np.isnan(away), np.nan_to_num(np.clip(away, -far, far))
    count = known.sum(axis=1)
    enough = count >= _FEWEST_OF_DAYS
    mean = away.sum(axis=1) / np.maximum(count, 1) * enough
    rest = (((away - mean[:, None]) * known) ** 2 * enough[:, None]).sum(axis=(1, 2, 3))
    free, places = ((count - 1) * enough).sum(axis=(1, 2)), enough.sum(axis=(1, 2))
    told = rest > 0
    if not told.any():
        return 0.0
    between = (count * mean**2).sum(axis=(1, 2))
    return float((between[told] / places[told] * free[told] / rest[told]).mean())

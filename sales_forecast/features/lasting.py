"""What lasts of a process: breaks of its level and steady growth, which it would take for drifts.

Takes the values of one process over its weeks, gives the part of them that goes on. numpy only.
Must not know sales, nor what becomes of that part.

Source of sizes and standard errors: generalised least squares (Aitken, 1936).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sales_forecast.data.panel import Array
from sales_forecast.features.gaussian import Hyperparameters, Seen, Weeks, observed

_BREAK = 5.5
"""A step of so many standard errors is a break; drifts and seasons do not go so far."""
_BEFORE_AND_AFTER = 3
"""So many weeks on each side tell a break from an accident."""
_GROWTH, _GROWING_YEARS = 3.5, 1.97
"""The same of growth a year, of which there is but one, and how long it must be known."""
_ROUNDS = 8
"""Each finds one of these at most, and measures all of them once more: what is near to a break is
drawn in as an accident until the break is known."""
_YEARS_AHEAD = 1.0


@dataclass(frozen=True, eq=False)
class Lasting:
    """What lasts of n values in order.

    Attributes:
        values: float64[n], that part of each; 0 where nothing lasts, and of no values one.
        last: the years of the last one.
        growth: how much more it is a year later.
    """

    values: Array
    last: float
    growth: float

    def ahead(self, weeks: Weeks) -> Array:
        """Return float64[m] of weeks to come. Growth ends after a year."""
        ahead: Array = self.values[-1] + self.growth * np.minimum(
            weeks.years - self.last, _YEARS_AHEAD
        )
        return ahead


def lasting(of: Hyperparameters, weeks: Weeks, values: Array) -> Lasting:
    """Return what lasts of values, float64[n]."""
    n, years = len(values), weeks.years
    if not n:
        return Lasting(np.zeros(1), 0.0, 0.0)
    places = np.arange(_BEFORE_AND_AFTER, n - _BEFORE_AND_AFTER + 1)
    shapes = np.column_stack([years - years.mean(), np.arange(n)[:, None] >= places])
    grown = years[-1] - years[0] >= _GROWING_YEARS
    least = np.array([_GROWTH if grown else np.inf, *np.full(len(places), _BREAK)])
    tails = shapes.T @ np.linalg.inv(observed(of, weeks))
    worth = np.maximum((tails * shapes.T).sum(axis=1), 1e-12)  # the inverse of its variance
    found, sizes = np.zeros(len(least), bool), np.zeros(len(least))
    for _ in range(_ROUNDS):
        left = values - shapes @ sizes
        sound = Seen.values(of, weeks, left[:, None]).believed[:, 0]
        errors = np.abs(tails @ sound) / np.sqrt(worth)
        best = int((errors / least).argmax())
        if errors[best] > least[best]:
            found[best] = True
        elif not found.any():
            break
        together = tails[found] @ shapes[:, found]
        sizes[found] += np.linalg.solve(together, tails[found] @ sound)
    return Lasting(shapes @ sizes, float(years[-1]), float(sizes[0]))

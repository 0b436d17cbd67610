"""What lasts of a process: breaks of its level and steady growth, which it would take for drifts.

Takes the values of processes over their weeks, gives the part of them that goes on. numpy only.
Must not know sales, nor what becomes of that part.

Source of sizes and standard errors: generalised least squares (Aitken, 1936).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sales_forecast.data.panel import Array
from sales_forecast.features.gaussian import Seen, Weeks

_BREAK = 5.5
"""A step of so many standard errors is a break; drifts and seasons do not go so far."""
_BEFORE_AND_AFTER = 3
"""So many weeks on each side tell a break from an accident."""
_GROWTH, _GROWING_YEARS = 3.5, 1.97
"""The same of growth a year, of which there is but one, and how long it must be known."""
_ENDED, _LEVELLED = np.arange(0, 1.6, 0.5), 4.5
"""So many years ago it may have ended instead, as where sales level off, and how clear that must
be: what goes on might nearly as well have ended of late."""
_ROUNDS = 8
"""Each finds one of these at most, and measures all of them once more: what is near to a break is
drawn in as an accident until the break is known."""
_YEARS_AHEAD = 1.0


@dataclass(frozen=True, eq=False)
class Lasting:
    """What lasts of n values in order, in each of k columns.

    Attributes:
        values: float64[n, k], that part of each; 0 where nothing lasts, and of no values one row.
        last: the years of the last one.
        growth: float64[k], how much more it is a year later; 0 where growth has ended.
        rest: the process, which has seen all but that.
    """

    values: Array
    last: float
    growth: Array
    rest: Seen

    def ahead(self, weeks: Weeks) -> Array:
        """Return float64[m, k]: what lasts, in weeks to come. Growth ends after a year."""
        later = np.minimum(weeks.years - self.last, _YEARS_AHEAD)
        ahead: Array = self.values[-1] + later[:, None] * self.growth
        return ahead

    def expected(self, weeks: Weeks, between: Array) -> Array:
        """Return float64[m, k]: what is expected of weeks to come. `between`: see `Seen`."""
        return self.rest.expected(between) + self.ahead(weeks)


def lasting(both: Array, years: Array, values: Array, *, grows: bool) -> Lasting:
    """Return what lasts of values, float64[n, k].

    `both`: float64[n, n], their covariance; `years`: float64[n], when they were. `grows`: whether
    growth lasts, too.
    """
    n, k = values.shape
    rest = Seen.values(both, values)
    if not n:
        return Lasting(np.zeros((1, k)), 0.0, np.zeros(k), rest)
    places = np.arange(_BEFORE_AND_AFTER, n - _BEFORE_AND_AFTER + 1)
    lines = np.minimum(years[:, None], years[-1] - _ENDED)
    shapes = np.column_stack([lines - lines.mean(axis=0), np.arange(n)[:, None] >= places])
    known = grows and years[-1] - years[0] >= _GROWING_YEARS
    bars = np.where(_ENDED > 0, _LEVELLED, _GROWTH)
    least = np.append(np.where(known, bars, np.inf), np.full(len(places), _BREAK))[:, None]
    tails = shapes.T @ rest.inverse
    worth = np.maximum((tails * shapes.T).sum(axis=1), 1e-12)[:, None]  # 1 / its variance
    found, sizes = np.zeros((len(least), k), bool), np.zeros((len(least), k))
    some, believed = np.arange(k), rest.believed.copy()
    for _ in range(_ROUNDS):
        tell = tails @ believed[:, some]
        beyond = tell**2 / worth - least**2
        best, over = beyond.argmax(axis=0), beyond.max(axis=0) > 0
        found[best[over], some[over]] = True
        there = found[:, some].any(axis=0)
        some, tell = some[there], tell[:, there]
        if not len(some):
            break
        for column, told in zip(some, tell.T, strict=True):
            at = found[:, column]
            sizes[at, column] += np.linalg.solve(tails[at] @ shapes[:, at], told[at])
        believed[:, some] = rest.instead(values[:, some] - shapes @ sizes[:, some]).believed
    return Lasting(shapes @ sizes, float(years[-1]), sizes[0], replace(rest, believed=believed))

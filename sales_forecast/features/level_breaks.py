"""Lasting changes of level that all series of a pool share: a process takes them for drifts.

Takes the values of one process over its weeks, gives the level that breaks add up to. numpy only.
Must not know sales, nor what becomes of the level.

Source of a step's size and standard error: generalised least squares (Aitken, 1936).
"""

from __future__ import annotations

import numpy as np

from sales_forecast.data.panel import Array
from sales_forecast.features.gaussian import Hyperparameters, Seen, Weeks, observed

_BREAK = 5.0
"""A step of so many standard errors is a break; drifts and seasons do not go so far."""
_BEFORE_AND_AFTER = 3
"""So many weeks on each side tell a break from an accident."""
_ROUNDS = 8
"""Each finds one break at most, and measures all of them once more: what is near to one is drawn in
as an accident until the break is known."""


def level_of(of: Hyperparameters, weeks: Weeks, values: Array) -> Array:
    """Return float64[n]: 0 until the first break of values in order, float64[n], then their sum."""
    n = len(values)
    level, found = np.zeros(n), np.zeros(n, bool)
    inverse = np.linalg.inv(observed(of, weeks))
    steps = np.tril(np.ones((n, n)))  # column: a step of 1 from that week on
    tails = steps.T @ inverse
    worth = (tails * steps.T).sum(axis=1)  # the inverse of its variance
    there = slice(_BEFORE_AND_AFTER, n - _BEFORE_AND_AFTER + 1)
    for _ in range(_ROUNDS if n >= 2 * _BEFORE_AND_AFTER else 0):
        sound = Seen.values(of, weeks, (values - level)[:, None]).believed[:, 0]
        errors = np.abs(tails @ sound)[there] / np.sqrt(worth[there])
        if errors.max() > _BREAK:
            found[_BEFORE_AND_AFTER + errors.argmax()] = True
        elif not found.any():
            break
        together = tails[found] @ steps[:, found]
        level += steps[:, found] @ np.linalg.solve(together, tails[found] @ sound)
    return level

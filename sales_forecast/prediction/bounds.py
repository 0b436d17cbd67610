"""Both ends of intervals as factors of a prediction, computed before anyone asks.

Takes what was measured of the errors of one model, gives two factors for every series and step. The
intervals of a young store are wider than was measured. Must not know models or requests.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice

import numpy as np

from sales_forecast.data.panel import Array
from sales_forecast.models.intervals import LEVELS, Intervals

Factors = tuple[float, float]


class Bounds:
    """The factors of one model for all series of a panel.

    `wider`: float64[n_series, n_steps], by how much each interval is wider than was measured; NaN
    where nothing can be promised.
    """

    def __init__(self, intervals: Intervals, series: Sequence[str], wider: Array) -> None:
        self._intervals = intervals
        self._series = series
        self._wider = wider
        self._table = {level: self._of_all(level) for level in LEVELS}

    def of(self, level: int, row: int) -> Sequence[Factors]:
        """Return the factors of the steps 1..n_steps of a series."""
        return self._table[level][row]

    def at(self, level: int, row: int, step: int) -> Factors:
        """Return the factors of any step of a series."""
        if step <= self._wider.shape[1]:
            return self._table[level][row][step - 1]
        lower, upper = self._intervals.of(level, self._series[row : row + 1], np.array([step]))
        return _widened((lower.item(), upper.item()), float(self._wider[row, -1]))

    def _of_all(self, level: int) -> list[list[Factors]]:
        n_steps = self._wider.shape[1]
        names = [name for name in self._series for _ in range(n_steps)]
        steps = np.tile(np.arange(1, n_steps + 1), len(self._series))
        pairs = zip(
            *(ends.tolist() for ends in self._intervals.of(level, names, steps)), strict=True
        )
        wider = self._wider.ravel().tolist()
        factors = (_widened(pair, by) for pair, by in zip(pairs, wider, strict=True))
        return [list(islice(factors, n_steps)) for _ in self._series]


def interval(prediction: float, factors: Factors) -> Factors | None:
    """Return both ends, rounded to cents; None where nothing was measured."""
    lower, upper = factors
    if math.isnan(lower):
        return None
    ends = round(prediction * lower, 2), round(prediction * upper, 2)
    return ends if prediction >= 0 else ends[::-1]


def _widened(factors: Factors, by: float) -> Factors:
    lower, upper = factors
    if by == 1:
        return factors
    if math.isnan(by):
        return by, by
    return max(1 - by * (1 - lower), 0.0), 1 + by * (upper - 1)

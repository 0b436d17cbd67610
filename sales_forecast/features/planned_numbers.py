"""Numbers that are planned, such as prices: how far each is from what is usual of its own series.

Takes float64[n_series, n] by period, NaN where nothing is known. Where all are above 0 they are
compared as ratios, so that a tenth off is the same for what costs 2 and what costs 20. Must not
know sales, nor a plan later than it is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from sales_forecast.data.panel import Array

_LEAST = 1e-9
_REACH = 3.0
_SHARE = 0.999


@dataclass(frozen=True)
class PlannedNumber:
    """How the numbers of one plan are compared.

    Attributes:
        ratio: whether as ratios.
        scale: the standard deviation of what was seen.
        reach: how many of these count, at most: three, or nearly as many as were seen.
    """

    ratio: bool
    scale: float
    reach: float

    @classmethod
    def of(cls, values: Array) -> Self | None:
        """Look at a past; None where all of it is 0 or 1, or nothing is known."""
        known = values[~np.isnan(values)]
        if np.isin(known, (0, 1)).all():
            return None
        ratio = bool((known > 0).all())
        away = _away(values, usual(values), ratio=ratio)
        away = away[~np.isnan(away)]
        scale = float(away.std()) or 1.0
        return cls(ratio, scale, max(_REACH, float(np.quantile(np.abs(away), _SHARE)) / scale))

    def away(self, values: Array, of_series: Array) -> Array:
        """Return how far values are from what is `usual`, in standard deviations; NaN stays."""
        away = _away(values, of_series, ratio=self.ratio) / self.scale
        return np.clip(away, -self.reach, self.reach)


def usual(values: Array) -> Array:
    """Return float64[n_series]: the median of what is known of each; NaN where nothing is."""
    ordered = np.sort(values, axis=1)  # NaN last
    count = (~np.isnan(values)).sum(axis=1, keepdims=True)
    middle = np.maximum(np.hstack([(count - 1) // 2, count // 2]), 0)
    return np.take_along_axis(ordered, middle, axis=1).mean(axis=1)


def as_of_late(values: Array, lately: int) -> Array:
    """Return values with the median of the last `lately` periods in which any was known.

    Of each series, until the next one is known; before the first one, NaN stays.
    """
    n = values.shape[1]
    known = ~np.isnan(values)
    last = np.maximum.accumulate(np.where(known, np.arange(n), -1), axis=1)
    rows, columns = np.nonzero(~known & (last >= 0))
    if not len(rows):
        return values
    ends, where = np.unique(rows * n + last[rows, columns], return_inverse=True)
    padded = np.pad(values, ((0, 0), (lately - 1, 0)), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, lately, axis=1)
    found = values.copy()
    found[rows, columns] = usual(windows[ends // n, ends % n])[where]
    return found


def planned_range(values: Array, row: int) -> tuple[float, float]:
    """Return the least and the most that was planned: numbers of one series, flags of all.

    NaN where nothing is known, and numbers of all where nothing is known of the series.
    """
    own, number = values[row], PlannedNumber.of(values) is not None
    of = own if number and not np.isnan(own).all() else values
    known = of[~np.isnan(of)]
    return (float(known.min()), float(known.max())) if known.size else (np.nan, np.nan)


def _away(values: Array, of_series: Array, *, ratio: bool) -> Array:
    if ratio:
        values, of_series = np.log(np.maximum(values, _LEAST)), np.log(of_series)
    return values - of_series[:, None]

"""Numbers that are planned, such as prices: how far each is from what is usual of its own series.

Takes float64[n_series, n] by period, NaN where nothing is known. Where nearly all are above 0 they
are compared as ratios, so that a tenth off is the same for what costs 2 and what costs 20. Where
none is planned, prices stay what they were of late, and what has seasons (a temperature) is as it
was a year before. Must not know sales, nor a plan later than it is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from sales_forecast.data.frequency import Frequency
from sales_forecast.data.panel import Array
from sales_forecast.features.rolling_mean import RollingMean
from sales_forecast.features.tables import medians

_NEARLY_ALL = 0.99
_REACH = 3.0
_SHARE = 0.999
_WEEKS_OF_LATE, _WEEKS_OF_A_QUARTER, _WEEKS_OF_A_MONTH = 8, 13, 4
_NEARER = 0.5
"""Standard deviations by which a year ago is nearer than a quarter ago, where there are seasons."""


@dataclass(frozen=True)
class PlannedNumber:
    """How the numbers of one plan are compared.

    Attributes:
        ratio: whether as ratios; the few that are not above 0 are no prices, but unknown.
        scale: the standard deviation of what was seen.
        reach: how many of these count, at most: three, or nearly as many as were seen.
        seasonal: whether a year ago tells better than of late what is usual.
    """

    ratio: bool
    scale: float
    reach: float
    seasonal: bool

    @classmethod
    def of(cls, values: Array, frequency: Frequency) -> Self | None:
        """Look at a past; None where all of it is 0 or 1, or nothing is known."""
        if not is_number(values):
            return None
        known = values[~np.isnan(values)]
        ratio = bool((known > 0).mean() >= _NEARLY_ALL)
        sound = _sound(values, ratio=ratio)
        away = _away(sound, medians(sound), ratio=ratio)
        seasonal = _has_seasons(away, frequency)
        away = away[~np.isnan(away)]
        scale = float(away.std()) or 1.0
        reach = max(_REACH, float(np.quantile(np.abs(away), _SHARE)) / scale)
        return cls(ratio, scale, reach, seasonal)

    def usual(self, values: Array) -> Array:
        """Return float64[n_series]: the median of what is known of each; NaN where nothing is."""
        return medians(_sound(values, ratio=self.ratio))

    def expected(self, values: Array, frequency: Frequency) -> Array:
        """Return values with what is expected where none is known; before the first, NaN stays.

        The median of the eight weeks before that are known; where it is `seasonal`, the mean of
        eight weeks around the same time of the last year that is known, if any is.
        """
        values = _sound(values, ratio=self.ratio)
        n, lately, known = values.shape[1], frequency.periods(_WEEKS_OF_LATE), ~np.isnan(values)
        last = np.maximum.accumulate(np.where(known, np.arange(n), -1), axis=1)
        rows, columns = np.nonzero(~known & (last >= 0))
        if not len(rows):
            return values
        found, last = values.copy(), last[rows, columns]
        ends, where = np.unique(rows * n + last, return_inverse=True)
        padded = np.pad(values, ((0, 0), (lately - 1, 0)), constant_values=np.nan)
        windows = np.lib.stride_tricks.sliding_window_view(padded, lately, axis=1)
        found[rows, columns] = medians(windows[ends // n, ends % n])[where]
        if self.seasonal:
            half = lately // 2
            years = -(-(columns + half - last) // frequency.season)
            back = columns - years * frequency.season
            rows, columns, end = (of[back >= 0] for of in (rows, columns, back + half))
            share = RollingMean(known.astype(np.float64))(rows, end, lately)
            total = RollingMean(np.where(known, values, 0.0))(rows, end, lately)
            some = share > 0
            found[rows[some], columns[some]] = total[some] / share[some]
        return found

    def away(self, values: Array, of_series: Array) -> Array:
        """Return how far values are from what is `usual`, in standard deviations; NaN stays."""
        away = _away(_sound(values, ratio=self.ratio), of_series, ratio=self.ratio) / self.scale
        return np.clip(away, -self.reach, self.reach)


def is_number(values: Array) -> bool:
    """Tell whether anything but 0 and 1 is known."""
    return not np.isin(values[~np.isnan(values)], (0, 1)).all()


def planned_range(values: Array, row: int) -> tuple[float, float]:
    """Return the least and the most that was planned: numbers of one series, flags of all.

    NaN where nothing is known, and numbers of all where nothing is known of the series.
    """
    own, number = values[row], is_number(values)
    of = own if number and not np.isnan(own).all() else values
    known = of[~np.isnan(of)]
    return (float(known.min()), float(known.max())) if known.size else (np.nan, np.nan)


def _sound(values: Array, *, ratio: bool) -> Array:
    return np.where(values > 0, values, np.nan) if ratio else values


def _away(values: Array, of_series: Array, *, ratio: bool) -> Array:
    if ratio:
        values, of_series = np.log(values), np.log(of_series)
    return values - of_series[:, None]


def _has_seasons(away: Array, frequency: Frequency) -> bool:
    """Tell whether weeks of the last year are more like those a year before than a quarter."""
    n, season, long = away.shape[1], frequency.season, frequency.periods
    lately, quarter = long(_WEEKS_OF_LATE), long(_WEEKS_OF_A_QUARTER)
    earliest = max(season + lately, n - season + 1)
    moved = [
        [medians(away[:, end - lately - back : end - back]) for back in (0, quarter, season)]
        for end in range(n, earliest - 1, -long(_WEEKS_OF_A_MONTH))
    ]
    if not moved:
        return False
    now, late, year = np.array(moved).transpose(1, 0, 2)
    nearer = np.abs(now - late) - np.abs(now - year)
    nearer = nearer[~np.isnan(nearer)]
    return bool(nearer.size and nearer.mean() > _NEARER * np.nanstd(away))

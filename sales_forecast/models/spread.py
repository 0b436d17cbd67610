"""How far sales stray from what a model expects of them: quantiles, intervals and the mean.

Takes past forecasts and what was sold, gives factors that what is expected is multiplied with. The
shape of the errors of log sales is measured on all series, their width for each; series of
different ages are measured apart. What is expected is sales if anything is sold at all; the chance
of that comes from `models.chance`. Knows no model: what was measured is what is promised.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sales_forecast.data.panel import Array
from sales_forecast.models.ages import AGES, OLD
from sales_forecast.models.asked import Asked, Forecasts
from sales_forecast.models.mean_factor import mean_factor

LEVELS = (80, 95)
"""Percent of sales that an interval is to hold."""
MEDIAN = 0.5
DECILES = (0.1, 0.2, 0.3, 0.4, MEDIAN, 0.6, 0.7, 0.8, 0.9)

MEASURED = np.arange(1, 100) / 100
"""The quantiles of errors that are kept."""
_TAIL_RESIDUALS = 2
"""Fewer beyond an end say nothing about where it is."""
_LARGEST_ERROR = 2.0
"""Sales seven times as large as expected, or a seventh, are an accident; so is a sudden 0."""
_USUAL_FORECASTS = 3.0
"""So many forecasts of the usual width are added to those of a series."""
_MOST_BY_STEP = 0.3
_LEAST_WIDTH = 0.1


def tail(level: int) -> float:
    """Return the lower of the two quantiles that an interval lies between: 0.1 of 80%."""
    return (100 - level) / 200


def min_residuals(level: int) -> int:
    """Return how many residuals an interval needs: 30 for 80%, 80 for 95%."""
    return max(30, math.ceil(_TAIL_RESIDUALS / tail(level)))


@dataclass(frozen=True, eq=False)
class Spread:
    """What was measured of the errors of one model.

    Attributes:
        shape: float64[99], the quantiles 0.01 .. 0.99 of errors of log sales, in units of the width
            that the other windows tell; the median is 0. Empty where too little was measured.
        rows: how many errors that were.
        steps: the last step that was measured; later ones are extrapolated.
        usual: the width of a series that has none of its own.
        widths: series -> width.
        by_step: how much wider errors are for each unit of log(1 + step) beyond `middle`.
        one_sale: sum -> what one sale brings, of sums that may sell nothing; see `chance`.
    """

    shape: Array
    rows: int
    steps: int = 0
    usual: float = 1.0
    widths: Mapping[str, float] = field(default_factory=dict)
    by_step: float = 0.0
    middle: float = 0.0
    one_sale: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def none(cls) -> Spread:
        """Return what is known where nothing was measured."""
        return cls(np.empty(0), 0)

    @classmethod
    def measured(cls, of: Forecasts, *, by_series: bool = True) -> Spread:
        """Measure it. `by_series`: whether each has a width of its own."""
        # Where 0 was to be expected it is no error. Of returns their size tells.
        some = np.where(of.if_sold < 0, of.y < 0, (of.y > 0) | (of.chance == 1))
        of = of.only((of.if_sold != 0) & some & (of.chance > 0))
        if len(of.y) < min_residuals(LEVELS[0]):
            return cls.none()
        with np.errstate(divide="ignore"):
            error = np.log(np.maximum(of.y / of.if_sold, 0.0))
        error = np.clip(error, -_LARGEST_ERROR, _LARGEST_ERROR)
        usual, widths, of_others = _widths(of, np.abs(error))
        if not usual > 0:  # never wrong: no interval either, as nothing is as sure as that
            return cls.none()
        width = of_others if by_series else np.full(len(error), usual)
        steps = np.log1p(of.step)
        middle = float(steps.mean())
        apart, off = steps - middle, np.abs(error) / width
        slope = float((apart * off).sum() / max((apart**2).sum(), 1e-9) / off.mean())
        by_step = min(max(slope, 0.0), _MOST_BY_STEP)
        error /= width * _growth(by_step, apart)
        # What is answered is the median, whatever that of the errors was: it may be chance. So what
        # all windows missed alike makes it wider, and moves nothing.
        shape = np.quantile(error, MEASURED)
        shape -= (median := shape[len(shape) // 2])
        shape *= np.abs(error).mean() / max(np.abs(error - median).mean(), 1e-9)
        return cls(
            np.clip(shape, -_LARGEST_ERROR / usual, _LARGEST_ERROR / usual),
            len(error),
            int(of.step.max()),
            usual,
            dict(zip(of.names, widths.tolist(), strict=True)) if by_series else {},
            by_step,
            middle,
        )

    def widths_of(self, names: Sequence[str]) -> Array:
        """Return float64[n]: the width of each of n series."""
        return np.array([self.widths.get(name, self.usual) for name in names])

    def factors(
        self, quantiles: Sequence[float], width: Array, step: npt.NDArray[np.int64], chance: Array
    ) -> Array:
        """Return float64[n, n_quantiles]: sales at each quantile over what is expected if sold.

        `width`: float64[n], as `widths_of` gives them; `step`: int64[n]; `chance`: float64[n]. NaN
        where too little was measured, but for the median.
        """
        asked = np.array(quantiles)
        scale = (width * _growth(self.by_step, np.log1p(step) - self.middle))[:, None]
        nothing = 1 - chance[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            place = np.where(nothing > 0, (asked - nothing) / chance[:, None], asked)
        factors = np.exp(scale * np.interp(place, MEASURED, self._shape))
        known = np.array([tau == MEDIAN or self._promised(tau) for tau in quantiles])
        found: Array = np.where((asked <= nothing) & (nothing > 0), 0.0, factors)
        return np.where(known | (nothing == 1), found, np.nan)

    @property
    def _shape(self) -> Array:
        return self.shape if len(self.shape) else np.zeros(len(MEASURED))

    def _promised(self, quantile: float) -> bool:
        within = round(min(quantile, 1 - quantile), 9) >= tail(LEVELS[0])
        return self.rows >= min_residuals(LEVELS[0] if within else LEVELS[1])


def _growth(by_step: float, apart: Array) -> Array:
    """Return how wide errors are at steps so far from the middle one, which is 1."""
    return np.maximum(1 + by_step * apart, _LEAST_WIDTH)


def around(if_sold: Array, factors: Array) -> Array:
    """Return quantiles, float64[..., k], around what is expected if sold, float64[...].

    `factors`: float64[..., k], of ascending quantiles that lie as far below the median as above:
    of returns, which are below 0, the lower end is the one further away.
    """
    found: Array = if_sold[..., None] * factors
    return np.where(if_sold[..., None] < 0, found[..., ::-1], found)


def _widths(of: Forecasts, error: Array) -> tuple[float, Array, Array]:
    """Return the usual width, float64[n_names] of each series, and float64[n] by the other windows.

    Of its own errors a window must not tell how wide they are: of the next nobody knows either.
    """
    n, window = len(of.names), np.unique(of.window, return_inverse=True)[1].ravel()
    cells = n, int(window.max()) + 1
    cell = np.ravel_multi_index((of.series, window), cells)
    rows = np.bincount(cell, minlength=cells[0] * cells[1]).reshape(cells)
    total = np.bincount(cell, error, rows.size).reshape(cells)
    counts = np.stack([rows, total, rows > 0])
    all_of_them = counts.sum(axis=2, keepdims=True)
    usual = float(error.mean())
    others = _drawn(all_of_them - counts, usual)[of.series, window]
    return usual, _drawn(all_of_them, usual)[:, 0], others


def _drawn(counts: Array, usual: float) -> Array:
    """Return mean errors drawn to the usual one, of float64[3, ...]: rows, their errors, windows.

    Errors of one window are alike: those of a series count as the root of windows times rows.
    """
    rows, total, windows = counts
    weight = np.sqrt(windows * rows)
    mean: Array = total / np.maximum(rows, 1)
    drawn: Array = (weight * mean + _USUAL_FORECASTS * usual) / (weight + _USUAL_FORECASTS)
    return drawn


@dataclass(frozen=True, eq=False)
class SpreadByAge:
    """What was measured of the errors of one model on series of each of the `AGES` alone.

    Young series stray by far the most, and those of which nothing is known are like no others:
    while too little was measured of an age, nothing is promised of it.

    Attributes:
        mean: sales on average, over what is expected if sold times the chance of that: sums of
            medians are too low where sales are skewed.
    """

    of_age: Mapping[str, Spread]
    mean: float = 1.0

    @classmethod
    def none(cls) -> SpreadByAge:
        """Return what is known where nothing was measured."""
        return cls({})

    @classmethod
    def measured(cls, of: Forecasts) -> SpreadByAge:
        """Measure it on forecasts of any age."""
        found = {}
        for number, age in enumerate(AGES):
            own = of.age == number
            if own.any():
                # What a few beginners sell tells nothing of how far one of them strays.
                found[age] = Spread.measured(of.only(own), by_series=age == OLD)
        return cls(found, mean_factor(of))

    def factors(self, quantiles: Sequence[float], of: Asked) -> Array:
        """Return float64[n, n_quantiles]; see `Spread.factors`."""
        found = np.empty((len(of.step), len(quantiles)))
        for number, name in enumerate(AGES):
            own = np.flatnonzero(of.age == number)
            if len(own):
                spread = self.of_age.get(name, Spread.none())
                width = spread.widths_of(of.names)[of.series[own]]
                found[own] = spread.factors(quantiles, width, of.step[own], of.chance[own])
        return found

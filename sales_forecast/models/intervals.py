"""Intervals of 80% and 95% from residuals: how far off forecasts of the same step have been.

Takes the relative errors of past forecasts, gives two factors per step that a prediction is
multiplied with. Series are grouped by size, because small ones stray further: the shape of the
errors is measured on all of them, its width in each group. Series of different ages are measured
apart. Knows no model: what was measured is what is promised.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from sales_forecast.data.frequency import SEASON_LENGTH
from sales_forecast.data.panel import Array, Panel

Steps = npt.NDArray[np.int64]
Weeks = npt.NDArray[np.int16]
Names = Sequence[str] | npt.NDArray[np.object_] | npt.NDArray[np.str_]
LEVELS = (80, 95)
"""Percent of sales that an interval is to hold."""
OLD, YOUNG, NEW = AGES = ("a year known", "less than a year known", "nothing known")
"""What a series can be at the origin of a forecast; see `ages`."""
SIZES = ("smallest third", "middle third", "largest third")
ALONE = 0
"""The step of a residual of a protocol of one step: of later steps it would promise too much."""
_RANDOM_WALK = 0.5
"""Its width grows with the root of the step."""
_TAIL_RESIDUALS = 2
"""Fewer beyond an end say nothing about where it is."""


def weeks_known_then(panel: Panel) -> Weeks:
    """Return int16[n_series, n_periods]: in how many weeks sales were known by each period.

    A week counts from the first of its days of which sales are known.
    """
    a_week = panel.frequency.a_week
    known = np.pad(~np.isnan(panel.y), ((0, 0), (0, -panel.n_periods % a_week)))
    by_then = np.logical_or.accumulate(known.reshape(panel.n_series, -1, a_week), axis=2)
    before = by_then[:, :, -1].cumsum(axis=1, dtype=np.int16) - by_then[:, :, -1]
    weeks: Weeks = (before[:, :, None] + by_then).reshape(known.shape)
    return weeks[:, : panel.n_periods]


def weeks_known(panel: Panel) -> Weeks:
    """Return int16[n_series]: in how many weeks sales of each series are known, if of one day."""
    return weeks_known_then(panel)[:, -1]


def age_numbers(weeks: Weeks) -> npt.NDArray[np.int8]:
    """Return int8, the place in `AGES` of series of which so many weeks are known."""
    numbers: npt.NDArray[np.int8] = np.where(weeks >= SEASON_LENGTH, 0, np.where(weeks > 0, 1, 2))
    return numbers.astype(np.int8)


def ages(weeks: Weeks) -> npt.NDArray[np.str_]:
    """Return text, one of `AGES` each, of series of which so many weeks are known."""
    return np.array(AGES)[age_numbers(weeks)]


def min_residuals(level: int) -> int:
    """Return how many residuals an interval needs: 30 for 80%, 80 for 95%."""
    return max(30, math.ceil(_TAIL_RESIDUALS * 200 / (100 - level)))


@dataclass(frozen=True, eq=False)
class IntervalFactors:
    """Factors of the lower and upper end for the steps 1..n; never narrower at a later step."""

    lower: Array
    upper: Array

    @property
    def steps(self) -> int:
        """The last step that was measured."""
        return len(self.lower)

    @cached_property
    def slope(self) -> float:
        """The power of the step that the width grows with, fitted on the measured steps.

        At least 0, and at most the 0.5 of a random walk, which it is where fewer than two steps
        were measured.
        """
        width = self.upper - self.lower
        known = np.flatnonzero(width > 0)
        if len(known) < 2:  # noqa: PLR2004 - a line has two points
            return _RANDOM_WALK
        fitted = np.polyfit(np.log(known + 1), np.log(width[known]), 1)[0]
        return float(np.clip(fitted, 0.0, _RANDOM_WALK))

    def at(self, step: Steps) -> tuple[Array, Array]:
        """Return the two factors, float64[n] each, of n steps.

        Beyond the last one that was measured the interval widens with the power `slope` of the
        step.
        """
        last = np.minimum(step, self.steps)
        wider = (step / last) ** self.slope
        return 1 - wider * (1 - self.lower[last - 1]), 1 + wider * (self.upper[last - 1] - 1)


def interval_factors(step: Steps, ratio: Array, horizon: int, level: int) -> IntervalFactors:
    """Return the factors for steps 1..horizon from residuals of forecasts.

    `step`: int64[n], `ratio`: float64[n], sales over prediction. A step takes the residuals of
    all steps up to it: its own are those of a few windows, and the widest of many small samples
    would be too wide. Those of step 0 (`ALONE`) count for step 1 and no later one. NaN where they
    are fewer than `min_residuals`.
    """
    lower = np.full(horizon, np.nan)
    upper = np.full(horizon, np.nan)
    tail = (1 - level / 100) / 2
    for position in range(horizon):
        later = position > 0
        chosen = ratio[(step >= later) & (step <= position + 1)]
        if len(chosen) >= min_residuals(level):
            lower[position], upper[position] = np.quantile(chosen, (tail, 1 - tail))
    # The prediction itself lies inside, and more steps never mean more certainty.
    return IntervalFactors(
        np.fmin.accumulate(np.clip(lower, 0.0, 1.0)), np.fmax.accumulate(np.maximum(upper, 1.0))
    )


@dataclass(frozen=True, eq=False)
class Intervals:
    """What was measured of the errors of one model.

    Attributes:
        factors: level -> factors of a series that strays as far as most do.
        widths: series -> how far those of its size stray, 1 being what most do.
    """

    factors: Mapping[int, IntervalFactors]
    widths: Mapping[str, float]

    @classmethod
    def none(cls) -> Intervals:
        """Return what is known where nothing was measured."""
        unknown = IntervalFactors(np.array([np.nan]), np.array([np.nan]))
        return cls(dict.fromkeys(LEVELS, unknown), {})

    @classmethod
    def measured(
        cls,
        series: Names,
        step: Steps,
        y: Array,
        prediction: Array,
        horizon: int,
    ) -> Intervals:
        """Measure them on forecasts whose weeks are known: `y` and `prediction`, float64[n]."""
        sound = prediction > 0
        names, rows = np.unique(np.asarray(series)[sound], return_inverse=True)
        ratio = np.maximum(y[sound] / prediction[sound], 0.0)
        widths = _widths(rows, size_thirds(rows, y[sound]), ratio)
        standard = 1 + (ratio - 1) / widths[rows]
        return cls(
            {level: interval_factors(step[sound], standard, horizon, level) for level in LEVELS},
            dict(zip(names.tolist(), widths.tolist(), strict=True)),
        )

    @property
    def steps(self) -> int | None:
        """The last step that was measured; None where too little was for any interval."""
        narrow = self.factors[LEVELS[0]]
        return None if np.isnan(narrow.lower[-1]) else narrow.steps

    def of(self, level: int, series: Names, step: Steps) -> tuple[Array, Array]:
        """Return both factors, float64[n] each, of n series and steps; no lower one is below 0.

        NaN where too little was measured.
        """
        lower, upper = self.factors[level].at(step)
        width = np.array([self.widths.get(name, 1.0) for name in series])
        return np.maximum(1 - width * (1 - lower), 0.0), 1 + width * (upper - 1)


@dataclass(frozen=True, eq=False)
class IntervalsByAge:
    """What was measured of the errors of one model on series of each of the `AGES` alone.

    Young series stray by far the most, whatever their size, and those of which nothing is known are
    like no others: while too little was measured of an age, nothing is promised of it.
    """

    of_age: Mapping[str, Intervals]

    @classmethod
    def none(cls) -> IntervalsByAge:
        """Return what is known where nothing was measured."""
        return cls({})

    @classmethod
    def measured(
        cls,
        age: Names,
        series: Names,
        step: Steps,
        y: Array,
        prediction: Array,
        *,
        horizon: int = 1,
    ) -> IntervalsByAge:
        """Measure them on n forecasts whose weeks are known; see `Intervals.measured`.

        `horizon`: the step that is asked for, where that is beyond all that have ended.
        """
        ages, names = np.asarray(age), np.asarray(series)
        found = {}
        for one in AGES:
            own = ages == one
            if own.any():
                # The sizes of a few beginners tell nothing of how far they stray.
                of = names[own] if one == OLD else np.full(int(own.sum()), one)
                last = max(int(step[own].max()), horizon)
                found[one] = Intervals.measured(of, step[own], y[own], prediction[own], last)
        return cls(found)

    def ends(
        self, level: int, age: Names, series: Names, step: Steps, prediction: Array
    ) -> tuple[Array, Array]:
        """Return both ends, float64[n] each, of n predictions; NaN where nothing is promised."""
        ages, names = np.asarray(age), np.asarray(series)
        ends = np.full((2, len(prediction)), np.nan)
        for one, intervals in self.of_age.items():
            own = np.flatnonzero(ages == one)
            if len(own):
                factors = np.array(intervals.of(level, names[own], step[own]))
                ends[:, own] = np.sort(factors * prediction[own], axis=0)
        return ends[0], ends[1]


def size_thirds(rows: npt.NDArray[np.intp], y: Array) -> npt.NDArray[np.intp]:
    """Return intp[n_series]: which of `SIZES` each series has, by its mean sales.

    `rows`: intp[n], the number of the series that sold `y`, float64[n]; each number occurs.
    """
    mean = np.bincount(rows, y) / np.bincount(rows)
    rank = np.argsort(np.argsort(mean, kind="stable"))
    thirds: npt.NDArray[np.intp] = rank * len(SIZES) // len(rank) if len(rank) else rank
    return thirds


def _widths(rows: npt.NDArray[np.intp], kinds: npt.NDArray[np.intp], ratio: Array) -> Array:
    """Return float64[n_series]: the typical error of the kind of series that one belongs to.

    1 is that of all; a kind of too few residuals is taken for 1.
    """
    widths = np.ones(len(kinds))
    off = np.abs(ratio - 1)
    typical = float(np.median(off)) if len(off) else 0.0
    for kind in np.unique(kinds):
        own = off[kinds[rows] == kind]
        if typical > 0 and len(own) >= min_residuals(LEVELS[0]) and np.median(own) > 0:
            widths[kinds == kind] = np.median(own) / typical
    return widths

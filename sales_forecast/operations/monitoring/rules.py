"""The rules: errors in standard deviations of their own past, and sums of them that grow too large.

Takes errors by whole weeks, gives where a sum passed its limit. What is said of a week knows weeks
before it alone. numpy only; must not know sales, models or where errors come from. The constants
were tried on real histories: docs/monitoring.md says what each gave.

Source: cumulative sums of Page, Continuous Inspection Schemes (Biometrika 1954).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

WARM_UP: Final = 26
"""Weeks of errors that are measured before any is judged: half a year."""
CENTRE_PRIOR: Final = 26
"""So many weeks without error are added to the centre: a young model is not excused by its bias."""
SCALE_PRIOR: Final = 13
"""So many weeks of the usual scale are added to that of a series: a quiet quarter is chance."""
INCIDENT_WEEKS: Final = 8
"""A subject that rings again within so many weeks rings for the same reason."""
INSIDE: Final = 0.8
"""The share of sales that the watched intervals promise to hold."""
_OF_MAD, _LEAST_OF_SD = 1.4826, 0.8
"""Scale: that of a normal distribution by the median, not far below what outliers make of it."""
_LEAST_SCALE = 0.001
"""Forecasts of what never changes err by roundings, which are no deviations."""
_YEAR = 52
_BLOCK, _YEARS = 4, 500
_MEASURED_ANEW = 4
_FALSE_A_YEAR = 0.2
"""What the limit of the chain allows by chance: one in five years, as four rules share one."""


@dataclass(frozen=True)
class Rule:
    """How errors of some kind are added up.

    Attributes:
        cap: standard deviations that one week counts at most: a single week is an accident.
        slack: what is forgiven each week, in standard deviations.
        limit: the sum that rings, at least.
        both: whether errors below are added up as well as those above.
    """

    name: str
    cap: float
    slack: float
    limit: float
    both: bool = True


CHAIN = Rule("chain", np.inf, 1.0, 2.25)
"""All series together hardly have accidents: one week of 3.25 standard deviations rings."""
GROUP = Rule("group", 3.0, 1.5, 3.5)
SERIES = Rule("series", 3.0, 1.5, 4.0)
"""Three extreme weeks of a group or a series ring, one or two never do, nor of intervals; series
are many."""
COVERAGE = Rule("coverage", 3.0, 1.0, 4.0, both=False)
"""Only too narrow intervals do harm. With this slack, intervals that hold what they promise ring
less than once in five years even where neighbouring weeks are alike by 0.4."""


@dataclass(frozen=True, eq=False)
class Sums:
    """What a rule added up of its subjects.

    Attributes:
        above: float64[..., n_weeks], what errors above (sales higher than forecast) sum to.
        below: the same of those below.
        limit: float64[..., n_weeks].
        rings: bool[..., n_weeks], where a new incident begins.
    """

    above: Array
    below: Array
    limit: Array
    rings: Flags

    @property
    def statistic(self) -> Array:
        """float64[..., n_weeks]: the larger of both sums, before a limit set it back to 0."""
        larger: Array = np.maximum(self.above, self.below)
        return larger


def standardised(errors: Array, scale: Array, *, pooled: bool = False) -> Array:
    """Return errors in standard deviations of the weeks before them, float64[n, n_weeks].

    `errors`: float64[n, n_weeks], NaN where unknown; `scale`: float64[n_weeks], how much larger
    errors of a week are expected to be (events). `pooled`: whether the subjects lend each other
    their scale. NaN until `WARM_UP` weeks of a subject are known.
    """
    found = np.full_like(errors, np.nan)
    even = errors / scale
    for week in range(WARM_UP, errors.shape[1]):
        past = even[:, :week]
        n = (~np.isnan(past)).sum(axis=1)
        own = n >= WARM_UP
        if not own.any():
            continue
        past, n = past[own], n[own]
        middle = _median(past)
        width = np.maximum(
            _OF_MAD * _median(np.abs(past - middle[:, None])), _LEAST_OF_SD * _deviation(past)
        )
        if pooled:
            usual = np.median(width)
            width = np.sqrt((n * width**2 + SCALE_PRIOR * usual**2) / (n + SCALE_PRIOR))
        away = (errors[own, week] - middle * n / (n + CENTRE_PRIOR)) / scale[week]
        found[own, week] = away / np.maximum(width, _LEAST_SCALE)
    return found


def _median(values: Array) -> Array:
    median: Array = (np.nanmedian if np.isnan(values).any() else np.median)(values, axis=1)
    return median


def _deviation(values: Array) -> Array:
    deviation: Array = (np.nanstd if np.isnan(values).any() else np.std)(values, axis=1)
    return deviation


def shortfall(share: Array, scale: Array, n_series: int) -> Array:
    """Return how far the share inside intervals of 80% is below that, float64[n, n_weeks].

    `share`: float64[n, n_weeks], of `n_series` intervals; `scale` as in `standardised`. In
    deviations from 80% as the past weeks had them, which know how far intervals of one week fail
    together; never in smaller ones than intervals have that do not.
    """
    away = (INSIDE - share) / scale
    known = ~np.isnan(away)
    squares = _before(np.where(known, away, 0.0) ** 2)
    n = _before(known.astype(np.float64))
    usual = np.divide(squares, n, where=n > 0, out=np.zeros_like(squares))
    found = away / np.sqrt(np.maximum(usual, INSIDE * (1 - INSIDE) / n_series))
    return np.where(n >= WARM_UP, found, np.nan)


def _before(values: Array) -> Array:
    """Return the sums of all weeks before each."""
    sums: Array = np.cumsum(values, axis=-1) - values
    return sums


def added_up(z: Array, rule: Rule, limit: Array | None = None) -> Sums:
    """Add up standardised errors, float64[..., n_weeks], and ring where a sum passes the limit.

    Both sums of a subject begin anew there. Unknown weeks change nothing. `limit`:
    float64[..., n_weeks] in place of the rule's own.
    """
    limits = np.broadcast_to(rule.limit if limit is None else limit, z.shape)
    above, below = np.zeros_like(z), np.zeros_like(z)
    rings = np.zeros(z.shape, dtype=bool)
    up, down = np.zeros(z.shape[:-1]), np.zeros(z.shape[:-1])
    quiet = np.full(z.shape[:-1], INCIDENT_WEEKS)
    for week in range(z.shape[-1]):
        known = ~np.isnan(z[..., week])
        step = np.clip(np.where(known, z[..., week], 0.0), -rule.cap, rule.cap)
        up = np.where(known, np.maximum(0.0, up + step - rule.slack), up)
        if rule.both:
            down = np.where(known, np.maximum(0.0, down - step - rule.slack), down)
        above[..., week], below[..., week] = up, down
        over = known & (np.maximum(up, down) > limits[..., week])
        rings[..., week] = over & (quiet >= INCIDENT_WEEKS)
        quiet = np.where(over, 1, quiet + 1)
        up, down = np.where(over, 0.0, up), np.where(over, 0.0, down)
    return Sums(above, below, limits, rings)


def limits_of(z: Array, rule: Rule) -> Array:
    """Return the limit of each week, float64[..., n_weeks], as the weeks before it show chance.

    `z`: float64[..., n_weeks], as `standardised` gives it. Stretches of past weeks are drawn to
    years; the limit is what one year in five passes, and never below the rule's own. Measured anew
    every four weeks.
    """
    limits = np.full(z.shape, rule.limit)
    random = np.random.default_rng(0).random((_YEARS, _YEAR // _BLOCK))
    judged = np.nan_to_num(z[..., WARM_UP:])
    for stop in range(WARM_UP, judged.shape[-1], _MEASURED_ANEW):
        starts = (random * (stop - _BLOCK + 1)).astype(np.intp)
        weeks = (starts[:, :, None] + np.arange(_BLOCK)).reshape(_YEARS, -1)
        highest = _highest(judged, weeks, rule)
        found = np.quantile(highest, np.exp(-_FALSE_A_YEAR), axis=-1)
        ahead = slice(WARM_UP + stop, WARM_UP + stop + _MEASURED_ANEW)
        limits[..., ahead] = np.maximum(rule.limit, found)[..., None]
    return limits


def _highest(z: Array, years: npt.NDArray[np.intp], rule: Rule) -> Array:
    """Return float64[..., n_years]: the largest sum of each year that is drawn from weeks."""
    up = down = highest = np.zeros((*z.shape[:-1], len(years)))
    for weeks in years.T:
        step = np.clip(z[..., weeks], -rule.cap, rule.cap)
        up = np.maximum(0.0, up + step - rule.slack)
        down = np.maximum(0.0, down - step - rule.slack)
        highest = np.maximum(highest, np.maximum(up, down))
    return highest

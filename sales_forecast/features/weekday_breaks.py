"""Weekday patterns that changed for good: since when, and how much more each weekday is since.

Takes what dates and plan leave of log sales, or which days sold anything, gives breaks of the week:
a Sunday that opened, Saturdays that moved to Mondays. A pattern that was so at that time of the
year before is a season and no break. numpy only. Must not know columns, nor what becomes of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from sales_forecast.data.frequency import DAYS_PER_PERIOD, SEASON_LENGTH
from sales_forecast.data.panel import Array, Days
from sales_forecast.features.date_columns import weekdays
from sales_forecast.features.tables import blocks, by_weeks, medians

Flags = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]

_BREAK = 60.0
"""The squares of so many standard errors, all weekdays together: a thousand series without any come
to 33 at most."""
_BREAK_OF_CHANCE = 25.0
"""Twice the logarithm of how much likelier the days are with a break: as five standard errors."""
_BEFORE_AND_AFTER = 3
"""So many of a weekday on each side tell a break from an accident."""
_DAYS_OF_A_WEEK = 3
"""A week of fewer tells nothing of how its days differ."""
_FAR, _NEVER, _OTHERS = 3.0, 1e-9, DAYS_PER_PERIOD - 1
"""Standard deviations that count at most; the least share; days of the other weekdays that are
taken to have been as before."""
_NEARLY_NONE = 0.02
"""Shares below, and above the rest of 1, count alike: of few days nobody knows which they are."""
_LEAST_NOISE, _CHAIN_NOISE = 0.03, 0.045
"""The least that a standard deviation is; that of all series together many do not make less."""
_ROUNDS = 4
"""Each finds one break of a series at most."""
_LASTS = 0.5
"""So much of a break is seen against the same weeks of the year before, too."""


@dataclass(frozen=True, eq=False)
class WeekdayBreaks:
    """Breaks of weekday patterns, one row each.

    Attributes:
        series: whose.
        since: the first day of each.
        more: float64[n, 7], how much more log sales are from then on, Monday first.
    """

    series: tuple[str, ...]
    since: Days
    more: Array

    @cached_property
    def state(self) -> Mapping[str, Any]:
        """All of it by name."""
        days = [str(day) for day in self.since.astype("datetime64[D]")]
        return {"series": list(self.series), "since": days, "more": self.more}

    @classmethod
    def restore(cls, state: Mapping[str, Any] | None) -> Self:
        """Return the breaks of a state; none of bundles that were written before there were any."""
        if state is None:
            return cls((), np.zeros(0, "datetime64[D]"), np.zeros((0, DAYS_PER_PERIOD)))
        since = np.array(state["since"], "datetime64[D]")
        return cls(tuple(state["series"]), since, state["more"])

    @classmethod
    def of(cls, left: Array, series: Sequence[str], days: Days) -> Self:
        """Look at float64[n_series, n_days], NaN where unknown: first what all do, then each."""
        r = by_weeks(left, DAYS_PER_PERIOD, np.nan)
        r = r - medians(r.reshape(-1, DAYS_PER_PERIOD)).reshape(*r.shape[:2], 1)
        r[(~np.isnan(r)).sum(axis=2) < _DAYS_OF_A_WEEK] = np.nan
        chain = _moved(medians(r.reshape(len(r), -1).T).reshape(1, *r.shape[1:]), _CHAIN_NOISE)
        each = [chain + _moved(r[some] - chain, _LEAST_NOISE) for some in blocks(len(r))]
        moved = np.concatenate(each)
        steps = np.diff(moved, axis=1, prepend=0)
        rows, weeks = np.nonzero(steps.any(axis=2))
        since = days[-1] + (1 + DAYS_PER_PERIOD * (weeks - r.shape[1]))
        more = np.empty((len(rows), DAYS_PER_PERIOD))
        more[:, weekdays(days[-1] + np.arange(1, DAYS_PER_PERIOD + 1))] = steps[rows, weeks]
        return cls(tuple(series[int(row)] for row in rows), since, more)

    def at(self, series: Sequence[str], days: Days) -> Array:
        """Return float64[n_series, n_days]: how much more log sales are for their breaks."""
        found = np.zeros((len(series), len(days)))
        rows = {name: row for row, name in enumerate(series)}
        weekday = weekdays(days)
        for name, since, more in zip(self.series, self.since, self.more, strict=True):
            if name in rows:
                found[rows[name]] += np.where(days >= since, more[weekday], 0.0)
        return found


def outdated(sold: Flags, known: Flags) -> Flags:
    """Return bool[n_series, n_days]: days of a weekday before it began or ceased to sell.

    `sold`, `known`: the same, whether anything was sold and whether that is known. A weekday is
    compared with the other ones, which an article that is out of stock does not sell either.
    """
    found = np.zeros(sold.shape, bool)
    for some in blocks(len(sold)):
        both = (by_weeks(of, DAYS_PER_PERIOD, 0) for of in (sold[some] & known[some], known[some]))
        old = _outdated(*both)
        found[some] = old.reshape(len(old), -1)[:, old[0].size - sold.shape[1] :]
    return found


def _moved(r: Array, least: float) -> Array:
    """Return float64[n, n_weeks, 7]: how much more each day is than by the pattern kept longest."""
    n, weeks, _ = r.shape
    if weeks < 2 * _BEFORE_AND_AFTER:
        return np.zeros(r.shape)
    known, values = ~np.isnan(r), np.nan_to_num(r)
    # From week to week, where a break is but one of many.
    steps = np.abs(np.diff(r, axis=1)).reshape(n, -1)
    noise = np.fmax(medians(steps) / (0.6745 * 2**0.5), least)[:, None, None]
    begins, moved = np.zeros((n, weeks), bool), np.zeros(r.shape)
    some = np.arange(n)
    for _ in range(_ROUNDS):
        rest = np.clip((values - moved)[some] / noise[some], -_FAR, _FAR) * known[some]
        week, away, far = _furthest(rest, known[some])
        broken = [
            bool(far[row] > _BREAK and _lasts(rest[row], known[series], week[row], away[row]))
            for row, series in enumerate(some)
        ]
        some, week = some[broken], week[broken]
        begins[some, week] = True
        for series in some:
            part = begins[series].cumsum()
            each = [_middle(r[series, part == k], noise[series]) for k in range(part[-1] + 1)]
            longest = each[np.bincount(part).argmax()]
            moved[series] = np.nan_to_num(np.stack(each) - longest)[part]
    return moved


def _middle(r: Array, noise: Array) -> Array:
    """Return float64[7], the mean of each weekday, those far from its median drawn in."""
    middle, known = medians(r.T), ~np.isnan(r)
    off = np.nan_to_num(np.clip(r - middle, -_FAR * noise, _FAR * noise))
    return middle + off.sum(axis=0) / np.maximum(known.sum(axis=0), 1)


def _furthest(rest: Array, known: Flags) -> tuple[npt.NDArray[np.intp], Array, Array]:
    """Return int[n], float64[n, 7], float64[n]: the week since which days are furthest from before.

    `rest`: in standard deviations, 0 where not known. How far each weekday is, and the squares of
    standard errors.
    """
    total, number = rest.cumsum(axis=1), known.cumsum(axis=1, dtype=np.int64)
    before, after = number[:, :-1], number[:, -1:] - number[:, :-1]
    of_before, of_after = total[:, :-1], total[:, -1:] - total[:, :-1]
    enough = np.minimum(before, after) >= _BEFORE_AND_AFTER
    before, after = np.maximum(before, 1), np.maximum(after, 1)
    away = np.where(enough, of_after / after - of_before / before, 0.0)
    days = np.maximum(enough.sum(axis=2, keepdims=True), 1)
    away = (away - away.sum(axis=2, keepdims=True) / days) * enough  # the level is not of the week
    far = (away**2 / (1 / before + 1 / after)).sum(axis=2)
    rows, best = np.arange(len(far)), far.argmax(axis=1)
    return best + 1, away[rows, best], far[rows, best]


def _lasts(values: Array, known: Flags, week: int, away: Array) -> bool:
    """Tell whether a break is one against the same weeks of the year before, if they are known.

    `values`, `known`: [n_weeks, n_weekdays] of one series; `week`: the first one since the break.
    """
    now = np.arange(max(week, SEASON_LENGTH), min(week + SEASON_LENGTH, len(values)))
    both = known[now] & known[now - SEASON_LENGTH]
    count = both.sum(axis=0)
    moved = ((values[now] - values[now - SEASON_LENGTH]) * both).sum(axis=0) / np.maximum(count, 1)
    told = count >= _BEFORE_AND_AFTER
    least = _LASTS * (away[told] ** 2).sum()
    return not told.any() or bool((moved * away)[told].sum() > least)


def _outdated(sold: Flags, known: Flags) -> Flags:
    """See `outdated`; bool[n, n_weeks, 7]."""
    found = np.zeros(sold.shape, bool)
    if sold.shape[1] < 2 * _BEFORE_AND_AFTER:
        return found
    of_sold, of_known = (of.cumsum(axis=1, dtype=np.int64) for of in (sold, known))
    before, n_before = of_sold[:, :-1], of_known[:, :-1]
    after, n_after = of_sold[:, -1:] - before, of_known[:, -1:] - n_before
    expected = _expected(before, n_before, after, n_after)
    surer = _surer(before, n_before, expected[0]) + _surer(after, n_after, expected[1])
    surer *= np.minimum(n_before, n_after) >= _BEFORE_AND_AFTER
    best = surer.argmax(axis=1)
    for row, day in np.argwhere(2 * surer.max(axis=1) > _BREAK_OF_CHANCE):
        week, column = best[row, day] + 1, slice(day, day + 1)
        away = (_share(after, n_after) - _share(before, n_before))[row, week - 1, column]
        lately = sold[row, :, column].astype(float)
        found[row, :week, day] = _lasts(lately, known[row, :, column], week, away)
    return found


def _expected(before: Counts, n_before: Counts, after: Counts, n_after: Counts) -> list[Array]:
    """Return the likeliest shares before and after a week, if a weekday moved as the others did."""
    sold, known, sold_since, known_since = (
        of.sum(axis=2, keepdims=True) - of for of in (before, n_before, after, n_after)
    )
    usual = np.clip((sold + 0.5) / (known + 1), _NEARLY_NONE, 1 - _NEARLY_NONE)
    since = (sold_since + _OTHERS * usual) / (known_since + _OTHERS)
    since = np.clip(since, _NEARLY_NONE, 1 - _NEARLY_NONE)
    rise = since / (1 - since) * (1 - usual) / usual
    # The odds before, of which those after are `rise` times, that make the sum as it is.
    total, n = before + after, n_before + n_after
    half = n_before + n_after * rise - total * (1 + rise)
    root = half + np.sqrt(half**2 + 4 * rise * (n - total) * total)
    odds = 2 * total / np.maximum(root, _NEVER)
    return [of / (1 + of) for of in (odds, odds * rise)]


def _surer(sold: Counts, known: Counts, expected: Array) -> Array:
    """Return how much likelier `sold` of `known` days are by their own share, in logarithms."""
    share = _share(sold, known)
    expected = np.clip(expected, _NEVER, 1 - _NEVER)
    yes = sold * np.log(np.maximum(share, _NEVER) / expected)
    no = (known - sold) * np.log(np.maximum(1 - share, _NEVER) / (1 - expected))
    likelier: Array = yes + no
    return likelier


def _share(sold: Counts, known: Counts) -> Array:
    share: Array = sold / np.maximum(known, 1)
    return share

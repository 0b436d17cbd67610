"""Errors of the champion by whole weeks: what the rules judge.

Takes sales and what was expected of them one week ahead, gives the signal of every rule. numpy
only; must not know where forecasts come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sales_forecast.data.calendar import (
    DAYS_PER_WEEK,
    LARGE_EVENTS,
    SUNDAY,
    event_days,
    week_ending,
)
from sales_forecast.data.forecasts.week_ahead import WeekAhead
from sales_forecast.data.frequency import DAILY
from sales_forecast.data.panel import Array, Days, Panel
from sales_forecast.data.traits import Index
from sales_forecast.evaluation.groups import ranges
from sales_forecast.evaluation.sizes import SIZES, thirds
from sales_forecast.operations.monitoring import rules
from sales_forecast.operations.monitoring.rules import Flags, Rule, Sums

EVENT_SCALE, LARGE_EVENT_SCALE = 1.25, 1.5
"""So much larger errors of weeks of events are expected to be."""
MOST_SERIES = 100
"""Of more series, or of those with two keys, a single one is no alarm: chance rings too often."""
_FEWEST_SERIES = 6
"""Of fewer series a third is hardly more than one of them."""
_SELDOM = 0.25
"""What sold nothing in more of the weeks before any is judged sells at times."""
_LARGEST_ERROR = 2.0
"""Sales seven times as large as expected, or a seventh, are an accident; so is a sudden 0."""


@dataclass(frozen=True, eq=False)
class Signal:
    """What one rule adds up: float64[n, n_weeks], the errors of each of its subjects."""

    rule: Rule
    subjects: tuple[str, ...]
    values: Array

    def standardised(self, errors: Errors) -> Array:
        """Return float64[n, n_weeks]: in standard deviations of the weeks before."""
        if self.rule is rules.COVERAGE:
            return rules.shortfall(self.values, errors.scale, len(errors.series))
        pooled = self.rule is rules.SERIES
        return rules.standardised(self.values, errors.scale, pooled=pooled)

    def sums(self, z: Array) -> Sums:
        """Add up what `standardised` gives, or weeks that are drawn of it, float64[..., n_weeks].

        The limit of the chain is its own past's.
        """
        limit = rules.limits_of(z, self.rule) if self.rule is rules.CHAIN else None
        return rules.added_up(z, self.rule, limit)


@dataclass(frozen=True, eq=False)
class Errors:
    """Sales and expectations of whole weeks.

    Attributes:
        weeks: datetime64[D][n_weeks], the day that ends each.
        sold: float64[n_series, n_weeks], NaN where unknown; only periods with a forecast count.
        expected: as `sold`.
        inside: as `sold`, the share of periods that the interval of 80% held.
        groups: name -> rows of its series.
        by_key: whether the groups are those of a second key.
        seldom: bool[n_series], which series are judged by the sum of all of these: what sells at
            times has no error of its own in a week without a sale, and half of one in any other.
    """

    weeks: Days
    series: tuple[str, ...]
    sold: Array
    expected: Array
    inside: Array
    groups: Mapping[str, Index]
    by_key: bool
    seldom: Flags

    @cached_property
    def logs(self) -> Array:
        """float64[n_series, n_weeks]: log of sales over what was expected."""
        sold, expected = self._told_together(self.sold), self._told_together(self.expected)
        known = (sold > 0) & (expected > 0)
        ratio = np.divide(sold, expected, out=np.ones_like(sold), where=known)
        clipped = np.clip(np.log(ratio), -_LARGEST_ERROR, _LARGEST_ERROR)
        return np.where(known, clipped, np.nan)

    def _told_together(self, values: Array) -> Array:
        return np.where(self.seldom[:, None], np.nansum(values[self.seldom], axis=0), values)

    @cached_property
    def scale(self) -> Array:
        """float64[n_weeks]: how much larger errors are expected to be for the events of a week."""
        any_event = event_days(self.weeks).sum(axis=1) > 0
        large = event_days(self.weeks, LARGE_EVENTS).sum(axis=1) > 0
        return np.where(large, LARGE_EVENT_SCALE, np.where(any_event, EVENT_SCALE, 1.0))

    @cached_property
    def fallen(self) -> Flags:
        """bool[n_weeks]: half of what was expected, or more, was of series that sold nothing.

        Nothing has no log, and that of what is left would not know it. More likely than the sales
        of a chain its feed stopped.
        """
        sold, expected = self._told_together(self.sold), self._told_together(self.expected)
        asked = ~np.isnan(sold) & (expected > 0)
        most: Flags = 2 * sum_of(expected, asked & (sold <= 0)) >= sum_of(expected, asked)
        return most & asked.any(axis=0)

    @property
    def alarms_by_series(self) -> bool:
        """Whether a lone series is an alarm, and not only an explanation."""
        few = 1 < len(self.series) <= MOST_SERIES
        return few and not self.by_key and not self.seldom.all()

    def signals(self) -> tuple[Signal, ...]:
        """Return the signals of the rules that may ring."""
        found = [Signal(rules.CHAIN, ("chain",), self._of_chain()[None, :])]
        if self.groups:
            found.append(Signal(rules.GROUP, tuple(self.groups), self._of_groups()))
        if self.alarms_by_series:
            found.append(self.of_series())
        inside = np.where(self.fallen, np.nan, mean_over(self.inside))
        found.append(Signal(rules.COVERAGE, ("intervals",), inside[None, :]))
        return tuple(found)

    def _of_chain(self) -> Array:
        # Many series of two keys are small, and their mean is what accidents of these make of it.
        usual = middle_of(self.logs) if self.by_key else mean_over(self.logs)
        return np.where(self.fallen, -_LARGEST_ERROR, usual)

    def of_series(self) -> Signal:
        """Return each series that has errors of its own against the middle of all."""
        rows = np.flatnonzero(~self.seldom)
        names = tuple(self.series[row] for row in rows)
        return Signal(rules.SERIES, names, (self.logs - middle_of(self.logs))[rows])

    def _of_groups(self) -> Array:
        """Return the middle of each against that of the others: one large series moves no group."""
        whole = np.arange(len(self.series))
        return np.stack([
            middle_of(self.logs[rows]) - middle_of(self.logs[np.setdiff1d(whole, rows)])
            for rows in self.groups.values()
        ])  # fmt: skip


def mean_over(values: Array) -> Array:
    """Return float64[n_weeks]: the mean over series that are known; NaN where none is."""
    known = ~np.isnan(values)
    n = known.sum(axis=0)
    return np.divide(sum_of(values, known), n, out=np.full(len(n), np.nan), where=n > 0)


def sum_of(values: Array, known: Flags) -> Array:
    """Return float64[n_weeks]: the sum over the series that are known."""
    total: Array = np.where(known, values, 0.0).sum(axis=0)
    return total


def middle_of(values: Array) -> Array:
    """Return float64[n_weeks]: the median over series that are known; NaN where none is."""
    found = np.full(values.shape[1], np.nan)
    some = ~np.isnan(values).all(axis=0)
    found[some] = np.nanmedian(values[:, some], axis=0)
    return found


def week_ends(panel: Panel) -> Days:
    """Return datetime64[D][n_periods]: the day that ends the week of each, of days a Sunday."""
    if panel.frequency != DAILY:
        return panel.periods
    ends = [week_ending(day, SUNDAY) for day in panel.periods.tolist()]
    return np.array(ends, dtype="datetime64[D]")


def errors_of(panel: Panel, expected: WeekAhead) -> Errors:
    """Return the errors of all whole weeks of which something was expected.

    Of weeks the median counts; the mean of what is added up: days, and series that sell at times.
    Weeks of daily sales are those from Monday to Sunday, of which every day is forecast but those
    on which all were closed.
    """
    ends = week_ends(panel)
    middle = expected.mean if panel.frequency == DAILY else expected.middle
    known = ~np.isnan(panel.y) & ~np.isnan(middle)
    weeks, place, count = np.unique(ends, return_inverse=True, return_counts=True)
    asked, sold_on = (
        np.bincount(place, of.any(axis=0), minlength=len(weeks))
        for of in (known, ~np.isnan(panel.y))
    )
    whole = (count * panel.frequency.days == DAYS_PER_WEEK) & (asked > 0) & (asked == sold_on)

    belongs = (place[:, None] == np.flatnonzero(whole)).astype(np.float64)

    def sums(values: Array, of: Flags) -> Array:
        counted = of.astype(np.float64) @ belongs
        return np.where(counted > 0, np.where(of, values, 0.0) @ belongs, np.nan)

    promised = known & ~np.isnan(expected.low)
    held = promised & (panel.y >= expected.low) & (panel.y <= expected.high)
    sold = sums(panel.y, known)
    groups, by_key = _groups(panel, sold)
    seldom = _sell_at_times(sold) & (not by_key)
    return Errors(
        weeks=weeks[whole],
        series=panel.series,
        sold=sold,
        expected=np.where(seldom[:, None], sums(expected.mean, known), sums(middle, known)),
        inside=sums(held.astype(np.float64), promised)
        / sums(promised.astype(np.float64), promised),
        groups=groups,
        by_key=by_key,
        seldom=seldom,
    )


def _sell_at_times(sold: Array) -> Flags:
    before = sold[:, : rules.WARM_UP]
    found: Flags = (before <= 0).sum(axis=1) > _SELDOM * (~np.isnan(before)).sum(axis=1)
    return found


def _groups(panel: Panel, sold: Array) -> tuple[Mapping[str, Index], bool]:
    """Return the rows of each group: ranges of the last of two keys, else thirds by size.

    The size is that of the weeks before any is judged.
    """
    if len(panel.keys) > 1:
        names, place = ranges(*[*panel.keys.items()][-1])
        return {name: np.flatnonzero(place == of) for of, name in enumerate(names)}, True
    if panel.n_series < _FEWEST_SERIES:
        return {}, False
    size = np.nan_to_num(mean_over(sold[:, : rules.WARM_UP].T))
    third = thirds(size)
    return {name: np.flatnonzero(third == of) for of, name in enumerate(SIZES)}, False

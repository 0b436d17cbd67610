"""All that is found out about sales, and what of it would be refused or is only told.

Takes a panel, gives findings. Must not know how they are shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sales_forecast.data.frequency import counted
from sales_forecast.data.numerals import numeral
from sales_forecast.data.panel import Array, Panel
from sales_forecast.evaluation.protocols import MIN_WEEKS
from sales_forecast.exploring import patterns, tables
from sales_forecast.exploring.patterns import Lift, Outlier
from sales_forecast.exploring.shape import Shape, Weeks, shape, weeks
from sales_forecast.exploring.tables import Covariate, Group

Level = Literal["refused", "told", "fine"]
_COMPLETE = 0.9
"""So many of the series of the period a week before must have a row in the last one."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: `refused` keeps models from being trained."""

    level: Level
    said: str


@dataclass(frozen=True)
class Findings:
    """What is known of a panel.

    Attributes:
        data_fingerprint: changes with every value of the sales; see `Panel.fingerprint`.
        months: float64[12]; `weekdays`: float64[7] of daily sales; see `patterns`.
        like_last_year: correlation within series with the same period a year before.
        outlying: how many rows stand out; `outliers` are the farthest of them.
    """

    data_fingerprint: str
    shape: Shape
    weeks: Weeks
    months: Array
    weekdays: Array | None
    like_last_year: float
    lifts: Sequence[Lift]
    outlying: int
    outliers: Sequence[Outlier]
    covariates: Sequence[Covariate]
    groups: Mapping[str, Sequence[Group]]
    checks: Sequence[Check]

    @property
    def refused(self) -> bool:
        """Whether anything keeps models from being trained."""
        return any(check.level == "refused" for check in self.checks)


def explore(panel: Panel) -> Findings:
    """Find out everything."""
    counted = shape(panel)
    outlying, farthest = patterns.outliers(panel)
    known = tables.covariates(panel)
    selling = (~np.isnan(panel.y)).sum(axis=0)
    checks = [*_checks(panel, counted, selling.tolist()), *_of_outliers(outlying, counted)]
    return Findings(
        data_fingerprint=panel.fingerprint,
        shape=counted,
        weeks=weeks(panel),
        months=patterns.by_month(panel),
        weekdays=patterns.by_weekday(panel),
        like_last_year=patterns.like_last_year(panel),
        lifts=patterns.lifts(panel),
        outlying=outlying,
        outliers=farthest,
        covariates=known,
        groups=tables.groups(panel),
        checks=[*checks, *(check for one in known for check in _of_covariate(one))],
    )


def _checks(panel: Panel, of: Shape, selling: Sequence[int]) -> Iterator[Check]:
    unit = of.unit
    needed = panel.frequency.periods(MIN_WEEKS)
    if of.empty == of.series:
        yield Check("refused", "Nothing was ever sold: there is nothing to learn.")
    if of.periods < needed:
        yield Check(
            "refused",
            f"Models are judged from {needed} {unit}s on, and these sales have "
            f"{counted(of.periods, unit)}; until then last year's sales answer alone, or what was "
            "sold last.",
        )
    else:
        yield Check("fine", f"{of.periods} {unit}s are enough: models are judged from {needed} on.")
    if panel.frequency.season * 2 > of.periods >= needed:
        yield Check(
            "told",
            "Less than two years are known: no model can tell a season from an accident.",
        )
    if 0 < of.empty < of.series:
        yield Check("told", f"Series that never sold anything: {of.empty:,} of {of.series:,}.")
    before = selling[-1 - panel.frequency.a_week :][0]
    if selling[-1] < _COMPLETE * before:
        yield Check(
            "told",
            f"The last {unit}, {of.last}, has {selling[-1]:,} series; the one a week before has "
            f"{before:,}. Was all of it loaded?",
        )
    yield from _counted(of)
    yield from (Check("told", note) for note in panel.notes)


def _counted(of: Shape) -> Iterator[Check]:
    unit, rows = of.unit, counted(of.rows, "row")
    if of.gaps:
        longest = max((gap.periods, name) for name, ranges in of.gaps.items() for gap in ranges)
        yield Check(
            "told",
            f"Series with gaps: {len(of.gaps):,} of {of.series:,}, {counted(of.missing, unit)} "
            f"together; the longest is {counted(longest[0], unit)}, of {longest[1]}.",
        )
    else:
        yield Check("fine", "No series has a gap between its first and its last sales.")
    if of.returns:
        share = f", {of.returned / of.sales:.2%} of sales" if of.sales > 0 else ""
        yield Check(
            "told",
            f"Below zero: {of.returns:,} of {rows}; {of.returned:,.0f} came back"
            f"{share}. They are kept as they are; no model learns from a period that is not "
            "positive.",
        )
    if of.zeros:
        yield Check("told", f"Zero: {of.zeros:,} of {rows}.")
    if of.begun or of.ended:
        yield Check(
            "told",
            f"Series that begin after {of.first}: {of.begun:,}; that end before {of.last}: "
            f"{of.ended:,}.",
        )


def _of_outliers(outlying: int, of: Shape) -> Iterator[Check]:
    if outlying:
        yield Check(
            "told",
            f"Far from what their series sells around them, and others sell then: {outlying:,} of "
            f"{counted(of.rows, 'row')} ({outlying / of.rows:.2%}).",
        )


def _of_covariate(of: Covariate) -> Iterator[Check]:
    if of.known < 1:
        yield Check("told", f"{of.name} is known of {of.known:.1%} of the rows of sales.")
    if of.known > 0 and of.least == of.most:
        empty = "" if of.known == 1 else " An empty cell is not known: if it means 0, write 0."
        yield Check(
            "told", f"{of.name} is {numeral(of.least)} throughout: it tells nothing.{empty}"
        )

"""Shifts that are planted into a history, and how soon the rules find them.

Takes a walk, gives weeks until each is found. A shift is planted into the sales, and the model is
asked and refitted again on the shifted ones, as it adapts: forecasts that were made before would
flatter the rules. Intervals stay as they were measured without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

import numpy as np
import pandas as pd

from sales_forecast.data.forecasts.week_ahead import WeekAhead
from sales_forecast.data.panel import Array
from sales_forecast.operations.monitoring import rules
from sales_forecast.operations.monitoring.errors import Errors, errors_of
from sales_forecast.operations.monitoring.walk import Part, Walk, mapped, raw, said

WEEKS: Final = 8
"""So long a shift may take to be found."""
SOON: Final = 4
LOST: Final = 99
"""Weeks of a shift that was not found."""
STARTS, STARTS_OF_MANY = 8, 3
"""At so many weeks shifts begin; of panels with many series, where each costs minutes, fewer."""
MANY_SERIES: Final = 1_000
_WIDER = np.sqrt(3.0)
"""Noise of so many deviations of the errors doubles them."""


@dataclass(frozen=True)
class Shift:
    """What is planted: a factor on sales of some subject, found by one rule."""

    name: str
    rule: str
    size: float


SHIFTS: Final = (
    Shift("chain_5", "chain", 0.05),
    Shift("chain_10", "chain", 0.10),
    Shift("group_20", "group", 0.20),
    Shift("series_20", "series", 0.20),
    Shift("coverage_loss", "coverage", 0.0),
)


@dataclass(frozen=True)
class Found:
    """How soon shifts of a kind were found; `median_weeks` is None where most were not.

    Attributes:
        within_4: share of them.
        plants: how many there were.
    """

    median_weeks: float | None
    within_4: float
    within_8: float
    plants: int


@dataclass(frozen=True)
class _Planted:
    shift: Shift
    start: int
    """The first period that is shifted."""
    up: bool
    subject: str
    sales: Array


def weeks_to_find(of: Walk, errors: Errors, progress: Callable[[str], None]) -> Mapping[str, Found]:
    """Return name of a shift -> how soon it is found; those that no rule here may find are left.

    `errors`: of the walk as it was.
    """
    planted = [each for each in _plants(of, errors) if _part(of, each).can_be_judged]
    parts = [_part(of, each) for each in planted]
    tables = mapped(said, parts, "planting shifts", progress)
    weeks: dict[str, list[int]] = {}
    for each, table in zip(planted, tables, strict=True):
        weeks.setdefault(each.shift.name, []).append(_found(of, each, table))
    return {name: _summary(found) for name, found in weeks.items()}


def _part(of: Walk, planted: _Planted) -> Part:
    panel, stop = replace(of.panel, y=planted.sales), planted.start + WEEKS * of.week
    return Part(panel, of.forecaster, of.refit_before(planted.start), stop)


def _plants(of: Walk, errors: Errors) -> Iterator[_Planted]:
    kinds = {signal.rule.name: signal.subjects for signal in errors.signals()}
    first = of.first + rules.WARM_UP * of.week
    last = of.end - WEEKS * of.week
    n = STARTS_OF_MANY if of.panel.n_series >= MANY_SERIES else STARTS
    weeks = np.unique(np.linspace(first - of.first, last - of.first, n).astype(np.int64) // of.week)
    starts = of.first + weeks * of.week
    for number, start in enumerate(starts.tolist()):
        for shift in SHIFTS:
            if shift.rule not in kinds:
                continue
            subject = kinds[shift.rule][7 * number % len(kinds[shift.rule])]
            ways = (True,) if shift.rule == "coverage" else (True, False)
            for up in ways:
                sales = _shifted(of, errors, shift, start, subject, up=up)
                yield _Planted(shift, start, up, subject, sales)


def _shifted(
    of: Walk, errors: Errors, shift: Shift, start: int, subject: str, *, up: bool
) -> Array:
    y = of.panel.y.copy()
    ahead = slice(start, None)
    if shift.rule == "coverage":
        sound = (y > 0) & (of.raw > 0)
        before = np.log(np.divide(y, of.raw, where=sound, out=np.ones_like(y)))
        width = np.std(np.clip(before[:, of.first : start], -1, 1), axis=1, keepdims=True)
        noise = np.random.default_rng(start).standard_normal(y[:, ahead].shape)
        y[:, ahead] *= np.exp(_WIDER * width * noise)
        return y
    rows = {
        "chain": np.arange(len(y)),
        "group": errors.groups.get(subject, np.arange(0)),
        "series": np.array([of.panel.positions.get(subject, 0)]),
    }[shift.rule]
    y[rows, ahead] *= 1 + (shift.size if up else -shift.size)
    return y


def _found(of: Walk, planted: _Planted, table: pd.DataFrame) -> int:
    """Return in which week after its start a shift is found, 1 the first; `LOST` if in none."""
    stop = planted.start + WEEKS * of.week
    panel = replace(of.panel, y=planted.sales).until(of.panel.periods[stop - 1])
    again = raw(of.panel, table, of.forecaster.name)
    moved = np.ones_like(again)
    ahead = slice(planted.start, stop)
    sound = (of.raw[:, ahead] > 0) & ~np.isnan(again[:, ahead])
    moved[:, ahead] = np.divide(
        again[:, ahead], of.raw[:, ahead], where=sound, out=np.ones_like(again[:, ahead])
    )
    was = of.expected
    expected = WeekAhead(
        *((each * moved)[:, :stop] for each in (was.middle, was.low, was.high, was.mean))
    )
    errors = errors_of(panel, expected)
    signal = next(each for each in errors.signals() if each.rule.name == planted.shift.rule)
    sums = signal.sums(signal.standardised(errors))
    row = signal.subjects.index(planted.subject)
    over = ((sums.above if planted.up else sums.below) > sums.limit)[row, -WEEKS:]
    return int(np.argmax(over)) + 1 if over.any() else LOST


def _summary(weeks: Sequence[int]) -> Found:
    middle = median(weeks)
    return Found(
        median_weeks=middle if middle <= WEEKS else None,
        within_4=sum(each <= SOON for each in weeks) / len(weeks),
        within_8=sum(each <= WEEKS for each in weeks) / len(weeks),
        plants=len(weeks),
    )

"""What a day is worth knowing for: columns of its date and of what is planned, for a regression.

Takes a panel of days and a range of them, gives float32 columns by series and day. A plan of 0 and
1 counts by weekday, one of other numbers by its distance from what is usual of the series;
`Panel.open` by the neighbours that are closed against the rule. Must not read sales, nor a plan
after the range.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from sales_forecast.data.frequency import DAILY, DAYS_PER_PERIOD
from sales_forecast.data.panel import Array, Days, Panel
from sales_forecast.features.closures import closed_around
from sales_forecast.features.date_columns import date_columns, weekdays
from sales_forecast.features.planned_numbers import PlannedNumber

Floats = npt.NDArray[np.float32]

CONTEXT = 8 * DAYS_PER_PERIOD
"""Days before one that its columns may depend on."""
_OF_LATE = 8 * DAYS_PER_PERIOD


@dataclass(frozen=True, eq=False)
class PlanColumn:
    """What a plan was like in the past that it is judged by.

    Attributes:
        number: how its numbers are compared; None if it was 0 or 1 and nothing else.
        habit: float64[7], its mean by weekday, Monday first, of all series.
    """

    number: PlannedNumber | None
    habit: Array

    @classmethod
    def of(cls, values: Array, weekday: npt.NDArray[np.int64]) -> Self:
        """Look at float64[n_series, n_days]."""
        known = values[~np.isnan(values)]
        centre = float(known.mean()) if len(known) else 0.0
        by_day = [_mean(values[:, weekday == day].ravel(), 0) for day in range(DAYS_PER_PERIOD)]
        return cls(PlannedNumber.of(values, DAILY), np.where(np.isnan(by_day), centre, by_day))

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        """Return the column of a state."""
        number = state["number"]
        return cls(number and PlannedNumber(**number), state["habit"])

    def filled(
        self, values: Array, weekday: npt.NDArray[np.int64], own: Array | float = np.nan
    ) -> Array:
        """Return float64[n_series, n_days] without NaN; see `Design.plan`.

        `own`: habits of the series where they count, float64[n_series, 7], NaN where unknown.
        """
        of_day, habit = _mean(values, 0), np.where(np.isnan(own), self.habit, own)
        expected = np.where(np.isnan(of_day), habit[..., weekday], of_day)
        flag = self.number is None
        return np.where(np.isnan(values), np.round(expected) if flag else expected, values)


@dataclass(frozen=True, eq=False)
class Design:
    """How days become columns, as the past of one panel has it.

    Attributes:
        first: the day that the plan of a panel begins with.
        columns: by the names of the plans.
        season: whether a year was seen, so that the time of the year tells something.
        turning: whether it does of each weekday, which two years tell from weekdays that changed
            for good; not in a bundle from before that was looked at.
        growing: for how many days it goes on growing as it did: 0 if less than two years were
            seen, which do not tell growth from the time of the year; else a year beyond them.
        open: the plan by which a series sells or does not.
        cycle: after how many weeks what no plan holds comes again; 0 if nothing does.
    """

    first: np.datetime64
    columns: Mapping[str, PlanColumn]
    season: bool
    turning: bool
    growing: int
    open: str | None
    cycle: int = 0

    @cached_property
    def state(self) -> Mapping[str, Any]:
        """All that it knows, as plain values and arrays."""
        columns = {name: asdict(column) for name, column in self.columns.items()}
        first = str(self.first.astype("datetime64[D]"))
        return {
            "first": first,
            "columns": columns,
            "season": self.season,
            "turning": self.turning,
            "growing": self.growing,
            "open": self.open,
            "cycle": self.cycle,
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        """Return the design of a state."""
        columns = {name: PlanColumn.restore(column) for name, column in state["columns"].items()}
        return cls(
            np.datetime64(state["first"]),
            columns,
            state["season"],
            state.get("turning", False),
            state["growing"],
            state["open"],
            state.get("cycle", 0),
        )

    @classmethod
    def of(cls, panel: Panel) -> Self:
        """Look at all days of a panel, and at no plan beyond them."""
        weekday = weekdays(panel.periods)
        columns = {
            name: PlanColumn.of(_widened(values, 0, panel.n_periods), weekday)
            for name, values in panel.plan.items()
        }
        n, a_year = panel.n_periods, panel.frequency.season
        growing = n + a_year if n >= 2 * a_year else 0
        known = n >= a_year, n >= 2 * a_year
        return cls(panel.periods[0], columns, *known, growing, panel.open)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of all columns, in order; those of the date come first, the level before all."""
        week = self.first + np.arange(DAYS_PER_PERIOD)
        plan = {name: np.zeros((1, len(week))) for name in self.columns}
        return (*self._dates(week), *self.plan_columns(week, plan))

    def _dates(self, days: Days) -> dict[str, Array]:
        """Return float64[n] by name: what dates say, and for how long sales have grown."""
        found = date_columns(days, season=self.season, turning=self.turning)
        if self.growing:
            since = (days - self.first).astype(int)
            found["growth"] = np.minimum(since, self.growing) / DAILY.season
        place = (days - self.first).astype(int) % (DAYS_PER_PERIOD * max(self.cycle, 1))
        found |= {f"cycle_{day}": place == day for day in range(DAYS_PER_PERIOD * self.cycle)}
        return found

    def plan(self, panel: Panel, days: Days) -> dict[str, Array]:
        """Return what is planned for days in a row, float64[n_series, n] by name.

        A series of which nothing is said does what most do on that day; on a day of which nothing
        is said, all do what is usual on its weekday, and each is open as it was of late. Of numbers
        see `PlannedNumber.expected`.
        """
        start, weekday = int((days[0] - self.first).astype(int)), weekdays(days)
        found = {}
        for name, column in self.columns.items():
            values, own = panel.plan[name], np.full((panel.n_series, 1), np.nan)
            if name == self.open:
                own = _of_late(_widened(values, 0, panel.n_periods), weekdays(panel.periods))
            if column.number is not None:
                of_series = column.number.usual(values[:, : panel.n_periods])[:, None]
                values = column.number.expected(_widened(values, 0, start + len(days)), DAILY)
                values = np.where(np.isnan(values), of_series, values)
            found[name] = column.filled(_widened(values, start, start + len(days)), weekday, own)
        return found

    def plan_columns(self, days: Days, plan: Mapping[str, Array]) -> dict[str, Array]:
        """Return float64[n_series, n] by name: what a plan says, the days around included.

        `plan`: flags, and how far numbers are from what is usual.
        """
        weekday = weekdays(days)
        found: dict[str, Array] = {}
        for number, (name, values) in enumerate(plan.items()):
            column = self.columns[name]
            unique = f"{number} {name}"  # of no date, and of no other plan
            if name == self.open:
                found |= closed_around(1 - values, column.habit, weekday)
            else:
                found[unique] = values
                by_day = range(1, DAYS_PER_PERIOD) if column.number is None else ()
                found |= {f"{unique} {day}": values * (weekday == day) for day in by_day}
        return found

    def matrix(self, panel: Panel, days: Days) -> Callable[[slice], Floats]:
        """Return what gives float32[n_series, n_columns, n] of some series and days in a row.

        For all series at once it would be a quarter of a gigabyte.
        """
        dates, plan = self._dates(days), self.plan(panel, days)
        for name, column in self.columns.items():
            if column.number is not None:
                of_series = column.number.usual(panel.plan[name][:, : panel.n_periods])
                plan[name] = np.nan_to_num(column.number.away(plan[name], of_series))

        def of(some: slice) -> Floats:
            columns = dates | self.plan_columns(days, {n: v[some] for n, v in plan.items()})
            n_series = len(panel.series[some])
            X = np.empty((n_series, len(self.names), len(days)), np.float32)
            for position, name in enumerate(self.names):
                X[:, position] = columns[name]
            return X

        return of


def _of_late(opened: Array, weekday: npt.NDArray[np.int64]) -> Array:
    """Return float64[n_series, 7]: how often each was open in the eight weeks to its last open day.

    The days since may be a closure that ends.
    """
    day = np.arange(opened.shape[1])
    last = np.where(opened == 1, day, -1).max(axis=1, initial=-1)[:, None]
    late = np.where((day > last - _OF_LATE) & (day <= last), opened, np.nan)
    return np.stack([_mean(late[:, weekday == one], 1) for one in range(DAYS_PER_PERIOD)], axis=1)


def _mean(values: Array, axis: int) -> Array:
    """Return the mean of what is known, NaN where nothing is."""
    count = (~np.isnan(values)).sum(axis)
    return np.where(count > 0, np.nansum(values, axis) / np.maximum(count, 1), np.nan)


def _widened(values: Array, start: int, stop: int) -> Array:
    """Return columns start..stop-1, NaN before the first and after the last there is."""
    inside = values[:, max(start, 0) : max(stop, 0)]
    before = min(max(-start, 0), stop - start)
    after = stop - start - before - inside.shape[1]
    return np.pad(inside, ((0, 0), (before, after)), constant_values=np.nan)

"""Days that callers name, as periods of a panel.

Takes a panel, gives for a day the end of its period and its number, counted from the first. Must
not know sales.
"""

from __future__ import annotations

from datetime import date, timedelta

from sales_forecast.data.calendar import week_ending
from sales_forecast.data.frequency import DAILY
from sales_forecast.data.panel import Panel
from sales_forecast.data.spec import PanelSpec
from sales_forecast.errors import InvalidRequest


def week_of(day: date, weekday: int, name: str) -> date:
    """Return the end of the week of a day, Monday being 0; `name`: of the field that says it.

    Raises InvalidRequest at the end of time.
    """
    try:
        return week_ending(day, weekday)
    except OverflowError:
        raise InvalidRequest(
            f"{name} {day} is in a week that ends after {date.max}.", {name: str(day)}
        ) from None


class Calendar:
    """The periods of one panel."""

    def __init__(self, panel: Panel, spec: PanelSpec) -> None:
        self._daily = spec.frequency == DAILY
        self._column = spec.date
        self._first = panel.first
        self._days = panel.frequency.days

    def place(self, day: date) -> tuple[date, int]:
        """Return the end of the period that contains a day, and its number, at least 1.

        Raises InvalidRequest for a day before the second known period, or at the end of time.
        """
        ending = day if self._daily else week_of(day, self._first.weekday(), self._column)
        period = (ending - self._first).days // self._days
        if period < 1:
            raise InvalidRequest(self._too_early(day, ending), {self._column: str(day)})
        return ending, period

    def called(self, ending: date) -> str:
        """Return a period in words."""
        return f"{'day' if self._daily else 'week ending'} {ending}"

    def _too_early(self, day: date, ending: date) -> str:
        earliest = self._first + timedelta(days=self._days)
        if self._daily:
            return f"{self._column} {day} is too early: the earliest to be answered is {earliest}."
        return (
            f"{self._column} {day} is in the week ending {ending}; the earliest week that can be "
            f"answered ends {earliest}, one after the first known."
        )

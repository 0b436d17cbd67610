"""What is special about a period: holidays, promotions, and which period a year before is like it.

Takes a panel and some of its series, gives words and places. Must not know sales.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from sales_forecast.data import calendar
from sales_forecast.data.frequency import WEEKLY
from sales_forecast.data.panel import Array
from sales_forecast.service.predictor import Predictor

_EVENTS: Mapping[str, Callable[[int], date]] = {
    "Super Bowl": calendar.super_bowl,
    "Easter": calendar.easter,
    "Labor Day": calendar.labor_day,
    "Thanksgiving": calendar.thanksgiving,
    "Christmas": calendar.christmas,
}
"""Those that layouts of our own are made for; the holidays of others may be of any country."""
_ANYWHERE = ("Easter", "Christmas")
_HALF = 0.5


class Marks:
    """What is special about the periods of some series."""

    def __init__(self, predictor: Predictor, rows: npt.NDArray[np.intp]) -> None:
        panel, spec = predictor.panel, predictor.spec
        self._first = panel.first
        self._frequency = panel.frequency
        ours = not spec.is_own
        names = [*_EVENTS] if panel.frequency == WEEKLY else [*_ANYWHERE]
        self._events = {name: _EVENTS[name] for name in names} if ours else {}
        called = {of.name: of.column for of in (*spec.past, *spec.future)}
        plans = {
            called.get(name, name).replace("_", " "): _shares(values[rows])
            for name, values in panel.plan.items()
            # Of what is never 0, such as a price, no period is special.
            if name != spec.open and (values <= 0).any()
        }
        holidays = panel.holidays[rows].mean(axis=0) if panel.holiday in panel.conditions else None
        self._plans = plans
        self._holidays = holidays if not self._events else None

    def of(self, place: int) -> list[str]:
        """Return what is special about the period at a place of the panel, or after it."""
        end = self._end(place)
        said = [name for name, event in self._events.items() if self._within(event, end)]
        if self._holidays is not None and place < len(self._holidays):
            said += ["Holiday"] * bool(self._holidays[place] >= _HALF)
        return said + [
            name for name, of in self._plans.items() if place < len(of) and of[place] >= _HALF
        ]

    def year_before(self, place: int) -> int:
        """Return the place of the period that compares with one: of the same event, or season."""
        end = self._end(place)
        for event in self._events.values():
            if day := self._within(event, end):
                ago = event(day.year - 1)
                return -((self._first - ago).days // self._frequency.days)
        return place - self._frequency.season

    def _end(self, place: int) -> date:
        return self._first + timedelta(days=place * self._frequency.days)

    def _within(self, event: Callable[[int], date], end: date) -> date | None:
        """Return the day of an event within the period that ends on a day."""
        first = end - timedelta(days=self._frequency.days - 1)
        days = {event(year) for year in (first.year, end.year)}
        return next((day for day in days if first <= day <= end), None)


def _shares(plan: Array) -> Array:
    """Return of how many series, as a part of one, something is planned; float64[n_planned]."""
    shares: Array = (np.nan_to_num(plan) > 0).mean(axis=0)
    return shares

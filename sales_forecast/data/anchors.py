"""What the date of a week is in files: its last day or its first.

Takes dates and what was said of them, gives the last days of weeks, or a sentence that asks which
of the two they are. Must not guess: weeks that are six days off cost accuracy, and nobody sees it.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from sales_forecast.data.calendar import DAYS_PER_WEEK, FRIDAY, SATURDAY, Days
from sales_forecast.data.frequency import WEEKLY
from sales_forecast.data.spec import PanelSpec, WeekDates

LAST_DAYS, LAST_DAYS_OF_OWN = (FRIDAY,), (FRIDAY, SATURDAY)
"""Weekdays that nobody need say are last days: in our layouts, and in those of one's own."""
_LONGEST_MONTH = 31
_TO_LAST_DAY = DAYS_PER_WEEK - 1


def last_days(weeks: Days, dates: WeekDates | None) -> Days:
    """Return the last days of weeks by the dates that name them, datetime64[D][n] both."""
    return weeks + np.timedelta64(_TO_LAST_DAY, "D") if dates == "first" else weeks


def doubts(spec: PanelSpec, last: date) -> tuple[str, ...]:
    """Say what is doubtful of stored weeks, by the `last` day of one of them."""
    usual = LAST_DAYS_OF_OWN if spec.is_own else LAST_DAYS
    if spec.frequency != WEEKLY or spec.dates or last.weekday() in usual:
        return ()
    until = last + timedelta(_TO_LAST_DAY)
    question = (
        f"The stored weeks end on a {last:%A} ({last}), and no file said that it is the last day"
    )
    first = (
        f"if it is the first ({last} to {until}), load them with --dates first into a new database"
    )
    return (f"{question}: {first}; if it is the last, load them again with --dates last.",)


def by_months(dates: Days) -> bool:
    """Tell whether all are of one day of their months, or all the last one, and no month lacks."""
    unlike = np.unique(dates)
    near = (np.diff(unlike) <= np.timedelta64(_LONGEST_MONTH, "D")).all()
    return bool(near) and any(
        len({day.day for day in (unlike + later).tolist()}) == 1 for later in (0, 1)
    )

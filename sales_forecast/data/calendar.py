"""The retail calendar: from dates to weeks, and from weeks to counts of event days.

Takes dates, gives dates and counts; pure functions, no data files, no state.
It is the only module that knows a holiday. An event enters a week as the number
of its days that fall into that week, never as a flag: Christmas moves through
the weekdays, and a flag cannot say how many shopping days a week has left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

Days = npt.NDArray[np.datetime64]
Array = npt.NDArray[np.float64]

DAYS_PER_WEEK = 7
MONDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY = 0, 3, 4, 5, 6
_DAYS_PER_YEAR = 365.2425
_DAYS_PER_MONTH = _DAYS_PER_YEAR / 12
_FIRST_SUPER_BOWL_ON_SECOND_SUNDAY = 2022


def nth_weekday(year: int, month: int, weekday: int, n: int) -> date:
    """Return the n-th (from 1) given weekday (Monday is 0) of a month."""
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))


def easter(year: int) -> date:
    """Return Easter Sunday of a Gregorian year (the anonymous computus, Nature 1876)."""
    golden, century, rest = year % 19, year // 100, year % 100
    epact_shift = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + century - century // 4 - epact_shift + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (rest // 4) - epact - rest % 4) % 7
    late = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * late + 114, 31)
    return date(year, month, day + 1)


def super_bowl(year: int) -> date:
    """Return the Sunday of the Super Bowl: the first of February, since 2022 the second."""
    return nth_weekday(year, 2, SUNDAY, 2 if year >= _FIRST_SUPER_BOWL_ON_SECOND_SUNDAY else 1)


def memorial_day(year: int) -> date:
    """Return the last Monday of May."""
    return nth_weekday(year, 6, MONDAY, 1) - timedelta(days=DAYS_PER_WEEK)


def labor_day(year: int) -> date:
    """Return the first Monday of September."""
    return nth_weekday(year, 9, MONDAY, 1)


def thanksgiving(year: int) -> date:
    """Return the fourth Thursday of November."""
    return nth_weekday(year, 11, THURSDAY, 4)


def christmas(year: int) -> date:
    """Return 25 December."""
    return date(year, 12, 25)


@dataclass(frozen=True)
class EventWindow:
    """A stretch of days around a yearly event, e.g. the 4 days before Christmas."""

    name: str
    anchor: Callable[[int], date]
    first: int  # days from the anchor, negative before it
    last: int  # inclusive


# The days after an event are windows too: what was bought for it is not bought then.
LARGE_EVENTS = (
    EventWindow("days_12_18_before_christmas", christmas, -18, -12),
    EventWindow("days_5_11_before_christmas", christmas, -11, -5),
    EventWindow("days_1_4_before_christmas", christmas, -4, -1),
    EventWindow("days_after_christmas", christmas, 0, 6),
    EventWindow("days_before_thanksgiving", thanksgiving, -4, 0),
    EventWindow("days_from_black_friday", thanksgiving, 1, 3),
)
"""Those that move a week by tens of percent."""
SMALL_EVENTS = (
    EventWindow("days_before_easter", easter, -7, 0),
    EventWindow("days_after_easter", easter, 1, 4),
    EventWindow("days_before_super_bowl", super_bowl, -4, 0),
    EventWindow("days_after_super_bowl", super_bowl, 1, 4),
    EventWindow("days_before_memorial_day", memorial_day, -4, 0),
    EventWindow("days_after_memorial_day", memorial_day, 1, 4),
    EventWindow("days_before_labor_day", labor_day, -4, 0),
    EventWindow("days_after_labor_day", labor_day, 1, 4),
)
"""Those that move it by some percent."""
EVENT_WINDOWS = (*LARGE_EVENTS, *SMALL_EVENTS)
EVENT_NAMES = tuple(window.name for window in EVENT_WINDOWS)
HOLIDAYS = (super_bowl, labor_day, thanksgiving, christmas)


def week_ending(day: date, weekday: int = FRIDAY) -> date:
    """Return the day that ends the week containing `day`.

    Raises OverflowError for a day of the year 9999 whose week has no end.
    """
    return day + timedelta(days=(weekday - day.weekday()) % 7)


def _years(periods: Days) -> list[int]:
    """Every year an event of which can reach into one of the weeks (never all between)."""
    years = np.unique(periods.astype("datetime64[Y]").astype(int) + 1970)
    near = {int(year) + shift for year in years for shift in (-1, 0, 1)}
    return sorted(near & set(range(1, 10_000)))


def _days_inside(periods: Days, anchors: Days, first: int, last: int) -> Array:
    """Count the days of each week (ending on `periods`) inside [anchor + first, anchor + last]."""
    ends = periods.astype(np.int64)[:, None]
    since = anchors.astype(np.int64)[None, :]
    overlap = np.minimum(ends, since + last) - np.maximum(ends - DAYS_PER_WEEK + 1, since + first)
    return np.maximum(overlap + 1, 0).sum(axis=1).astype(np.float64)


def _anchors(event: Callable[[int], date], years: list[int]) -> Days:
    return np.array([event(year) for year in years], dtype="datetime64[D]")


def event_days(periods: Days, windows: Sequence[EventWindow] = EVENT_WINDOWS) -> Array:
    """Count event days per week.

    `periods`: datetime64[D][n], the last day of each week.
    Returns float64[n, len(windows)], each 0..7.
    """
    periods = np.asarray(periods, dtype="datetime64[D]")
    if periods.size == 0:
        return np.zeros((0, len(windows)))
    years = _years(periods)
    return np.stack(
        [_days_inside(periods, _anchors(w.anchor, years), w.first, w.last) for w in windows],
        axis=1,
    )


def holiday_flags(periods: Days) -> Array:
    """Return float64[n]: 1 for a week that holds one of `HOLIDAYS`, else 0."""
    periods = np.asarray(periods, dtype="datetime64[D]")
    years = _years(periods)
    days = [_days_inside(periods, _anchors(holiday, years), 0, 0) for holiday in HOLIDAYS]
    return np.minimum(np.sum(days, axis=0), 1.0)


def _harmonics(days: Array, length: float, orders: int) -> Array:
    angles = 2 * np.pi * days[..., None] * np.arange(1, orders + 1) / length
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)


def season_harmonics(periods: Days, orders: int) -> Array:
    """Return float64[n, 2 * orders]: sines and cosines of the middle of the week in its year."""
    periods = np.asarray(periods, dtype="datetime64[D]")
    middle = periods.astype(np.float64) - (DAYS_PER_WEEK - 1) / 2
    return _harmonics(middle, _DAYS_PER_YEAR, orders)


def month_harmonics(periods: Days, orders: int) -> Array:
    """Return float64[n, 2 * orders]: sines and cosines of the day of month, mean over the week."""
    week = np.arange(DAYS_PER_WEEK) * np.timedelta64(1, "D")
    days = np.asarray(periods, dtype="datetime64[D]")[:, None] - week
    day_of_month = (days - days.astype("datetime64[M]").astype("datetime64[D]")).astype(np.float64)
    return _harmonics(day_of_month, _DAYS_PER_MONTH, orders).mean(axis=1)

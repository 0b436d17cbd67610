"""What the date of a day alone says, as columns of a regression.

Takes days, gives numbers by name. Must not know a plan or sales.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from sales_forecast.data.calendar import christmas, easter
from sales_forecast.data.frequency import DAYS_PER_PERIOD
from sales_forecast.data.panel import Array, Days

_DAYS_PER_YEAR, _DAYS_PER_MONTH = 365.2425, 365.2425 / 12
_SEASON_ORDERS, _MONTH_ORDERS = 4, 5
_SUMMER = 180  # until this day of the year the last Christmas is nearer than the next


def date_columns(days: Days, *, season: bool = True, turning: bool = True) -> dict[str, Array]:
    """Return float64[n] by name: what the dates alone say.

    `season`: whether the time of the year is told, which less than a year of days cannot teach;
    `turning`: whether that of each weekday is, as where weekends sell more in summer.
    """
    months, years = days.astype("datetime64[M]"), days.astype("datetime64[Y]")
    of_month = (days - months.astype("datetime64[D]")).astype(float)
    left = ((months + np.timedelta64(1, "M")).astype("datetime64[D]") - days).astype(int)
    of_year = (days - years.astype("datetime64[D]")).astype(float)
    year = years.astype(np.int64) + 1970
    weekday = weekdays(days)
    to_easter, to_christmas = (
        (days - np.array([event(one) for one in of.tolist()], days.dtype)).astype(float)
        for event, of in ((easter, year), (christmas, year - (of_year <= _SUMMER)))
    )
    a_year = of_year / _DAYS_PER_YEAR
    parts: dict[str, Mapping[str, Array]] = {
        "week": {f"{day}": weekday == day for day in range(1, 7)},
        "month": _harmonics(of_month / _DAYS_PER_MONTH, _MONTH_ORDERS)
        | {f"last{day}": left == day for day in (1, 2, 3)}
        | {f"first{day}": of_month == day for day in (0, 1)},
        "season": _harmonics(a_year, _SEASON_ORDERS if season else 0),
        "turning": {
            f"{day}_{name}": (weekday == day) * wave
            for name, wave in _harmonics(a_year, int(turning)).items()
            for day in range(1, 7)
        },
        # Bumps instead of a flag a day: a day before Christmas that was a Sunday is not missed.
        "christmas": _bumps(to_christmas, (-29, -22, -15, -8, -5, -2, -1))
        | {f"eve{day:+d}": to_christmas == day for day in (-1, 6)}
        | _bumps(to_christmas, (1, 2, 5, 6))
        | _bumps(to_christmas, (7, 8, 19)),
        "easter": _bumps(to_easter, (-14, -8, -4, -3))
        | {f"day{day:+d}": to_easter == day for day in (-3, -1, 0)}
        | _bumps(to_easter, (1, 2, 8)),
        # Where carnival is kept shops shut at noon: it is the coefficients of a series that tell.
        "carnival": {f"{day}": to_easter == day for day in (-52, -48, -47)},
    }
    named = {f"{part}_{k}": v for part, columns in parts.items() for k, v in columns.items()}
    return {"level": np.ones(len(days))} | named


def _bumps(x: Array, knots: tuple[int, ...]) -> dict[str, Array]:
    """Return a piecewise linear bump for every knot but the first and last, which are 0."""
    rows = np.eye(len(knots))[1:-1]
    bumps = zip(knots[1:-1], rows, strict=True)
    return {f"{knot:+d}": np.interp(x, knots, row) for knot, row in bumps}


def _harmonics(x: Array, orders: int) -> dict[str, Array]:
    angles = {order: 2 * np.pi * order * x for order in range(1, orders + 1)}
    waves = {"sin": np.sin, "cos": np.cos}
    return {
        f"{name}{k}": wave(angle) for k, angle in angles.items() for name, wave in waves.items()
    }


def weekdays(days: Days) -> npt.NDArray[np.int64]:
    """Return int64[n], 0 for Monday: the first day that numpy counts from was a Thursday."""
    weekdays: npt.NDArray[np.int64] = (days.astype(np.int64) + 3) % DAYS_PER_PERIOD
    return weekdays

"""What the closed days around a day say of it: columns for a regression of daily sales.

Takes which days are closed, gives columns by series and day. A day before a Sunday is like any
other Saturday; one before a closed Monday is not.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sales_forecast.data.frequency import DAYS_PER_PERIOD
from sales_forecast.data.panel import Array

_LONG_CLOSURE = 10
_NEAR_CLOSURE = (3, 14, 42)


def closed_around(shut: Array, habit: Array, weekday: npt.NDArray[np.int64]) -> dict[str, Array]:
    """Return columns, float64[n_series, n_days]: closed days around that break the rule of a week.

    `shut`: float64[n_series, n_days], 1 where closed. `habit`: float64[7], how often a weekday is
    open. `weekday`: of the days, Monday is 0.
    """
    rule = np.round(1 - habit)

    def usual(away: int) -> Array:
        return np.take(rule, (weekday + away) % DAYS_PER_PERIOD)

    tomorrow, in_two, yesterday, two_ago = (_shift(shut, away) for away in (1, 2, -1, -2))
    return {
        "closed_tomorrow": tomorrow * (1 - usual(1)),
        "open_tomorrow": (1 - tomorrow) * usual(1),
        "closed_two_ahead": tomorrow * in_two,
        "closed_in_two": in_two * (1 - tomorrow) * (1 - usual(2)),
        "closed_yesterday": yesterday * (1 - usual(-1)),
        "open_yesterday": (1 - yesterday) * usual(-1),
        "closed_two_behind": yesterday * two_ago,
        "closed_two_ago": two_ago * (1 - yesterday) * (1 - usual(-2)),
        **_long_closures(shut),
    }


def _shift(values: Array, days: int) -> Array:
    """Return values of `days` later (negative: before); beyond the ends weeks repeat."""
    n_days = values.shape[1]
    there = np.arange(n_days) + days
    there += DAYS_PER_PERIOD * ((there < 0).astype(int) - (there >= n_days))
    return values[:, np.clip(there, 0, n_days - 1)]


def _before(flags: Array, days: int) -> Array:
    """Return how many of the `days` days before each have the flag."""
    total = np.pad(np.cumsum(flags, axis=1), ((0, 0), (days + 1, 0)))[:, :-1]
    return total[:, days:] - total[:, :-days]


def _long_closures(shut: Array) -> dict[str, Array]:
    """Return whether a long closure ended, or will begin, within some days of an open day."""
    found = {}
    for name, way in {"reopened": 1, "closing": -1}.items():
        closed = shut[:, ::way]
        inside = closed * (_before(closed, _LONG_CLOSURE) == _LONG_CLOSURE)
        for days in _NEAR_CLOSURE:
            near = (1 - closed) * (_before(inside, days) > 0)
            found[f"{name}_{days}"] = near[:, ::way]
    return found

"""How much is known of a series: a year, less, or nothing. Each strays in its own way.

Takes a panel, gives numbers of weeks and of ages. Must not know sales but whether they are known.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sales_forecast.data.frequency import SEASON_LENGTH
from sales_forecast.data.panel import Panel

Weeks = npt.NDArray[np.int16]
Ages = npt.NDArray[np.int8]
OLD, YOUNG, NEW = AGES = ("a year known", "less than a year known", "nothing known")
"""What a series can be at the origin of a forecast; see `age_numbers`."""


def weeks_known_then(panel: Panel) -> Weeks:
    """Return int16[n_series, n_periods]: in how many weeks sales were known by each period.

    A week counts from the first of its days of which sales are known.
    """
    a_week = panel.frequency.a_week
    known = np.pad(~np.isnan(panel.y), ((0, 0), (0, -panel.n_periods % a_week)))
    by_then = np.logical_or.accumulate(known.reshape(panel.n_series, -1, a_week), axis=2)
    before = by_then[:, :, -1].cumsum(axis=1, dtype=np.int16) - by_then[:, :, -1]
    weeks: Weeks = (before[:, :, None] + by_then).reshape(known.shape)
    return weeks[:, : panel.n_periods]


def weeks_known(panel: Panel) -> Weeks:
    """Return int16[n_series]: in how many weeks sales of each series are known, if of one day."""
    return weeks_known_then(panel)[:, -1]


def age_numbers(weeks: Weeks) -> Ages:
    """Return int8, the place in `AGES` of series of which so many weeks are known."""
    numbers: Ages = np.where(weeks >= SEASON_LENGTH, 0, np.where(weeks > 0, 1, 2)).astype(np.int8)
    return numbers

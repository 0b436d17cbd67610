"""What of sales is known, and when: gaps, zeros, returns, beginnings and ends.

Takes a panel, gives counts. Must not judge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from sales_forecast.data.frequency import SEASON_LENGTH
from sales_forecast.data.gaps import Gap, gaps
from sales_forecast.data.panel import Array, Panel


@dataclass(frozen=True)
class Shape:
    """Counts of a panel; `rows` are the (series, period) of which sales are known.

    Attributes:
        unit: what a period is called.
        zeros: rows without sales.
        returns: rows of less than nothing: more came back than was sold.
        returned: what came back on these, in units of sales.
        missing: periods between the first and the last row of a series that have none.
        gaps: series -> its gaps; only series that have any.
        begun: series whose first row is after the first period.
        ended: series whose last row is before the last period.
        empty: series without any sales.
        newest: series that have a row in the last period.
    """

    unit: str
    series: int
    first: date
    last: date
    periods: int
    rows: int
    sales: float
    zeros: int
    returns: int
    returned: float
    missing: int
    gaps: Mapping[str, tuple[Gap, ...]]
    begun: int
    ended: int
    empty: int
    newest: int


def shape(panel: Panel) -> Shape:
    """Count."""
    y, known = panel.y, ~np.isnan(panel.y)
    found = gaps(panel)
    # A day that is closed by plan is neither before the beginning nor after the end.
    known_or_shut = known | shut(panel)
    some = known_or_shut.any(axis=1)
    first = np.where(some, known_or_shut.argmax(axis=1), 0)
    last = np.where(
        some, panel.n_periods - 1 - known_or_shut[:, ::-1].argmax(axis=1), panel.n_periods - 1
    )
    return Shape(
        unit=panel.frequency.unit,
        series=panel.n_series,
        first=panel.first,
        last=panel.last,
        periods=panel.n_periods,
        rows=int(known.sum()),
        sales=float(np.nansum(y)),
        zeros=int((y == 0).sum()),
        returns=int((y < 0).sum()),
        returned=float(-y[y < 0].sum()),
        missing=sum(gap.periods for of in found.values() for gap in of),
        gaps=found,
        begun=int((first > 0).sum()),
        ended=int((last < panel.n_periods - 1).sum()),
        empty=int((np.nansum(np.maximum(y, 0), axis=1) == 0).sum()),
        newest=int(known[:, -1].sum()),
    )


@dataclass(frozen=True)
class Weeks:
    """What whole weeks sold: days go up and down too fast for a picture.

    Attributes:
        ends: the last days of the weeks, as texts.
        total, before: float64[n_weeks], all sales, and those of the same week a year before.
        selling: how many series have a row in the week.
    """

    ends: Sequence[str]
    total: Array
    before: Array
    selling: Sequence[int]


def weeks(panel: Panel) -> Weeks:
    """Add up the whole weeks of a panel, the last one ending with it."""
    a_week = panel.frequency.a_week
    start = panel.n_periods % a_week
    y = panel.y[:, start:].reshape(panel.n_series, -1, a_week)
    known = ~np.isnan(y)
    total = np.where(known.any(axis=(0, 2)), np.nansum(y, axis=(0, 2)), np.nan)
    before = np.full_like(total, np.nan)
    before[SEASON_LENGTH:] = total[:-SEASON_LENGTH]
    return Weeks(
        panel.periods[start + a_week - 1 :: a_week].astype(str).tolist(),
        total,
        before,
        known.any(axis=2).sum(axis=0).tolist(),
    )


def shut(panel: Panel) -> npt.NDArray[np.bool_]:
    """Return bool[n_series, n_periods]: closed by plan, so that nothing is missing."""
    if not panel.open:
        return np.zeros(panel.y.shape, dtype=np.bool_)
    return panel.plan[panel.open][:, : panel.n_periods] == 0

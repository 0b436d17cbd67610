"""What of sales is known, and when: gaps, zeros, returns, beginnings and ends.

Takes a panel, gives counts. Must not judge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

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
    shut = panel.plan[panel.open][:, : panel.n_periods] == 0 if panel.open else ~known & known
    known_or_shut = known | shut
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


def totals(panel: Panel) -> tuple[Array, Array]:
    """Return float64[n_periods] twice: all sales, and those of the same period a year before."""
    known = ~np.isnan(panel.y)
    total = np.where(known.any(axis=0), np.nansum(panel.y, axis=0), np.nan)
    before = np.full_like(total, np.nan)
    before[panel.frequency.season :] = total[: -panel.frequency.season]
    return total, before

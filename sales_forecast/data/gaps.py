"""Periods that are missing between the first and the last known one of a series.

Takes a panel, gives ranges. Must not judge: a store that opened late or closed has no gap, and a
day that is closed by plan is no gap either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from sales_forecast.data.panel import Panel


@dataclass(frozen=True)
class Gap:
    """Periods missing in a row: the ends of the first and of the last of them."""

    first: date
    last: date
    periods: int


def gaps(panel: Panel) -> Mapping[str, tuple[Gap, ...]]:
    """Return the gaps, in order of time, of every series that has any."""
    found = {name: _gaps(panel, row) for row, name in enumerate(panel.series)}
    return {name: ranges for name, ranges in found.items() if ranges}


def _gaps(panel: Panel, row: int) -> tuple[Gap, ...]:
    sold = ~np.isnan(panel.y[row])
    if (opens := panel.open) and sold.any():
        first, last = np.flatnonzero(sold)[[0, -1]]
        closed = panel.plan[opens][row, first:last] == 0
        sold[first : first + len(closed)] |= closed
    known = np.flatnonzero(sold)
    before = np.flatnonzero(np.diff(known) > 1)
    ranges = zip(known[before] + 1, known[before + 1] - 1, strict=True)
    return tuple(
        Gap(panel.periods[first].item(), panel.periods[last].item(), int(last - first) + 1)
        for first, last in ranges
    )

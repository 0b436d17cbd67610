"""What must be said of the forecast of a series: what it stands on, where that is not much.

Takes a history, gives sentences. Must not know models or scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from sales_forecast.data.frequency import SEASON_LENGTH
from sales_forecast.data.panel import Panel
from sales_forecast.models import cold_start
from sales_forecast.models.ages import weeks_known

_LONG_AGO = 13
"""A series that sold nothing for so many weeks may have ended."""
_MOST_NAMED = 5


def cautions(panel: Panel) -> Mapping[str, str]:
    """Return name of a series -> what its forecast stands on, where that is not much."""
    peers, weeks = cold_start.peers(panel), weeks_known(panel)
    sold = panel.y > 0
    ended = ~np.any(sold[:, -panel.frequency.periods(_LONG_AGO) :], axis=1)
    said = {}
    for row in np.flatnonzero((weeks < SEASON_LENGTH) | ended).tolist():
        if row in peers:
            share = f"{cold_start.beginners_share(panel):.0%}"
            said[row] = (
                f"Nothing is known of it: expected to sell {share} of what its like do, "
                f"{_named(panel, peers[row])}."
            )
        elif not sold[row].any():
            of = "had returns alone" if (panel.y[row] < 0).any() else "never sold anything"
            said[row] = f"It {of}: expected to go on so."
        else:
            last = panel.periods[sold[row]][-1] if ended[row] else None
            said[row] = " ".join(_of_little(int(weeks[row]), last))
    return {panel.series[row]: text for row, text in said.items()}


def of_intervals(steps: int, measured: int | None, unit: str) -> Iterator[str]:
    """Say of a forecast of so many steps that its intervals were measured on fewer.

    `measured`: None where it has no intervals.
    """
    if measured is not None and steps > measured:
        reach = f"{measured} {unit}" if measured == 1 else f"{measured} {unit}s"
        yield f"Beyond {reach} ahead the interval is extrapolated: no backtest reached further."


def _of_little(weeks: int, last: np.datetime64 | None) -> Iterator[str]:
    if weeks < SEASON_LENGTH:
        known = "1 week of its sales is" if weeks == 1 else f"{weeks} weeks of its sales are"
        yield f"Only {known} known, too few to tell its season."
    if last is not None:
        yield f"No sales since {last}: it may have ended."


def _named(panel: Panel, rows: npt.NDArray[np.intp]) -> str:
    if len(rows) > _MOST_NAMED:
        return f"{len(rows)} series"
    return ", ".join(panel.series[row] for row in rows)

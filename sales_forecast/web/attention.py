"""What to look at first: series that did what nobody expected, and forecasts that moved.

Takes a history and what was forecast of it, gives notices, the most money first. Must not know
HTML, and reads nothing but what is handed in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

import numpy as np

from sales_forecast.data.forecasts.former_forecasts import FormerForecasts
from sales_forecast.data.frequency import counted
from sales_forecast.data.panel import Panel
from sales_forecast.web.rendering import day, money

Kind = Literal["outside", "moved", "ended", "began"]
KINDS: Mapping[Kind, str] = {
    "outside": "Left its interval",
    "moved": "Forecast moved",
    "ended": "May have ended",
    "began": "Began",
}
MOVED_WEEKS, _SILENT_WEEKS, _BEGAN_WEEKS, _BEFORE_WEEKS = 4, 4, 8, 26
"""Weeks: that are compared, without sales, since the first ones, and in which it sold before."""
_A_WEEK = timedelta(weeks=1)
_MOST = 200
_HALF = 0.5
_LEAST_MOVED = 0.02
"""Of a forecast; less is no news."""


@dataclass(frozen=True)
class Notice:
    """Something about one series; `amount` in units of sales, by which notices are ordered."""

    kind: Kind
    row: int
    amount: float
    sentence: str


def notices(panel: Panel, former: FormerForecasts) -> list[Notice]:
    """Return what needs attention, the most money first.

    Raises DatabaseError, NotReady.
    """
    found = [*_of_history(panel), *_of_forecasts(panel, former)]
    found.sort(key=lambda of: -of.amount)
    return found[:_MOST]


def _of_history(panel: Panel) -> Iterator[Notice]:
    """Yield series that sold nothing lately, and those that have only just begun."""
    periods = panel.frequency.periods
    silent, before = periods(_SILENT_WEEKS), periods(_BEFORE_WEEKS)
    sold = panel.y > 0
    lately = sold[:, -silent:].any(axis=1)
    usual = panel.y[:, -silent - before : -silent]
    often = (usual > 0).mean(axis=1) if usual.shape[1] else np.zeros(panel.n_series)
    a_week = panel.frequency.a_week
    for row in np.flatnonzero(~lately & (often >= _HALF)).tolist():
        mean = float(np.nan_to_num(usual[row]).mean()) * a_week
        last = panel.periods[np.flatnonzero(sold[row])[-1]].item()
        yield Notice(
            "ended",
            row,
            mean * _SILENT_WEEKS,
            f"No sales since {day(last)}; before, it sold {money(mean)} a week.",
        )
    first = np.where(sold.any(axis=1), sold.argmax(axis=1), panel.n_periods)
    began = panel.n_periods - periods(_BEGAN_WEEKS)
    for row in np.flatnonzero((first >= began) & (first < panel.n_periods) & (began > 0)).tolist():
        whole = float(np.nan_to_num(panel.y[row, first[row] :]).sum())
        since = panel.periods[first[row]].item()
        yield Notice("began", row, whole, f"First sales {day(since)}; {money(whole)} since.")


def _of_forecasts(panel: Panel, former: FormerForecasts) -> Iterator[Notice]:
    issues = former.origins(1 + 2 * panel.frequency.a_week)
    origins = [*issues]
    known = [origin for origin in origins if origin < panel.last]
    if known:
        yield from _outside(panel, former, issues[known[0]], panel.last)
    if len(origins) > 1:
        newest = origins[0]
        other = next((of for of in origins if newest - of >= _A_WEEK), origins[-1])
        yield from _moved(panel, former, issues[newest], (other, issues[other]))


def _outside(panel: Panel, former: FormerForecasts, issue: int, target: date) -> Iterator[Notice]:
    said = former.cells(panel, [issue], [target]).get((issue, target))
    if said is None:
        return
    y, low, high, least = panel.y[:, -1], said["lower_80"], said["upper_80"], _least(panel)
    for rows, edge, word in ((y < low, low, "less"), (y > high, high, "more")):
        for row in np.flatnonzero(rows).tolist():
            beyond = abs(float(y[row] - edge[row]))
            if round(beyond, 2) >= least:
                yield Notice(
                    "outside",
                    row,
                    beyond,
                    f"Sold {money(y[row])}, {money(beyond)} {word} than the interval of 80% "
                    f"({money(low[row])} to {money(high[row])}).",
                )


def _least(panel: Panel) -> float:
    """Return what sales can differ by at least: a piece, or a cent where they are no pieces."""
    known = panel.y[~np.isnan(panel.y)]
    return 1.0 if (known == np.round(known)).all() else 0.01


def _moved(
    panel: Panel, former: FormerForecasts, issue: int, other: tuple[date, int]
) -> Iterator[Notice]:
    """Yield series of which two issues differ in what both say of the weeks after the last one."""
    since, before = other
    ends = panel.after(panel.frequency.periods(MOVED_WEEKS)).tolist()
    cells = former.cells(panel, [issue, before], ends)
    both = [end for end in ends if (issue, end) in cells and (before, end) in cells]
    if not both:
        return
    said = np.array([[cells[of, end]["sales"] for end in both] for of in (issue, before)])
    now, then = np.where(np.isnan(said).any(axis=0), 0.0, said).sum(axis=1)
    apart = now - then
    weeks, days = divmod(len(both), panel.frequency.a_week)
    number, unit = (len(both), "day") if days else (weeks, "week")
    ahead, least = unit if number == 1 else counted(number, unit), _least(panel)
    for row in np.flatnonzero(np.abs(apart) > _LEAST_MOVED * np.abs(then)).tolist():
        if then[row] and round(abs(apart[row]), 2) >= least:
            yield Notice(
                "moved",
                row,
                abs(float(apart[row])),
                f"The next {ahead}: {money(now[row])}, which is "
                f"{apart[row] / abs(then[row]):+.1%} against the forecast after {day(since)}.",
            )

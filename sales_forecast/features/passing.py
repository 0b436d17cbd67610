"""What passed: weeks of a shutdown, a rush or a renovation, of which nothing is to be learned.

Takes a panel, gives it without the sales of such weeks. They are far from the same weeks of the
years beside them and from the weeks around, all in one direction, and over: sales went on as
before. What goes on still, what comes each year and what was planned stays. numpy only, so that
the service can run it. Must not know models.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from sales_forecast.data.panel import Array, Panel
from sales_forecast.features.tables import blocks, by_weeks, medians

Flags = npt.NDArray[np.bool_]

_LEAST, _NOISES = 0.4, 5.0
"""How far sales must be from usual, as a logarithm, and in standard deviations of a week."""
_FEWEST, _MOST = 3, 13
"""Weeks that pass; one or two are accidents, which models draw in by themselves."""
_ROUNDS = 3
"""To find all of them: until some are, they stand among what is usual."""
_AROUND, _AFTER = 13, 3
"""Weeks on each side by which the usual is known, and how many must be usual again."""
_FEWEST_OF_A_CHAIN = 5
"""Series; what all of them did is told from what one did."""
_OFTEN = 2
"""What happens more often than so is business as usual: promotions that nobody wrote down."""
_PLANNED = 0.1
"""A plan so much other than in the weeks around explains what was sold."""
_NOISE_OF_MAD = 1.4826 / 2**0.5
"""The standard deviation of a week by the median absolute deviation of a change of two."""
_BLOCK = 4096
_NOTHING = 0.02
"""What is sold at least, in parts of the median: nothing has no logarithm."""


def usual(panel: Panel) -> Panel:
    """Return a panel in which sales of weeks that passed are unknown; itself if there are none."""
    found: Panel | None = vars(panel).get("_usual")
    if found is None:
        y = _usual_sales(panel.past)
        found = panel if y is panel.y else replace(panel, y=y)
        vars(found)["_usual"] = vars(panel)["_usual"] = found
    return found


def _usual_sales(past: Panel) -> Array:
    """Return `y` without what passed; itself if nothing has.

    Remembered with the past of a panel, which all share that differ in what is yet to come.
    """
    found: Array | None = vars(past).get("_usual_sales")
    if found is None:
        a_week = past.frequency.a_week
        passed = np.repeat(_passed(past), a_week, axis=1)[:, -past.n_periods % a_week :]
        passed &= ~np.isnan(past.y)
        found = np.where(passed, np.nan, past.y) if passed.any() else past.y
        vars(past)["_usual_sales"] = found
    return found


def told(panel: Panel) -> tuple[str, ...]:
    """Return a sentence about what is left out, if anything is."""
    left_out = ~np.isnan(panel.y) & np.isnan(usual(panel).y)
    if not left_out.any():
        return ()
    at, series = panel.periods[left_out.any(axis=0)], left_out.any(axis=1).sum()
    what = f"{left_out.sum():,} {panel.frequency.unit}s of {series:,} series"
    why = "their sales were far from usual, and are as before since"
    return (f"Nothing is learned from {what} between {at[0]} and {at[-1]}: {why}.",)


def _passed(panel: Panel) -> Flags:
    """Return bool[n_series, n_weeks], of weeks that end where the panel ends."""
    a_week = panel.frequency.a_week
    n, year = -(-panel.n_periods // a_week), panel.frequency.season // a_week
    found = np.zeros((panel.n_series, n), bool)
    if n < year + _FEWEST + _AFTER:
        return found
    sums, known = np.zeros(n), np.zeros(n)
    for block in blocks(panel.n_series, _BLOCK):
        logs = _logs(_weekly(panel, panel.y[block]))
        found[block] = _returned(logs, year)
        sums += np.nan_to_num(np.clip(logs, -1, 1)).sum(axis=0)
        known += (~np.isnan(logs)).sum(axis=0)
    if panel.n_series >= _FEWEST_OF_A_CHAIN:
        chain = np.where(known > 0, sums / np.maximum(known, 1), np.nan)
        found |= _returned(chain[None, :], year)
    some = np.flatnonzero(found.any(axis=1))
    if len(some):
        found[some] &= ~_is_planned(panel, some)
    return found


def _returned(logs: Array, year: int) -> Flags:
    """Return bool[n_rows, n_weeks]: where logs left what is usual, and came back."""
    moved = logs[:, year:] - logs[:, :-year]
    beyond = moved - medians(moved)[:, None]
    noise = _NOISE_OF_MAD * medians(np.abs(beyond))[:, None]
    bar = np.maximum(_LEAST, _NOISES * noise)
    found: Flags = np.zeros(logs.shape, bool)
    rows = np.flatnonzero((np.abs(beyond) > bar).sum(axis=1) >= _FEWEST)
    found[rows] = _over(logs[rows], moved[rows], bar[rows])
    return found


def _over(logs: Array, moved: Array, bar: Array) -> Flags:
    """Return what `_returned` does. `moved`: the change of a year, from its end on."""
    unknown = np.full((len(logs), logs.shape[1] - moved.shape[1]), np.nan)
    since, until = np.hstack([unknown, moved]), np.hstack([-moved, unknown])
    far = np.zeros((2, *logs.shape), bool)
    for _ in range(_ROUNDS):
        apart = far[0] | far[1]  # which says nothing of what is usual around it
        around, before, after = (_beyond(of, apart) for of in (logs, since, until))
        # A year that is not known agrees with the other.
        before = np.where(np.isnan(before), after, before)
        after = np.where(np.isnan(after), before, after)
        for of, sign in zip(far, (-1, 1), strict=True):
            of[:] = (np.minimum(sign * before, sign * after) > bar) & (sign * around > _LEAST)
    return _runs(far[0]) | _runs(far[1])


def _runs(far: Flags) -> Flags:
    """Return bool[n_rows, n_weeks]: what is far in few weeks in a row, once or twice in all."""
    n = far.shape[1]
    padded = np.pad(far, ((0, 0), (1, 1)))
    row, start = np.nonzero(padded[:, 1:-1] & ~padded[:, :-2])
    _, last = np.nonzero(padded[:, 1:-1] & ~padded[:, 2:])
    length = last - start + 1
    long = length >= _FEWEST
    over = (length <= _MOST) & (last + _AFTER < n)
    seldom = np.bincount(row[long], minlength=len(far)) <= _OFTEN
    found = np.zeros(far.shape, bool)
    for at in np.flatnonzero(long & over & seldom[row]):
        found[row[at], start[at] : last[at] + 1] = True
    return found


def _is_planned(panel: Panel, rows: npt.NDArray[np.intp]) -> Flags:
    """Return bool[n_rows, n_weeks]: what was planned otherwise than in the weeks around."""
    n, by_calendar = panel.n_periods, panel.spec.by_calendar if panel.spec else None
    planned: Flags = np.zeros((len(rows), -(-n // panel.frequency.a_week)), bool)
    for name, values in panel.plan.items():
        if name != by_calendar:
            known = values[rows, :n]
            missing = ((0, 0), (0, n - known.shape[1]))
            weeks = _weekly(panel, np.pad(known, missing, constant_values=np.nan))
            planned |= np.abs(_beyond(weeks)) > _PLANNED * np.abs(weeks)
    return planned


def _beyond(table: Array, apart: Flags | None = None) -> Array:
    """Return a table less the median of the weeks around each that are not apart."""
    known = table if apart is None else np.where(apart, np.nan, table)
    known = np.pad(known, ((0, 0), (_AROUND, _AROUND)), constant_values=np.nan)
    return table - medians(sliding_window_view(known, 2 * _AROUND + 1, axis=1))


def _weekly(panel: Panel, values: Array) -> Array:
    """Return float64[n_series, n_weeks]: means of what is known of a week; the first may be cut."""
    whole = by_weeks(values, panel.frequency.a_week, np.nan)
    known = ~np.isnan(whole)
    n = known.sum(axis=2)
    sums: Array = np.where(known, whole, 0.0).sum(axis=2)
    return np.where(n > 0, sums / np.maximum(n, 1), np.nan)


def _logs(weeks: Array) -> Array:
    """Return log sales beside their median; of nothing, that of the least that counts."""
    middle = medians(weeks)[:, None]
    middle = np.where(middle > 0, middle, np.nan)
    return np.log(np.maximum(weeks / middle, _NOTHING))

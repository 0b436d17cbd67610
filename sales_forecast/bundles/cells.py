"""The sales that a bundle was trained on: a draw of their cells, and how many a panel still has.

Takes panels, gives what a bundle keeps of one, and numbers. Must not decide what follows from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np

from sales_forecast.bundles.states import State
from sales_forecast.data.panel import Panel

_MOST = 4096
"""Of so many cells drawn a share is told to a percent (two standard errors); they take 50 KB."""
_SEED = 1
_ALIKE = 0.01
"""How far sales may be corrected and still be taken for the same."""


class Found(NamedTuple):
    """What a panel has of the cells that a bundle was trained on."""

    asked: int
    """Those of periods that the panel has reached; all, where it has reached none."""
    held: int
    """Those of them with sales."""
    changed: int
    """Those of these that differ by more than 1%."""


def drawn(panel: Panel) -> State:
    """Return what a bundle keeps: the same cells of equal panels, all where there are few."""
    known = np.flatnonzero(~np.isnan(panel.y))
    if len(known) > _MOST:
        known = np.random.default_rng(_SEED).choice(known, _MOST, replace=False, shuffle=False)
    series, period = np.divmod(np.sort(known), panel.n_periods)
    return {
        "series": series.astype(np.int32),
        "period": period.astype(np.int32),
        "sales": panel.y[series, period].astype(np.float32),
    }


def found(cells: State, series: Sequence[str], first: date, panel: Panel) -> Found:
    """Return what a panel has of drawn cells; `series`, `first`: those of the panel they are of."""
    rows = np.array([panel.positions.get(name, -1) for name in series])[cells["series"]]
    days = np.datetime64(first, "D") + panel.frequency.days * cells["period"]
    reached = days <= panel.periods[-1]
    places = np.minimum(np.searchsorted(panel.periods, days), panel.n_periods - 1)
    there = (rows >= 0) & (panel.periods[places] == days)
    sales = np.where(there, panel.y[rows, places], np.nan)
    held = ~np.isnan(sales)
    alike = np.isclose(sales, cells["sales"], rtol=_ALIKE)
    return Found(
        asked=int(reached.sum()) or len(days),
        held=int(held.sum()),
        changed=int((held & ~alike).sum()),
    )

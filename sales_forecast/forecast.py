"""Forecasts of the weeks, or days, after the last known one.

Takes a panel and forecasters, gives one long table, and what must be said of each series. Must not
know scores or files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from sales_forecast.backtest import Progress
from sales_forecast.daily_features import Design
from sales_forecast.forecasters import cold_start
from sales_forecast.forecasters.base import Forecaster, weeks_sold
from sales_forecast.forecasters.once import fit_once
from sales_forecast.panel import OPEN, SEASON_LENGTH, Panel

_LONG_AGO = 13
"""A series that sold nothing for so many weeks may have ended."""
_MOST_NAMED = 5


def ahead(
    panel: Panel, forecasters: Sequence[Forecaster], horizon: int, progress: Progress
) -> pd.DataFrame:
    """Return what forecasters expect of all series, in units of sales.

    One row per series and step: `unique_id`, `cutoff` (the last known day), `ds`, `step`, and one
    column a model, fitted to all of the panel. Days that are closed by plan, or where there is no
    plan by habit, sell 0. Raises NotEnoughData.
    """
    columns: dict[str, object] = {
        "unique_id": np.repeat(panel.series, horizon),
        "cutoff": panel.periods[-1],
        "ds": np.tile(panel.after(horizon), panel.n_series),
        "step": np.tile(np.arange(1, horizon + 1), panel.n_series),
    }
    closed = _closed(panel, horizon)
    for forecaster in forecasters:
        progress(f"fitting {forecaster.name} on all {panel.frequency.unit}s")
        prediction = fit_once(forecaster, panel).predict(panel, horizon)
        sales = np.where(closed, 0.0, cold_start.for_all(prediction, panel))
        columns[forecaster.name] = sales.ravel()
    return pd.DataFrame(columns)


def warnings(panel: Panel) -> Mapping[str, str]:
    """Return name of a series -> what its forecast stands on, where that is not much."""
    peers, weeks = cold_start.peers(panel), weeks_sold(panel)
    ended = np.nanmax(panel.y[:, -panel.frequency.periods(_LONG_AGO) :], axis=1, initial=0.0) <= 0
    said = {}
    for row in np.flatnonzero((weeks < SEASON_LENGTH) | ended).tolist():
        if row in peers:
            like = _named(panel, peers[row])
            said[row] = f"Nothing is known of it: expected to sell what its like do, {like}."
        elif weeks[row] == 0:
            said[row] = "It never sold anything: answered by its last known value."
        else:
            said[row] = " ".join(_of_little(panel, row, int(weeks[row]), ended=ended[row]))
    return {panel.series[row]: text for row, text in said.items()}


def _of_little(panel: Panel, row: int, weeks: int, *, ended: bool) -> Iterator[str]:
    if weeks < SEASON_LENGTH:
        yield f"Only {weeks} weeks of sales are known: it strays further, as its interval says."
    if ended:
        yield f"No sales since {panel.periods[panel.y[row] > 0][-1]}: it may have ended."


def _named(panel: Panel, rows: npt.NDArray[np.intp]) -> str:
    if len(rows) > _MOST_NAMED:
        return f"{len(rows)} series"
    return ", ".join(panel.series[row] for row in rows)


def _closed(panel: Panel, horizon: int) -> npt.NDArray[np.bool_]:
    """Return bool[n_series, horizon]: by plan, or by habit where there is none."""
    if OPEN not in panel.plan:
        return np.zeros((panel.n_series, horizon), dtype=bool)
    plan = Design.of(panel).plan(panel, panel.after(horizon))
    shut: npt.NDArray[np.bool_] = plan[OPEN] == 0
    return shut

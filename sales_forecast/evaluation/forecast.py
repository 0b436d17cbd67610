"""Forecasts of the weeks, or days, after the last known one.

Takes a panel and forecasters, gives one long table, and what must be said of each series. Must not
know scores or files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from sales_forecast.data.panel import DAILY, OPEN, SEASON_LENGTH, Panel
from sales_forecast.evaluation.backtest import Progress, window_keys
from sales_forecast.evaluation.scoring import weeks_known
from sales_forecast.features.daily_design import Design
from sales_forecast.models import cold_start
from sales_forecast.models.base import Forecaster
from sales_forecast.models.fit_cache import fit_once

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
    columns = window_keys(panel, horizon)
    closed = _closed(panel, horizon)
    for forecaster in forecasters:
        progress(f"fitting {forecaster.name} on all {panel.frequency.unit}s")
        prediction = fit_once(forecaster, panel).predict(panel, horizon)
        sales = np.where(closed, 0.0, cold_start.for_all(prediction, panel))
        columns[forecaster.name] = sales.ravel()
    return pd.DataFrame(columns)


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
            said[row] = "It never sold anything: expected to go on so."
        else:
            last = panel.periods[sold[row]][-1] if ended[row] else None
            said[row] = " ".join(_of_little(int(weeks[row]), last))
    return {panel.series[row]: text for row, text in said.items()}


def _of_little(weeks: int, last: np.datetime64 | None) -> Iterator[str]:
    if weeks < SEASON_LENGTH:
        known = "1 week of its sales is" if weeks == 1 else f"{weeks} weeks of its sales are"
        yield f"Only {known} known: it strays further than others."
    if last is not None:
        yield f"No sales since {last}: it may have ended."


def _named(panel: Panel, rows: npt.NDArray[np.intp]) -> str:
    if len(rows) > _MOST_NAMED:
        return f"{len(rows)} series"
    return ", ".join(panel.series[row] for row in rows)


def _closed(panel: Panel, horizon: int) -> npt.NDArray[np.bool_]:
    """Return bool[n_series, horizon]: days closed by plan, or by habit where there is none."""
    if panel.frequency != DAILY or OPEN not in panel.plan:
        return np.zeros((panel.n_series, horizon), dtype=bool)
    plan = Design.of(panel).plan(panel, panel.after(horizon))
    shut: npt.NDArray[np.bool_] = plan[OPEN] == 0
    return shut

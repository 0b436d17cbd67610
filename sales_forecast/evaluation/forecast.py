"""Forecasts of the weeks, or days, after the last known one, as a table.

Takes a panel and forecasters, gives one long table. Must not know scores or files.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from sales_forecast.data.panel import Panel
from sales_forecast.evaluation.backtest import Progress, expected_columns, window_keys
from sales_forecast.models.base import Forecaster
from sales_forecast.models.fit_cache import fit_once
from sales_forecast.prediction.forecast import forecast


def ahead(
    panel: Panel, forecasters: Sequence[Forecaster], horizon: int, progress: Progress
) -> pd.DataFrame:
    """Return what forecasters expect of all series, in units of sales.

    One row per series and step: `unique_id`, `cutoff` (the last known day), `ds`, `step`, and
    `backtest.expected_columns` of models fitted to all of the panel. Raises NotEnoughData.
    """
    fitted = {}
    for forecaster in forecasters:
        progress(f"fitting {forecaster.name} on all {panel.frequency.unit}s")
        fitted[forecaster.name] = fit_once(forecaster, panel)
    progress("forecasting")
    said = forecast(fitted, panel, horizon)
    return pd.DataFrame({**window_keys(panel, horizon), **expected_columns(said)})

"""Backtests and forecasts with all that stands beside a model: means, intervals.

Takes a panel and forecasters, gives one long table. What `train.py` judges and what it hands out.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from sales_forecast.data.panel import Panel
from sales_forecast.evaluation.backtest import Progress, backtest
from sales_forecast.evaluation.forecast import ahead
from sales_forecast.evaluation.protocols import RollingOrigin
from sales_forecast.evaluation.scoring import with_intervals, with_mean
from sales_forecast.models.base import Forecaster
from sales_forecast.models.names import MEAN_MODEL
from sales_forecast.models.trees import TREES

Tables = Mapping[str, pd.DataFrame]
"""Protocol -> long table with intervals."""


def score_models(
    panel: Panel, forecasters: tuple[Forecaster, ...], split: RollingOrigin, progress: Progress
) -> pd.DataFrame:
    """Backtest and add the mean of both trees (where they run) and all intervals."""
    return with_intervals(_with_mean(backtest(panel, forecasters, split, progress)), panel)


def forecast(
    panel: Panel,
    forecasters: tuple[Forecaster, ...],
    scored: pd.DataFrame,
    horizon: int,
    progress: Progress,
) -> pd.DataFrame:
    """Return what the same forecasters expect of the weeks, or days, after the last known one.

    As `forecast.ahead`, with the mean of both trees, and the intervals that a table of
    `score_models` of the same horizon measured.
    """
    table = _with_mean(ahead(panel, forecasters, horizon, progress))
    return with_intervals(table, panel, scored)


def _with_mean(table: pd.DataFrame) -> pd.DataFrame:
    both = [forecaster.name for forecaster in TREES]
    return with_mean(table, MEAN_MODEL, both) if set(both) <= set(table.columns) else table

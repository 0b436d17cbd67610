"""Backtests and forecasts with the intervals of every model.

Takes a panel and forecasters, gives one long table. What `train.py` judges and what it hands out.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from sales_forecast.data.panel import Panel
from sales_forecast.evaluation.backtest import Progress, backtest
from sales_forecast.evaluation.forecast import ahead
from sales_forecast.evaluation.protocols import RollingOrigin
from sales_forecast.evaluation.scoring import with_quantiles
from sales_forecast.models.base import Forecaster

Tables = Mapping[str, pd.DataFrame]
"""Protocol -> long table with intervals."""


def score_models(
    panel: Panel, forecasters: tuple[Forecaster, ...], split: RollingOrigin, progress: Progress
) -> pd.DataFrame:
    """Backtest and add all intervals."""
    return with_quantiles(backtest(panel, forecasters, split, progress), panel)


def forecast(
    panel: Panel,
    forecasters: tuple[Forecaster, ...],
    scored: pd.DataFrame,
    horizon: int,
    progress: Progress,
) -> pd.DataFrame:
    """Return what the same forecasters expect of the weeks, or days, after the last known one.

    As `forecast.ahead`, with the intervals that a table of `score_models` of the same horizon
    measured.
    """
    return with_quantiles(ahead(panel, forecasters, horizon, progress), panel, scored)

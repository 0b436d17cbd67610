"""Both protocols and the final fit: everything that learns.

Takes a panel, gives backtest tables and fitted models. Must not know bundles, MLflow or the
gate's consequences.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from sales_forecast.data.panel import Panel
from sales_forecast.errors import NotEnoughData
from sales_forecast.evaluation.backtest import Progress
from sales_forecast.evaluation.judged import Tables, score_models
from sales_forecast.evaluation.protocols import MIN_WEEKS, PROTOCOLS, RollingOrigin
from sales_forecast.models.arima import ARIMA, FittedArima
from sales_forecast.models.base import Forecaster
from sales_forecast.models.catalogue import ALL_FORECASTERS
from sales_forecast.models.naive import BASELINES
from sales_forecast.models.trees import RANDOM_FOREST, XGBOOST, FittedRegressor


@dataclass(frozen=True)
class Models:
    """The three models, fitted on all weeks."""

    random_forest: FittedRegressor
    xgboost: FittedRegressor
    arima: FittedArima
    panel: Panel
    """All that they were fitted to."""


def evaluate(panel: Panel, progress: Progress) -> Tables:
    """Run both protocols, with as many windows as the data holds.

    Data too short for the models is judged with the baselines alone; data too short for any
    window at all gives no tables.
    """
    tables = {}
    for name, split in PROTOCOLS.items():
        report = _within(name, progress)
        table = _try(panel, ALL_FORECASTERS, split.within(panel.n_periods - MIN_WEEKS), report)
        if table is None:
            table = _try(panel, BASELINES, split.within(panel.n_periods - 1), report)
        if table is not None:
            tables[name] = table
    return tables


def _try(
    panel: Panel,
    forecasters: tuple[Forecaster, ...],
    split: RollingOrigin | None,
    progress: Progress,
) -> pd.DataFrame | None:
    """Return the scored table, or None where the data is too short for these forecasters."""
    if split is None:
        return None
    try:
        return score_models(panel, forecasters, split, progress)
    except NotEnoughData:
        return None


def _within(protocol: str, progress: Progress) -> Progress:
    return lambda text: progress(f"{protocol.replace('_', ' ')}: {text}")


def fit_models(panel: Panel, progress: Progress) -> Models:
    """Fit the three models on all of a panel. Raises NotEnoughData."""
    progress("fitting random_forest on all weeks")
    random_forest = RANDOM_FOREST.fit(panel)
    progress("fitting xgboost on all weeks")
    xgboost = XGBOOST.fit(panel)
    progress("fitting arima on all weeks")
    return Models(random_forest, xgboost, ARIMA.fit(panel), panel)

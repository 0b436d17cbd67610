"""Both protocols and the final fit: everything that learns.

Takes a panel, gives backtest tables and fitted models. Must not know bundles, MLflow or the
gate's consequences.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from sales_forecast.backtest import MANY_STEPS, ONE_STEP, Progress, RollingOrigin, backtest
from sales_forecast.errors import NotEnoughData, SettingsError
from sales_forecast.forecast import ahead
from sales_forecast.forecasters.arima import ARIMA, FittedArima
from sales_forecast.forecasters.averages import AVERAGES
from sales_forecast.forecasters.base import Forecaster
from sales_forecast.forecasters.boosting import BOOSTED
from sales_forecast.forecasters.ensemble import MEMBERS, EnsembleForecaster
from sales_forecast.forecasters.ets import ETS
from sales_forecast.forecasters.naive import BASELINES
from sales_forecast.forecasters.ridge import RIDGE
from sales_forecast.forecasters.trees import RANDOM_FOREST, TREES, XGBOOST, FittedRegressor
from sales_forecast.gate import MANY_STEPS_NAME, MEAN_MODEL, ONE_STEP_NAME, Tables
from sales_forecast.panel import SEASON_LENGTH, Panel
from sales_forecast.scoring import with_intervals, with_mean


def with_members(*more: Forecaster) -> tuple[Forecaster, ...]:
    """Return all forecasters of a training, and `more` as further members of the ensemble."""
    members = (*MEMBERS, *more)
    return (*BASELINES, *AVERAGES, RIDGE, ETS, *members, EnsembleForecaster(members))


ALL_FORECASTERS = with_members()
PROTOCOLS: Mapping[str, RollingOrigin] = {ONE_STEP_NAME: ONE_STEP, MANY_STEPS_NAME: MANY_STEPS}
MIN_WEEKS = SEASON_LENGTH + 13
"""From so many weeks on models are judged: a year, and a quarter that tells it from another."""


@dataclass(frozen=True)
class Models:
    """The three models, fitted on all weeks."""

    random_forest: FittedRegressor
    xgboost: FittedRegressor
    arima: FittedArima
    panel: Panel
    """All that they were fitted to."""


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


def choose(names: str | None) -> tuple[Forecaster, ...]:
    """Return the baselines and the forecasters of a comma-separated list.

    None stands for all that a training judges; LightGBM and CatBoost are to be named, and are
    then members of the ensemble, if that is named too. The mean of both trees stands for both.
    Raises SettingsError naming what is unknown, or is not installed.
    """
    if names is None:
        return ALL_FORECASTERS
    wanted = {name.strip() for name in names.split(",")}
    known = {forecaster.name for forecaster in with_members(*BOOSTED)} | {MEAN_MODEL}
    if unknown := sorted(wanted - known):
        raise SettingsError(
            f"--models: unknown {', '.join(unknown)}. Known: {', '.join(sorted(known))}."
        )
    if MEAN_MODEL in wanted:
        wanted |= {forecaster.name for forecaster in TREES}
    boosted = [forecaster for forecaster in BOOSTED if forecaster.name in wanted]
    for forecaster in boosted:
        forecaster.make()  # what is not installed is refused now, not in the midst of the work
    return tuple(f for f in with_members(*boosted) if f in BASELINES or f.name in wanted)


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

"""Both protocols and the final fit: everything that learns.

Takes a panel, gives backtest tables and fitted models. Must not know bundles, MLflow or the
gate's consequences.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import cast

import pandas as pd

from sales_forecast.data.panel import Panel
from sales_forecast.errors import NotEnoughData
from sales_forecast.evaluation.backtest import Progress, backtest
from sales_forecast.evaluation.judged import Tables
from sales_forecast.evaluation.protocols import MIN_WEEKS, RollingOrigin
from sales_forecast.evaluation.scoring import with_quantiles
from sales_forecast.models.base import Forecaster, Storable
from sales_forecast.models.fit_cache import fit_once
from sales_forecast.models.naive import BASELINES
from sales_forecast.training.recipe import Recipe, is_stores

Models = Mapping[str, Storable]
"""Name -> model fitted to all of a panel."""


def evaluate(panel: Panel, progress: Progress, recipe: Recipe | None = None) -> Tables:
    """Run both protocols, with as many windows as the data holds.

    Data too short for all models is judged with those that learn from half of it, weekly stores,
    whose callers expect certain models, with the baselines alone; data too short for any window at
    all gives no tables. `recipe`: without one, that of the defaults.
    """
    tables = {}
    recipe = recipe or Recipe.of(panel)
    forecasters = recipe.forecasters
    for name, split in recipe.protocols.items():
        report = _within(name, progress)
        least = panel.frequency.periods(MIN_WEEKS)
        table = _try(panel, forecasters, split.within(panel.n_periods - least), report)
        if table is None and not is_stores(panel):
            half = split.within(panel.n_periods // 2)
            table = _try(panel, _that_learn(panel, forecasters, half, report), half, report)
        if table is None:
            table = _try(panel, BASELINES, split.within(panel.n_periods - 1), report)
        if table is not None:
            tables[name] = table
    progress("measuring the quantiles")
    if not tables:
        return {}
    measured = together(tables)
    return {name: with_quantiles(table, panel, measured) for name, table in tables.items()}


def together(tables: Tables) -> pd.DataFrame:
    """Return the rows of all protocols: what the quantiles of callers are measured on."""
    return pd.concat(tables.values(), ignore_index=True)


def _try(
    panel: Panel,
    forecasters: tuple[Forecaster, ...],
    split: RollingOrigin | None,
    progress: Progress,
) -> pd.DataFrame | None:
    """Return the table, or None where the data is too short for these forecasters."""
    if split is None:
        return None
    try:
        return backtest(panel, forecasters, split, progress)
    except NotEnoughData:
        return None


def _that_learn(
    panel: Panel, forecasters: tuple[Forecaster, ...], split: RollingOrigin | None, report: Progress
) -> tuple[Forecaster, ...]:
    """Return those that can learn from what the first window knows."""
    able: list[Forecaster] = []
    if split is not None:
        report("looking for models that need less history")
        first = panel.until(split.cutoffs(panel)[0])
        for forecaster in forecasters:
            with suppress(NotEnoughData):
                fit_once(forecaster, first)
                able.append(forecaster)
    return tuple(able)


def _within(protocol: str, progress: Progress) -> Progress:
    return lambda text: progress(f"{protocol.replace('_', ' ')}: {text}")


def fit_models(
    panel: Panel, names: Iterable[str], progress: Progress, recipe: Recipe | None = None
) -> Models:
    """Fit models of a recipe to all of a panel. Raises NotEnoughData."""
    recipe = recipe or Recipe.of(panel)
    known = {forecaster.name: forecaster for forecaster in recipe.forecasters}
    fitted: dict[str, Storable] = {}
    for name in dict.fromkeys(names):
        progress(f"fitting {name} on all {panel.frequency.unit}s")
        fitted[name] = cast("Storable", fit_once(known[name], panel))
    return fitted

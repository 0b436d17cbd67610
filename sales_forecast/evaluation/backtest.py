"""Rolling-origin backtest: what each model would have said, had it been asked then.

Takes a panel and forecasters, gives one long table. At every cutoff a model sees
`panel.until(cutoff)` and nothing else; what was sold afterwards is joined only when all
predictions are made. Conditions of the target week are given for a horizon of one week
only, as a caller of the API gives them; for more steps nobody could know them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from sales_forecast.data.panel import Array, Panel
from sales_forecast.errors import NotEnoughData
from sales_forecast.evaluation.protocols import RollingOrigin
from sales_forecast.models.base import FittedForecaster, Forecaster, weeks_of_sales
from sales_forecast.models.fit_cache import fit_once
from sales_forecast.prediction.forecast import Expected, forecast

REFIT_WEEKS = 4
"""As often as one trains at least: every month."""
KEY_COLUMNS = ["unique_id", "cutoff", "ds", "step", "y", "holiday"]
Progress = Callable[[str], None]


def backtest(
    panel: Panel,
    forecasters: Sequence[Forecaster],
    split: RollingOrigin,
    progress: Progress = lambda _: None,
) -> pd.DataFrame:
    """Backtest all forecasters on the same windows.

    Returns one row per series, cutoff and step with known sales: `KEY_COLUMNS`, then
    `expected_columns`. Models are refitted every `REFIT_WEEKS` weeks and always see the history
    up to the cutoff. Raises NotEnoughData when there are not enough weeks or nothing to judge.
    """
    cutoffs = split.cutoffs(panel)
    windows = []
    fitted: dict[str, FittedForecaster] = {}
    refit_at = cutoffs[0]
    for number, cutoff in enumerate(cutoffs, start=1):
        history = panel.until(cutoff)
        if cutoff >= refit_at:
            too_short: list[NotEnoughData] = []
            for forecaster in forecasters:
                progress(f"window {number} of {len(cutoffs)}: fitting {forecaster.name}")
                try:
                    fitted[forecaster.name] = fit_once(forecaster, history)
                except NotEnoughData as error:
                    too_short.append(error)
            if too_short:
                raise _and_what_works(panel, split, too_short, [*fitted])
            refit_at = cutoff + np.timedelta64(7 * REFIT_WEEKS, "D")
        progress(f"window {number} of {len(cutoffs)}: predicting")
        conditions = _conditions(panel, history, split.horizon) if split.horizon == 1 else None
        expected = forecast(fitted, history, split.horizon, conditions)
        windows.append(_window_table(panel, history, split.horizon, expected))
    table = pd.concat(windows, ignore_index=True)
    n_rows = sum(int(_following(panel, cutoff, split.horizon).sum()) for cutoff in cutoffs)
    if len(table) != n_rows:
        raise AssertionError(f"the backtest has {len(table)} rows, {n_rows} were to be predicted")
    # Before anything was sold there is nothing to be judged on: left out for all models.
    table = table.dropna(subset=[*fitted]).reset_index(drop=True)
    if table.empty:
        raise NotEnoughData(
            f"None of the {n_rows} {panel.frequency.unit}s in the windows has sales before it."
        )
    return table


def _and_what_works(
    panel: Panel, split: RollingOrigin, too_short: Sequence[NotEnoughData], able: Sequence[str]
) -> NotEnoughData:
    """Return the error of the model that needs most, with what could be asked for instead."""
    worst = max(too_short, key=lambda error: error.needed)

    def known(other: RollingOrigin) -> Panel:
        return panel.until(other.cutoffs(panel)[0])

    fewer = [replace(split, windows=n) for n in range(split.windows - 1, 0, -1)]
    nearer = [RollingOrigin(horizon, 1, 1) for horizon in range(split.horizon, 0, -1)]
    enough = (of for of in (*fewer, *nearer) if weeks_of_sales(known(of)).max() >= worst.needed)
    options = [f"--horizon {of.horizon} --windows {of.windows} --step {of.step}" for of in enough]
    models = [f"--models {','.join(able)}"] if able else []
    here = f"Of the {panel.n_periods} {panel.frequency.unit}s here, {known(split).n_periods}"
    first = f"are known before the first of {split.windows} windows"
    works = "; or ".join([*options[:1], *models]) or "nothing"
    return NotEnoughData(f"{worst.message} {here} {first}. This works: {works}.", worst.fields)


def _following(panel: Panel, cutoff: np.datetime64, horizon: int) -> Array:
    end = int((panel.periods <= cutoff).sum())
    return ~np.isnan(panel.y[:, end : end + horizon])


def _conditions(panel: Panel, history: Panel, horizon: int) -> Mapping[str, Array]:
    ahead = slice(history.n_periods, history.n_periods + horizon)
    return {name: values[:, ahead] for name, values in panel.conditions.items()}


def window_keys(history: Panel, horizon: int) -> dict[str, object]:
    """Return the first columns of a table of what comes after a history: one row a series and step.

    The last known day is the `cutoff`.
    """
    return {
        "unique_id": np.repeat(history.series, horizon),
        "cutoff": history.periods[-1],
        "ds": np.tile(history.after(horizon), history.n_series),
        "step": np.tile(np.arange(1, horizon + 1), history.n_series),
    }


def expected_columns(expected: Mapping[str, Expected]) -> dict[str, Array]:
    """Return what models expect as columns of a table, float64[n_series * horizon] each.

    `<model>`: sales if anything is sold; `<model>_chance`: of that, only where it may be nothing.
    """
    columns = {}
    for model, (if_sold, chance) in expected.items():
        columns[model] = if_sold.ravel()
        if (chance < 1).any():
            columns[f"{model}_chance"] = chance.ravel()
    return columns


def _window_table(
    panel: Panel, history: Panel, horizon: int, expected: Mapping[str, Expected]
) -> pd.DataFrame:
    end = history.n_periods
    y = panel.y[:, end : end + horizon]
    columns: dict[str, object] = {
        **window_keys(history, horizon),
        "y": y.ravel(),
        "holiday": panel.holidays[:, end : end + horizon].ravel(),
        **expected_columns(expected),
    }
    return pd.DataFrame(columns).dropna(subset=["y"])

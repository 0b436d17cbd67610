"""How far off sums of forecasts have been: intervals of stores, of chains, of all that adds up.

Takes backtest tables, gives intervals of every level of keys, measured on the sums themselves: what
series have in common does not cancel out. Must not know who answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from sales_forecast.data.panel import Array, Panel
from sales_forecast.evaluation.judged import Tables
from sales_forecast.models.intervals import LEVELS, IntervalFactors, Intervals, min_residuals
from sales_forecast.prediction.sums import level_name, levels, sum_name

_OF_A_SUM = ["sum", "cutoff", "ds", "step"]


def measured_sums(
    panel: Panel, tables: Tables, models: Iterable[str]
) -> Mapping[str, Mapping[str, Intervals]]:
    """Return model -> name of a level -> what was measured of its sums in all protocols together.

    Levels of too few sums for an interval of 80% are left out.
    """
    keys = [values.astype(str) for values in panel.keys.values()]
    found: dict[str, dict[str, Intervals]] = {}
    for model in dict.fromkeys(models):
        judged = [table for table in tables.values() if model in table.columns]
        found[model] = {}
        for places in levels(len(keys)) if judged else ():
            names, codes = _names([keys[place] for place in places], panel.n_series)
            sums = pd.concat([_sums(panel, table, model, codes) for table in judged])
            if int((sums[model] > 0).sum()) >= min_residuals(LEVELS[0]):
                step = sums["step"].to_numpy()
                measured = Intervals.measured(
                    names[sums["sum"].to_numpy()],
                    step,
                    sums["y"].to_numpy(),
                    sums[model].to_numpy(),
                    int(step.max()),
                )
                found[model][level_name(places)] = _from_step_one(measured)
    return found


def _from_step_one(measured: Intervals) -> Intervals:
    """Promise of the first steps, of which too little was measured, what is of the next one.

    There are few sums: of a chain one a window and step. What is promised is too wide, if anything.
    """
    factors = {}
    for level, of in measured.factors.items():
        first = int(np.argmin(np.isnan(of.lower)))
        steps = np.maximum(np.arange(len(of.lower)), first)
        factors[level] = IntervalFactors(of.lower[steps], of.upper[steps])
    return replace(measured, factors=factors)


def _names(
    keys: Sequence[npt.NDArray[np.str_]], n_series: int
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.intp]]:
    """Return the names of sums by some keys, and which of them each series is part of."""
    of_series = list(zip(*keys, strict=True)) if keys else [()] * n_series
    number = {values: place for place, values in enumerate(dict.fromkeys(of_series))}
    names = np.array([sum_name([str(part) for part in values]) for values in number], dtype=object)
    return names, np.array([number[values] for values in of_series], dtype=np.intp)


def _sums(
    panel: Panel, table: pd.DataFrame, model: str, codes: npt.NDArray[np.intp]
) -> pd.DataFrame:
    """Add up what was sold and what was forecast, each series, window and step once."""
    rows = table["unique_id"].map(panel.positions).to_numpy()
    added: dict[str, Array] = {name: table[name].to_numpy() for name in ("y", model)}
    of_rows = table[_OF_A_SUM[1:]].assign(sum=codes[rows], **added)
    return of_rows.groupby(_OF_A_SUM, as_index=False, sort=False)[["y", model]].sum()

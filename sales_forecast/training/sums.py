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
from sales_forecast.models.asked import Forecasts
from sales_forecast.models.spread import Spread
from sales_forecast.prediction.sums import if_any_sold, level_name, levels, sum_name

_OF_A_SUM = ["sum", "cutoff", "ds", "step"]
_SALES = np.geomspace(0.01, 1000, 101)
"""Numbers of sales that are looked at as the usual one of a sum."""


def measured_sums(
    panel: Panel, tables: Tables, models: Iterable[str]
) -> Mapping[str, Mapping[str, Spread]]:
    """Return model -> name of a level -> what was measured of its sums in all protocols together.

    Levels of too few sums for an interval of 80% are left out.
    """
    keys = [values.astype(str) for values in panel.keys.values()]
    found: dict[str, dict[str, Spread]] = {}
    for model in dict.fromkeys(models):
        judged = [table for table in tables.values() if model in table.columns]
        found[model] = {}
        for places in levels(len(keys)) if judged else ():
            names, codes = _names([keys[place] for place in places], panel.n_series)
            sums = pd.concat([_sums(panel, table, f"{model}_mean", codes) for table in judged])
            one_sale = _one_sale(sums, len(names))
            measured = Spread.measured(_forecasts(names, sums, one_sale))
            if measured.rows:
                at_times = {
                    name: of for name, of in zip(names, one_sale.tolist(), strict=True) if of
                }
                found[model][level_name(places)] = replace(measured, one_sale=at_times)
    return found


def _one_sale(sums: pd.DataFrame, n: int) -> Array:
    """Return float64[n]: what one sale brings to each sum, 0 of those that always sold.

    It is what makes the periods in which they sold nothing, or something, likeliest.
    """
    of, mean = sums["sum"].to_numpy(), sums["mean"].to_numpy()
    nothing = sums["y"].to_numpy() <= 0
    usual = np.bincount(of, mean, n) / np.maximum(np.bincount(of, minlength=n), 1)
    at_times = (np.bincount(of, nothing, n) > 0) & (usual > 0)
    told = at_times[of] & (mean > 0)
    of, nothing, share = of[told], nothing[told], mean[told] / usual[of[told]]
    likely = np.stack([
        np.bincount(of, np.where(nothing, -sales * share, np.log(-np.expm1(-sales * share))), n)
        for sales in _SALES
    ])  # fmt: skip
    return np.where(at_times, usual / _SALES[likely.argmax(axis=0)], 0.0)


def _forecasts(names: Sequence[str], sums: pd.DataFrame, one_sale: Array) -> Forecasts:
    n = len(sums)
    chance, if_sold = if_any_sold(sums["mean"].to_numpy(), one_sale[sums["sum"].to_numpy()])
    return Forecasts(
        names=names,
        series=sums["sum"].to_numpy(),
        age=np.zeros(n, dtype=np.int8),
        step=sums["step"].to_numpy(),
        chance=chance,
        if_sold=if_sold,
        window=np.unique(sums["cutoff"].to_numpy(), return_inverse=True)[1].ravel(),
        y=sums["y"].to_numpy(),
    )


def _names(
    keys: Sequence[npt.NDArray[np.str_]], n_series: int
) -> tuple[Sequence[str], npt.NDArray[np.intp]]:
    """Return the names of sums by some keys, and which of them each series is part of."""
    of_series = list(zip(*keys, strict=True)) if keys else [()] * n_series
    number = {values: place for place, values in enumerate(dict.fromkeys(of_series))}
    names = [sum_name([str(part) for part in values]) for values in number]
    return names, np.array([number[values] for values in of_series], dtype=np.intp)


def _sums(
    panel: Panel, table: pd.DataFrame, mean: str, codes: npt.NDArray[np.intp]
) -> pd.DataFrame:
    """Add up what was sold and the means, each series, window and step once."""
    rows = table["unique_id"].map(panel.positions).to_numpy()
    added: dict[str, Array] = {"y": table["y"].to_numpy(), "mean": table[mean].to_numpy()}
    of_rows = table[_OF_A_SUM[1:]].assign(sum=codes[rows], **added)
    return of_rows.groupby(_OF_A_SUM, as_index=False, sort=False)[["y", "mean"]].sum()

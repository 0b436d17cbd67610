"""What a backtest table says of its models: medians, means, quantiles and scores.

Takes tables of `backtest`, gives them with more columns, or numbers. Every row knows no more than
what had ended by its cutoff.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from sales_forecast.data.panel import Array, Panel
from sales_forecast.evaluation.backtest import KEY_COLUMNS
from sales_forecast.evaluation.metrics import Distribution, Scores, score
from sales_forecast.models.ages import age_numbers, weeks_known_then
from sales_forecast.models.asked import Forecasts
from sales_forecast.models.spread import DECILES, MEDIAN, SpreadByAge, around

QUANTILES: Final[Mapping[str, float]] = {
    "_lo_95": 0.025,
    "_lo_80": 0.1,
    **{f"_q{round(100 * tau)}": tau for tau in DECILES[1:-1]},
    "_hi_80": 0.9,
    "_hi_95": 0.975,
}
"""Ending of a column of a model -> quantile."""
_ENDING_OF = {tau: ending for ending, tau in QUANTILES.items()}
_MEAN, _IF_SOLD, _CHANCE = "_mean", "_if_sold", "_chance"
_ENDINGS = (*QUANTILES, _MEAN, _IF_SOLD, _CHANCE)


def models_in(table: pd.DataFrame) -> list[str]:
    """Return the model columns of a backtest table, in order."""
    names = [name for name in table.columns if name not in KEY_COLUMNS]
    # A model may be called `.._mean` itself: an ending counts beside a column without it.
    beside = {f"{name}{ending}" for name in names for ending in _ENDINGS}
    return [name for name in names if name not in beside]


def known_weeks(panel: Panel, table: pd.DataFrame) -> npt.NDArray[np.int16]:
    """Return int16[n]: in how many weeks sales of the series of a row were known at its cutoff."""
    rows = [panel.positions[name] for name in table["unique_id"]]
    then = np.searchsorted(panel.periods, table["cutoff"].to_numpy(), side="right") - 1
    return weeks_known_then(panel)[rows, then]


def with_quantiles(
    table: pd.DataFrame, panel: Panel | None = None, measured: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return a table of what models expect as one of what they answer.

    `<model>` becomes the median; beside it stand `<model>_mean`, the `QUANTILES`, and, where it may
    be that nothing is sold, what was expected. They come from forecasts whose periods had ended by
    the cutoff of a row, of the table itself or of those that were `measured` beside it; NaN where
    these are too few. All series are old without a `panel`.
    """
    past = table if measured is None else measured
    ended = past["ds"].to_numpy()
    of_table = _Rows.of(table, panel)
    of_past = of_table if measured is None else _Rows.of(past, panel)
    windows = table.groupby("cutoff").indices
    columns: dict[str, Array] = {}
    for model in models_in(table):
        asked, judged = of_table.forecasts(model), of_past.forecasts(model)
        found, means = np.empty((len(table), len(QUANTILES))), np.empty(len(table))
        for cutoff, rows in windows.items():
            spread = SpreadByAge.measured(judged.only(ended <= cutoff))
            one = asked.only(np.asarray(rows))
            factors = spread.factors([*QUANTILES.values()], one)
            found[rows] = around(one.if_sold, factors)
            means[rows] = spread.mean * one.chance * one.if_sold
        columns |= {f"{model}{end}": of for end, of in zip(QUANTILES, found.T, strict=True)}
        columns |= {model: columns.pop(f"{model}_q50"), f"{model}{_MEAN}": means}
        if (asked.chance < 1).any():
            columns |= {f"{model}{_IF_SOLD}": asked.if_sold, f"{model}{_CHANCE}": asked.chance}
    keys = {name: table[name] for name in KEY_COLUMNS if name in table}
    return pd.DataFrame({**keys, **columns})


def measured_spread(table: pd.DataFrame, panel: Panel | None, model: str) -> SpreadByAge:
    """Return how far sales strayed from what one model expected in a table."""
    return SpreadByAge.measured(_Rows.of(table, panel).forecasts(model))


@dataclass(frozen=True, eq=False)
class _Rows:
    """What is alike for all models of a table."""

    table: pd.DataFrame
    names: Sequence[str]
    series: npt.NDArray[np.intp]
    window: npt.NDArray[np.intp]
    age: npt.NDArray[np.int8]

    @classmethod
    def of(cls, table: pd.DataFrame, panel: Panel | None) -> Self:
        names, series = np.unique(table["unique_id"].to_numpy().astype(str), return_inverse=True)
        _, window = np.unique(table["cutoff"].to_numpy(), return_inverse=True)
        old = np.zeros(len(table), dtype=np.int8)
        age = old if panel is None else age_numbers(known_weeks(panel, table))
        return cls(table, names.tolist(), series.ravel(), window.ravel(), age)

    def forecasts(self, model: str) -> Forecasts:
        expected = self.table[model].to_numpy()
        return Forecasts(
            names=self.names,
            series=self.series,
            age=self.age,
            step=self.table["step"].to_numpy(),
            chance=self._or(f"{model}{_CHANCE}", np.ones(len(expected))),
            if_sold=self._or(f"{model}{_IF_SOLD}", expected),
            window=self.window,
            y=self.table["y"].to_numpy() if "y" in self.table else np.full(len(expected), np.nan),
        )

    def _or(self, column: str, usual: Array) -> Array:
        """Return a column, and what is usual where it has nothing."""
        if column not in self.table:
            return usual
        values = self.table[column].to_numpy()
        return np.where(np.isnan(values), usual, values)


def scores(table: pd.DataFrame, *, percentages: bool = False) -> dict[str, Scores]:
    """Return the errors of every model of a table of `with_quantiles`; see `metrics.score`."""
    y, holiday = table["y"].to_numpy(), table["holiday"].to_numpy()
    return {
        model: score(
            y,
            table[model].to_numpy(),
            holiday,
            Distribution(
                mean=table[f"{model}{_MEAN}"].to_numpy(),
                quantiles={
                    tau: table[column_of(model, tau)].to_numpy() for tau in QUANTILES.values()
                },
            ),
            percentages=percentages,
        )
        for model in models_in(table)
    }


def column_of(model: str, quantile: float) -> str:
    """Return the column of a quantile that a model gives."""
    return model if quantile == MEDIAN else f"{model}{_ENDING_OF[quantile]}"

"""What a backtest table says of its models: intervals, scores.

Takes tables of `backtest`, gives them with more columns, or numbers. Every row knows no more than
what had ended by its cutoff.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from sales_forecast.data.panel import Array, Panel
from sales_forecast.evaluation.backtest import KEY_COLUMNS
from sales_forecast.evaluation.metrics import Scores, score
from sales_forecast.models.intervals import LEVELS, OLD, IntervalsByAge, ages, weeks_known_then

_INTERVAL_ENDINGS = tuple(f"_{end}_{level}" for level in LEVELS for end in ("lo", "hi"))


def models_in(table: pd.DataFrame) -> list[str]:
    """Return the model columns of a backtest table, in order."""
    return [
        name
        for name in table.columns
        if name not in KEY_COLUMNS and not name.endswith(_INTERVAL_ENDINGS)
    ]


def known_weeks(panel: Panel, table: pd.DataFrame) -> npt.NDArray[np.int16]:
    """Return int16[n]: in how many weeks sales of the series of a row were known at its cutoff."""
    rows = [panel.positions[name] for name in table["unique_id"]]
    then = np.searchsorted(panel.periods, table["cutoff"].to_numpy(), side="right") - 1
    return weeks_known_then(panel)[rows, then]


def ages_of(panel: Panel | None, table: pd.DataFrame) -> npt.NDArray[np.str_]:
    """Return text[n]: the age of the series of a row at its cutoff; all are old without a panel."""
    return np.full(len(table), OLD) if panel is None else ages(known_weeks(panel, table))


def with_intervals(
    table: pd.DataFrame, panel: Panel | None = None, measured: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return the table with `<model>_lo_80`, `_hi_80`, `_lo_95` and `_hi_95` beside every model.

    The interval of a window comes from the residuals of weeks that had ended by its cutoff, of
    the table itself or of those that were `measured` beside it; the first windows, which have too
    few of them, get NaN.
    """
    past = table if measured is None else measured
    age, past_age = ages_of(panel, table), ages_of(panel, past)
    # As texts of one width: objects would be told apart one by one, for every model and window.
    series = table["unique_id"].to_numpy().astype(str)
    past_series = past["unique_id"].to_numpy().astype(str)
    step, past_step = table["step"].to_numpy(), past["step"].to_numpy()
    horizon = int(step.max())
    ended, sold = past["ds"].to_numpy(), past["y"].to_numpy()
    columns: dict[str, Array] = {}
    for model in models_in(table):
        predicted, past_predicted = table[model].to_numpy(), past[model].to_numpy()
        ends = {f"{model}{ending}": np.full(len(table), np.nan) for ending in _INTERVAL_ENDINGS}
        for cutoff, rows in table.groupby("cutoff").indices.items():
            by = ended <= cutoff
            intervals = IntervalsByAge.measured(
                past_age[by],
                past_series[by],
                past_step[by],
                sold[by],
                past_predicted[by],
                horizon=horizon,
            )
            for level in LEVELS:
                ends[f"{model}_lo_{level}"][rows], ends[f"{model}_hi_{level}"][rows] = (
                    intervals.ends(level, age[rows], series[rows], step[rows], predicted[rows])
                )
        columns |= ends
    return table.assign(**columns)


def measured_intervals(
    table: pd.DataFrame, age: npt.NDArray[np.str_], model: str
) -> IntervalsByAge:
    """Return the intervals that the residuals of one model in a table give.

    `age`: text[n], of the series of each row at its cutoff.
    """
    return IntervalsByAge.measured(
        age,
        table["unique_id"].to_numpy().astype(str),
        table["step"].to_numpy(),
        table["y"].to_numpy(),
        table[model].to_numpy(),
    )


def scores(table: pd.DataFrame, *, percentages: bool = False) -> dict[str, Scores]:
    """Return the errors of every model of a table with intervals; see `metrics.score`."""
    y, holiday = table["y"].to_numpy(), table["holiday"].to_numpy()
    return {
        model: score(
            y,
            table[model].to_numpy(),
            holiday,
            {
                level: (
                    table[f"{model}_lo_{level}"].to_numpy(),
                    table[f"{model}_hi_{level}"].to_numpy(),
                )
                for level in LEVELS
            },
            percentages=percentages,
        )
        for model in models_in(table)
    }

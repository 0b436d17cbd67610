"""What a backtest table says of its models: means of models, intervals, scores.

Takes tables of `backtest`, gives them with more columns, or numbers. Every row knows no more than
what had ended by its cutoff.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from sales_forecast.data.panel import SEASON_LENGTH, Array, Panel
from sales_forecast.evaluation.backtest import KEY_COLUMNS
from sales_forecast.evaluation.metrics import Scores, score
from sales_forecast.models.intervals import LEVELS, NEW, YOUNG, Intervals

_INTERVAL_ENDINGS = tuple(f"_{end}_{level}" for level in LEVELS for end in ("lo", "hi"))


def models_in(table: pd.DataFrame) -> list[str]:
    """Return the model columns of a backtest table, in order."""
    return [
        name
        for name in table.columns
        if name not in KEY_COLUMNS and not name.endswith(_INTERVAL_ENDINGS)
    ]


def with_mean(table: pd.DataFrame, name: str, of: Sequence[str]) -> pd.DataFrame:
    """Return the table with a column that is the mean of other models' predictions."""
    return table.assign(**{name: table[[*of]].mean(axis=1)})


def known_weeks(panel: Panel, table: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Return int64[n]: in how many weeks sales of the series of a row were known at its cutoff."""
    rows = np.array([panel.positions[name] for name in table["unique_id"]])
    known = np.zeros(len(table), dtype=np.int64)
    cutoffs = table["cutoff"].to_numpy()
    for cutoff in np.unique(cutoffs):
        own = cutoffs == cutoff
        known[own] = weeks_known(panel.until(cutoff))[rows[own]]
    return known


def weeks_known(panel: Panel) -> npt.NDArray[np.int64]:
    """Return int64[n_series]: in how many weeks sales of each series are known, if of one day."""
    starts = np.arange(0, panel.n_periods, panel.frequency.a_week)
    weeks: npt.NDArray[np.int64] = np.logical_or.reduceat(~np.isnan(panel.y), starts, axis=1).sum(
        axis=1
    )
    return weeks


def with_intervals(
    table: pd.DataFrame, panel: Panel | None = None, measured: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return the table with `<model>_lo_80`, `_hi_80`, `_lo_95` and `_hi_95` beside every model.

    The interval of a window comes from the residuals of weeks that had ended by its cutoff, of
    the table itself or of one that was `measured` before; the first windows, which have too few
    of them, get NaN. Where the panel is given, series of which nothing was known are measured
    together and apart from all others, and so are those of which less than a year was.
    """
    by_age = _by_age(table, panel)
    past = by_age if measured is None else _by_age(measured, panel)
    is_new = past["unique_id"] == NEW
    series, step = by_age["unique_id"].to_numpy(), table["step"].to_numpy()
    horizon = int(step.max())
    windows = [
        (rows[(series[rows] == NEW) == new], past[(past["ds"] <= cutoff) & (is_new == new)])
        for cutoff, rows in table.groupby("cutoff").indices.items()
        for new in (False, True)
    ]
    columns: dict[str, Array] = {}
    for model in models_in(table):
        prediction = table[model].to_numpy()
        ends = {f"{model}{ending}": np.full(len(table), np.nan) for ending in _INTERVAL_ENDINGS}
        for rows, ended in windows:
            if not len(rows):
                continue
            intervals = measured_intervals(ended, model, horizon)
            for level in LEVELS:
                lower, upper = intervals.of(level, series[rows], step[rows])
                both = np.sort([prediction[rows] * lower, prediction[rows] * upper], axis=0)
                ends[f"{model}_lo_{level}"][rows], ends[f"{model}_hi_{level}"][rows] = both
        columns |= ends
    return table.assign(**columns)


def _by_age(table: pd.DataFrame, panel: Panel | None) -> pd.DataFrame:
    """Return the table with one name for all series young at their cutoff, and one for all new."""
    if panel is None:
        return table
    known = known_weeks(panel, table)
    named = table["unique_id"].where(known >= SEASON_LENGTH, YOUNG).where(known > 0, NEW)
    return table.assign(unique_id=named)


def measured_intervals(table: pd.DataFrame, model: str, horizon: int) -> Intervals:
    """Return the intervals that the residuals of one model in a table give."""
    return Intervals.measured(
        table["unique_id"].to_numpy(),
        table["step"].to_numpy(),
        table["y"].to_numpy(),
        table[model].to_numpy(),
        horizon,
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

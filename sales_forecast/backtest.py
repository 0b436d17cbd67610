"""Rolling-origin backtest: what each model would have said, had it been asked then.

Takes a panel and forecasters, gives one long table. At every cutoff a model sees
`panel.until(cutoff)` and nothing else; what was sold afterwards is joined only when all
predictions are made. Conditions of the target week are given for a horizon of one week
only, as a caller of the API gives them; for more steps nobody could know them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from sales_forecast.errors import NotEnoughData
from sales_forecast.forecasters.base import FittedForecaster, Forecaster
from sales_forecast.forecasters.naive import or_never_sold
from sales_forecast.forecasters.once import fit_once
from sales_forecast.intervals import LEVELS, YOUNG, Intervals
from sales_forecast.metrics import Scores, score
from sales_forecast.panel import SEASON_LENGTH, Array, Days, Panel

REFIT_WEEKS = 4
"""As often as one trains at least: every month."""
_INTERVAL_ENDINGS = tuple(f"_{end}_{level}" for level in LEVELS for end in ("lo", "hi"))
KEY_COLUMNS = ["unique_id", "cutoff", "ds", "step", "y", "holiday"]
Progress = Callable[[str], None]


@dataclass(frozen=True)
class RollingOrigin:
    """`windows` cutoffs, `step` weeks apart, each predicting `horizon` weeks (or days).

    Of the last `windows * step` cutoffs that leave a whole horizon, every `step`-th, oldest
    first: protocols of equal `windows * step + horizon` start in the same week.
    """

    horizon: int
    windows: int
    step: int

    def __post_init__(self) -> None:
        for name in ("horizon", "windows", "step"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")

    @property
    def weeks(self) -> int:
        """The number of weeks from the first cutoff (exclusive) that the protocol needs."""
        return self.windows * self.step + self.horizon - 1

    def cutoffs(self, panel: Panel) -> Days:
        """Return the last known week of each window. Raises NotEnoughData with the numbers."""
        first = panel.n_periods - 1 - self.weeks
        unit = panel.frequency.unit
        if first < 0:
            raise NotEnoughData(
                f"{self.windows} windows of {self.horizon} {unit}s, {self.step} apart, need more "
                f"than {self.weeks} {unit}s of sales; there are {panel.n_periods}. "
                "Reduce `windows`, `step` or `horizon`.",
                {"weeks": panel.n_periods, "needed": self.weeks + 1},
            )
        cutoffs: Days = panel.periods[first : panel.n_periods - self.horizon : self.step]
        return cutoffs

    def describe(self, panel: Panel) -> str:
        """Return the protocol in a sentence, with its dates."""
        cutoffs, unit = self.cutoffs(panel), panel.frequency.unit
        return (
            f"{self.horizon} {unit}(s) ahead, {self.windows} windows {self.step} {unit}(s) apart, "
            f"cutoffs {cutoffs[0]} .. {cutoffs[-1]}, {panel.n_series} series"
        )

    def within(self, weeks: int) -> RollingOrigin | None:
        """Return the protocol with as many windows as `weeks` weeks hold; None if not even one."""
        windows = min(self.windows, (weeks - self.horizon + 1) // self.step)
        return RollingOrigin(self.horizon, windows, self.step) if windows > 0 else None


ONE_STEP = RollingOrigin(horizon=1, windows=39, step=1)
"""P1: the job of `/predict_sales`."""
MANY_STEPS = RollingOrigin(horizon=8, windows=8, step=4)
"""P2: the job of `/forecast_sales`."""


def backtest(
    panel: Panel,
    forecasters: Sequence[Forecaster],
    split: RollingOrigin,
    progress: Progress = lambda _: None,
) -> pd.DataFrame:
    """Backtest all forecasters on the same windows.

    Returns one row per series, cutoff and step with known sales: `KEY_COLUMNS`, then one
    column a model. Models are refitted every `REFIT_WEEKS` weeks and always see the history
    up to the cutoff. Raises NotEnoughData when there are not enough weeks or nothing to judge.
    """
    cutoffs = split.cutoffs(panel)
    windows = []
    fitted: dict[str, FittedForecaster] = {}
    refit_at = cutoffs[0]
    for number, cutoff in enumerate(cutoffs, start=1):
        history = panel.until(cutoff)
        if cutoff >= refit_at:
            for forecaster in forecasters:
                progress(f"window {number} of {len(cutoffs)}: fitting {forecaster.name}")
                fitted[forecaster.name] = fit_once(forecaster, history)
            refit_at = cutoff + np.timedelta64(7 * REFIT_WEEKS, "D")
        progress(f"window {number} of {len(cutoffs)}: predicting")
        conditions = _conditions(panel, history, split.horizon) if split.horizon == 1 else None
        predictions = {
            name: or_never_sold(model.predict(history, split.horizon, conditions), history)
            for name, model in fitted.items()
        }
        windows.append(_window_table(panel, history, split.horizon, predictions))
    table = pd.concat(windows, ignore_index=True)
    expected = sum(int(_following(panel, cutoff, split.horizon).sum()) for cutoff in cutoffs)
    if len(table) != expected:
        raise AssertionError(f"the backtest has {len(table)} rows, {expected} were to be predicted")
    # A store that opens inside a window has no past to be judged on: left out for all models.
    table = table.dropna(subset=[*fitted]).reset_index(drop=True)
    if table.empty:
        raise NotEnoughData(
            f"None of the {expected} {panel.frequency.unit}s in the windows is of a store with "
            "sales before them."
        )
    return table


def _following(panel: Panel, cutoff: np.datetime64, horizon: int) -> Array:
    end = int((panel.periods <= cutoff).sum())
    return ~np.isnan(panel.y[:, end : end + horizon])


def _conditions(panel: Panel, history: Panel, horizon: int) -> Mapping[str, Array]:
    ahead = slice(history.n_periods, history.n_periods + horizon)
    return {name: values[:, ahead] for name, values in panel.conditions.items()}


def _window_table(
    panel: Panel, history: Panel, horizon: int, predictions: Mapping[str, Array]
) -> pd.DataFrame:
    end = history.n_periods
    n = panel.n_series
    y = panel.y[:, end : end + horizon]
    flags = panel.conditions.get("Holiday_Flag", np.zeros_like(panel.y))[:, end : end + horizon]
    columns: dict[str, object] = {
        "unique_id": np.repeat(panel.series, horizon),
        "cutoff": history.periods[-1],
        "ds": np.tile(panel.periods[end : end + horizon], n),
        "step": np.tile(np.arange(1, horizon + 1), n),
        "y": y.ravel(),
        "holiday": flags.ravel(),
        **{name: values.ravel() for name, values in predictions.items()},
    }
    return pd.DataFrame(columns).dropna(subset=["y"])


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
        past = panel.until(cutoff)
        starts = np.arange(0, past.n_periods, past.frequency.a_week)
        weeks = np.logical_or.reduceat(~np.isnan(past.y), starts, axis=1).sum(axis=1)
        own = cutoffs == cutoff
        known[own] = weeks[rows[own]]
    return known


def with_intervals(table: pd.DataFrame, panel: Panel | None = None) -> pd.DataFrame:
    """Return the table with `<model>_lo_80`, `_hi_80`, `_lo_95` and `_hi_95` beside every model.

    The interval of a window comes from the residuals of weeks that had ended by its cutoff;
    the first windows, which have too few of them, get NaN. Where the panel is given, series of
    which less than a year was known are measured together, and apart from all others.
    """
    kept = table
    if panel is not None:
        old = known_weeks(panel, table) >= SEASON_LENGTH
        table = table.assign(unique_id=table["unique_id"].where(old, YOUNG))
    series, step = table["unique_id"].to_numpy(), table["step"].to_numpy()
    horizon = int(step.max())
    windows = [
        (rows, table[table["ds"] <= cutoff])
        for cutoff, rows in table.groupby("cutoff").indices.items()
    ]
    columns: dict[str, Array] = {}
    for model in models_in(table):
        prediction = table[model].to_numpy()
        ends = {f"{model}{ending}": np.full(len(table), np.nan) for ending in _INTERVAL_ENDINGS}
        for rows, ended in windows:
            intervals = measured_intervals(ended, model, horizon)
            for level in LEVELS:
                lower, upper = intervals.of(level, series[rows], step[rows])
                ends[f"{model}_lo_{level}"][rows] = prediction[rows] * lower
                ends[f"{model}_hi_{level}"][rows] = prediction[rows] * upper
        columns |= ends
    return kept.assign(**columns)


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

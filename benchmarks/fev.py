"""Our models on tasks of the public benchmark fev-bench, beside what was published there.

    python -m benchmarks.fev --task walmart --data FOLDER
    python -m benchmarks.fev --task rossmann_1D --data FOLDER
    python -m benchmarks.fev --task rossmann_1W --data FOLDER

`FOLDER` holds the public files in the form of the layouts `departments` or `daily`. The cells are
those of the benchmark, every row of the file: first its naive forecast is computed again, and
nothing else is printed unless that agrees with the published figure. Published figures: results of
version f323f6c of fev-bench. WAPE is the mean over windows of the sum of absolute errors over the
sum of sales; SQL and MASE are scaled by the naive errors of each series in its past, WQL by sales.
Not equal: on `walmart` theirs see the later weather and prices, ours do not; on `rossmann_1W` they
see sums of weeks, ours is the model of days, whose weeks are added up. Longer than other modules,
so that what is compared is read in one place.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from sales_forecast.data.files.layouts import read_panel
from sales_forecast.data.panel import Array, Panel
from sales_forecast.evaluation.backtest import backtest
from sales_forecast.evaluation.protocols import RollingOrigin
from sales_forecast.evaluation.scoring import measured_spread
from sales_forecast.models.arima import ARIMA
from sales_forecast.models.asked import Asked
from sales_forecast.models.base import Forecaster
from sales_forecast.models.ensemble import EnsembleForecaster
from sales_forecast.models.fit_cache import fit_once
from sales_forecast.models.naive import GROWTH
from sales_forecast.models.pooled import POOLED
from sales_forecast.models.ridge import RIDGE
from sales_forecast.models.spread import DECILES, MEDIAN
from sales_forecast.models.trees import XGBOOST
from sales_forecast.prediction.forecast import forecast

ALL: Sequence[Forecaster] = (
    XGBOOST, ARIMA, POOLED, RIDGE, EnsembleForecaster((XGBOOST, ARIMA, POOLED, GROWTH))
)  # fmt: skip
_AGREES = 1e-5
_A_WEEK = 7
_LEAST_WEEKS = 8
"""So much history an inner window needs before it."""


@dataclass(frozen=True)
class Task:
    """A task of the benchmark.

    Attributes:
        keys, target: columns of `train.csv`.
        windows: how many, `horizon` periods apart; the last ends with the data.
        shortest: series of fewer known periods are left out.
        season: after which the naive forecast repeats what was sold.
        inner: our quantiles are measured on windows of so many periods that ended last.
        measured: how many of these, one after the other; a training has as many.
        naive: its published WAPE.
        published: model -> its WAPE, SQL, MASE and WQL there, NaN where not typed here.
        added: days that are added up to one period.
    """

    layout: str
    keys: Sequence[str]
    target: str
    models: Sequence[Forecaster]
    horizon: int
    windows: int
    shortest: int
    season: int
    inner: int
    naive: float
    published: Mapping[str, Sequence[float]]
    added: int = 1
    measured: int = 2

    def read(self, folder: Path) -> tuple[Panel, Array]:
        """Return the panel, and float64[n_series, n_periods] of what the file says was sold."""
        panel = read_panel(folder, self.layout)
        rows = pd.read_csv(next(folder.glob("train.csv*")), low_memory=False)
        sold = rows.pivot_table(index=[*self.keys], columns="Date", values=self.target)
        names = ["-".join(map(str, np.atleast_1d(key))) for key in sold.index]
        if names != [*panel.series]:
            raise SystemExit("The file has other series than the layout reads.")
        known = sold.to_numpy(dtype=np.float64)
        enough = np.flatnonzero((~np.isnan(known)).sum(axis=1) >= self.shortest)
        panel, known = panel.select([panel.series[row] for row in enough]), known[enough]
        if self.added == 1:
            return panel, known
        # Whole weeks that end on Sundays; one without rows has sold nothing.
        days = panel.periods[0] + np.arange(known.shape[1])
        first = int(np.argmax((days.astype(int) + 3) % _A_WEEK == 0))
        whole = first + (known.shape[1] - first) // _A_WEEK * _A_WEEK
        panel, known = _from(panel, first).until(days[whole - 1]), known[:, first:whole]
        return panel, self.together(np.nan_to_num(known))

    def together(self, days: Array) -> Array:
        """Return periods of the task, of which each is the sum of `added` of the panel."""
        return days.reshape(len(days), -1, self.added).sum(axis=2) if self.added > 1 else days

    def has_rows(self, past: Panel) -> npt.NDArray[np.bool_]:
        """Return bool[n_series, n]: of days that are added up, which are in the plan at all.

        A week without rows sells nothing, and that is known in advance: none of its days is open.
        """
        ahead = slice(past.n_periods, past.n_periods + self.horizon * self.added)
        if self.added == 1:
            return np.ones((past.n_series, self.horizon), dtype=bool)
        return ~np.isnan(past.plan["open"][:, ahead])

    def origins(self, n_periods: int) -> range:
        """Return the number of known periods at each window, the oldest first."""
        return range(n_periods - self.windows * self.horizon, n_periods, self.horizon)

    def repeated(self, past: Array) -> Array:
        """Return the naive deciles, all alike: the last season again, gaps filled from before."""
        places = np.where(np.isnan(past), 0, np.arange(past.shape[1]))
        filled = np.take_along_axis(past, np.maximum.accumulate(places, axis=1), axis=1)
        said = filled[:, -self.season :][:, np.arange(self.horizon) % self.season]
        return np.repeat(said[:, :, None], len(DECILES), axis=2)

    def scores(self, past: Array, sold: Array, said: Array) -> Array:
        """Return WAPE, SQL, MASE and WQL of deciles, float64[n_series, horizon, 9]."""
        scale = np.nanmean(np.abs(past[:, self.season :] - past[:, : -self.season]), axis=1)
        off, taus = sold[:, :, None] - said, np.array(DECILES)
        loss = 2 * np.maximum(taus * off, (taus - 1) * off).mean(axis=2)
        error, total = np.abs(off[:, :, DECILES.index(MEDIAN)]), np.nansum(np.abs(sold))
        usable = (scale > 0) & ~np.isnan(sold).all(axis=1)
        by_series = [np.nanmean(of[usable], axis=1) / scale[usable] for of in (loss, error)]
        scaled = [float(of.mean()) for of in by_series]
        return np.array([np.nansum(error) / total, *scaled, np.nansum(loss) / total])


def _from(panel: Panel, first: int) -> Panel:
    """Return a panel without its first periods, plan and conditions too."""
    conditions, plan = (
        {name: of[:, first:] for name, of in tables.items()}
        for tables in (panel.conditions, panel.plan)
    )
    periods, y = panel.periods[first:], panel.y[:, first:]
    return replace(panel, y=y, periods=periods, conditions=conditions, plan=plan)


TASKS = {
    "walmart": Task(
        "departments", ("Store", "Dept"), "Weekly_Sales", ALL, 39, 1, 79, 1,
        8, 0.1967352,
        {
            "TabPFN-TS": (0.0928, np.nan, np.nan, np.nan),
            "Chronos-2": (0.0934, 0.6478, 0.8167, 0.0739),
            "CatBoost": (0.1496, np.nan, np.nan, np.nan),
            "LightGBM": (0.1514, np.nan, np.nan, np.nan),
        },
        measured=4,
    ),
    "rossmann_1D": Task(
        "daily", ("Store",), "Sales", (POOLED,), 48, 10, 1, 7,
        48, 0.2692452,
        {
            "TabPFN-TS": (0.0998, 0.2389, 0.3006, 0.0794),
            "CatBoost": (0.1096, np.nan, np.nan, np.nan),
            "LightGBM": (0.1126, np.nan, np.nan, np.nan),
            "Chronos-2": (0.1198, np.nan, np.nan, np.nan),
        },
    ),
    "rossmann_1W": Task(
        "daily", ("Store",), "Sales", (POOLED,), 13, 8, 1, 1,
        91, 0.2192446,
        {
            "TabPFN-TS": (0.0791, 0.2538, 0.3042, 0.0659),
            "Chronos-2": (0.0964, 0.3077, 0.3712, 0.0802),
            "CatBoost": (0.1859, np.nan, np.nan, np.nan),
            "LightGBM": (0.1884, np.nan, np.nan, np.nan),
        },
        added=_A_WEEK,
    ),
}  # fmt: skip


def deciles(task: Task, past: Panel) -> Iterator[tuple[str, Array]]:
    """Yield name -> float64[n_series, horizon, 9] of every model, nothing later being known."""
    fitted, judged = {of.name: fit_once(of, past) for of in task.models}, inner_windows(task, past)
    for name, (if_sold, chance) in forecast(fitted, past, task.horizon * task.added).items():
        likely = (chance >= MEDIAN) & task.has_rows(past)
        said = task.together(np.where(likely, if_sold, 0.0))
        n_series, horizon = said.shape
        rows = Asked(
            names=past.series,
            series=np.repeat(np.arange(n_series), horizon),
            age=np.zeros(said.size, dtype=np.int8),
            step=np.tile(np.arange(1, horizon + 1), n_series),
            chance=np.ones(said.size),
        )
        factors = np.ones((said.size, len(DECILES)))
        if judged is not None:
            measured = measured_spread(_added(judged, name, task.added), None, name)
            factors = measured.factors(DECILES, rows)
        yield name, said[:, :, None] * factors.reshape(n_series, horizon, -1)


def inner_windows(task: Task, past: Panel) -> pd.DataFrame | None:
    """Return a backtest table of the newest windows that had ended, None before the first."""
    least = past.frequency.periods(_LEAST_WEEKS) + task.inner
    ends = [past.n_periods - n * task.inner for n in range(task.measured)]
    known = [past.until(past.periods[end - 1]) for end in ends if end >= least]
    one = RollingOrigin(task.inner, 1, 1)
    return pd.concat([backtest(of, task.models, one) for of in known]) if known else None


def _added(table: pd.DataFrame, model: str, days: int) -> pd.DataFrame:
    """Return a backtest table with so many steps added up to one."""
    step = (table["step"] - 1) // days + 1
    keys = ["unique_id", "cutoff", "step"]
    return table.assign(step=step).groupby(keys, as_index=False)[["y", model]].sum()


def main() -> int:
    """Check the cells, run the models and print both sides."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=TASKS, required=True)
    parser.add_argument("--data", type=Path, required=True)
    chosen = parser.parse_args()
    task = TASKS[chosen.task]
    panel, sold = task.read(chosen.data)
    origins = task.origins(sold.shape[1])
    windows = [(sold[:, :end], sold[:, end : end + task.horizon]) for end in origins]
    naive = np.mean([task.scores(*both, task.repeated(both[0]))[0] for both in windows])
    print(f"{panel.n_series:,} series, naive {naive:.5f} here, {task.naive:.5f} published")
    if abs(naive - task.naive) > _AGREES:
        print("These are not the cells of the benchmark.", file=sys.stderr)
        return 1
    found: dict[str, list[Array]] = {model.name: [] for model in task.models}
    for origin, (before, truth) in zip(origins, windows, strict=True):
        past = panel.until(panel.periods[origin * task.added - 1])
        print(f"after {past.last}", file=sys.stderr)
        for name, said in deciles(task, past):
            found[name].append(task.scores(before, truth, said))
    ours = {f"{name}, here": np.mean(of, axis=0).tolist() for name, of in found.items()}
    print(f"{'':24}{'WAPE':>8}{'SQL':>8}{'MASE':>8}{'WQL':>8}")
    for name, errors in sorted({**ours, **task.published}.items(), key=lambda of: of[1][0]):
        print(f"{name:24}" + "".join("       -" if np.isnan(of) else f"{of:8.4f}" for of in errors))
    return 0


if __name__ == "__main__":
    sys.exit(main())

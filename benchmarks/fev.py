"""Our models on tasks of the public benchmark fev-bench, beside what was published there.

    python -m benchmarks.fev --task walmart --data FOLDER
    python -m benchmarks.fev --task rossmann_1D --data FOLDER

`FOLDER` holds the public files in the form of the layouts `departments` or `daily`. The cells are
those of the benchmark, every row of the file: first its naive forecast is computed again, and
nothing else is printed unless that agrees with the published figure. Published figures: results of
version f323f6c of fev-bench. WAPE is the mean over windows of the sum of absolute errors over the
sum of sales. Theirs see the later weather and prices of `walmart`, ours do not.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from sales_forecast.data.files.layouts import read_panel
from sales_forecast.data.panel import Array, Panel
from sales_forecast.models.arima import ARIMA
from sales_forecast.models.base import Forecaster
from sales_forecast.models.ensemble import EnsembleForecaster
from sales_forecast.models.fit_cache import fit_once
from sales_forecast.models.naive import GROWTH
from sales_forecast.models.pooled import POOLED
from sales_forecast.models.ridge import RIDGE
from sales_forecast.models.trees import XGBOOST
from sales_forecast.prediction.forecast import forecast

MODELS: Sequence[Forecaster] = (
    XGBOOST, ARIMA, POOLED, RIDGE, EnsembleForecaster((XGBOOST, ARIMA, POOLED, GROWTH))
)  # fmt: skip
_AGREES = 1e-5


@dataclass(frozen=True)
class Task:
    """A task of the benchmark.

    Attributes:
        keys, target: columns of `train.csv`.
        windows: how many, `horizon` periods apart; the last ends with the data.
        shortest: series of fewer known periods are left out.
        season: after which the naive forecast repeats what was sold.
        naive: its published WAPE.
        published: model -> its WAPE there, the best first.
    """

    layout: str
    keys: Sequence[str]
    target: str
    horizon: int
    windows: int
    shortest: int
    season: int
    naive: float
    published: Mapping[str, float]

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
        return panel.select([panel.series[row] for row in enough]), known[enough]

    def origins(self, n_periods: int) -> range:
        """Return the number of known periods at each window, the oldest first."""
        return range(n_periods - self.windows * self.horizon, n_periods, self.horizon)

    def repeated(self, past: Array) -> Array:
        """Return the naive forecast: the last season again, gaps filled by what was before."""
        places = np.where(np.isnan(past), 0, np.arange(past.shape[1]))
        filled = np.take_along_axis(past, np.maximum.accumulate(places, axis=1), axis=1)
        return filled[:, -self.season :][:, np.arange(self.horizon) % self.season]


TASKS = {
    "walmart": Task(
        "departments", ("Store", "Dept"), "Weekly_Sales", 39, 1, 79, 1, 0.1967352,
        {"TabPFN-TS": 0.0928, "Chronos-2": 0.0934, "CatBoost": 0.1496, "LightGBM": 0.1514},
    ),
    "rossmann_1D": Task(
        "daily", ("Store",), "Sales", 48, 10, 1, 7, 0.2692452,
        {"TabPFN-TS": 0.0998, "CatBoost": 0.1096, "LightGBM": 0.1126, "Chronos-2": 0.1198},
    ),
}  # fmt: skip


def wape(sold: Array, said: Array) -> float:
    """Return the sum of absolute errors over the sum of sales, of cells that are known."""
    known = ~np.isnan(sold)
    return float(np.abs(sold - said)[known].sum() / np.abs(sold[known]).sum())


def main() -> int:
    """Check the cells, run the models and print both sides."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=TASKS, required=True)
    parser.add_argument("--data", type=Path, required=True)
    chosen = parser.parse_args()
    task = TASKS[chosen.task]
    panel, sold = task.read(chosen.data)
    origins = task.origins(panel.n_periods)
    ahead = [sold[:, origin : origin + task.horizon] for origin in origins]
    repeated = [task.repeated(sold[:, :origin]) for origin in origins]
    naive = np.mean([wape(*both) for both in zip(ahead, repeated, strict=True)])
    print(f"{panel.n_series:,} series, naive {naive:.5f} here, {task.naive:.5f} published")
    if abs(naive - task.naive) > _AGREES:
        print("These are not the cells of the benchmark.", file=sys.stderr)
        return 1
    errors: dict[str, list[float]] = {model.name: [] for model in MODELS}
    for origin, truth in zip(origins, ahead, strict=True):
        past = panel.until(panel.periods[origin - 1])
        print(f"after {past.last}", file=sys.stderr)
        fitted = {model.name: fit_once(model, past) for model in MODELS}
        for name, said in forecast(fitted, past, task.horizon).items():
            errors[name].append(wape(truth, said))
    ours = {f"{name}, here": float(np.mean(of)) for name, of in errors.items()}
    for name, error in sorted({**ours, **task.published}.items(), key=lambda of: of[1]):
        print(f"{name:24}{error:8.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

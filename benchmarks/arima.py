"""Our ARIMA beside statsforecast's AutoARIMA: the same stores, windows and core, in one run.

    python -m venv var/statsforecast
    var/statsforecast/bin/pip install statsforecast
    python -m benchmarks.arima --csv data/Walmart_Sales.csv

Both fit every store anew at every cutoff, on one thread. AutoARIMA gets log sales three ways:
with a season of 52 weeks, after MSTL has taken that season, and without the calendar part, as
ours does; finding that part counts in our time. The errors are equal from run to run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from sales_forecast.data.files.layouts import read_sales
from sales_forecast.data.panel import Array, Panel
from sales_forecast.evaluation.backtest import backtest
from sales_forecast.evaluation.metrics import Scores
from sales_forecast.evaluation.protocols import MANY_STEPS
from sales_forecast.evaluation.scoring import scores, with_quantiles
from sales_forecast.features.decomposition import log_sales
from sales_forecast.features.features import History
from sales_forecast.models.arima import ARIMA
from sales_forecast.models.base import FutureConditions
from sales_forecast.models.naive import GROWTH
from sales_forecast.models.pooled import fit_profile

ROOT = Path(__file__).resolve().parents[1]
THEIR_PYTHON = ROOT / "var" / "statsforecast" / "bin" / "python"
HOW_TO_INSTALL = """Skipped: statsforecast is not there to compare with. To install it:

    python -m venv var/statsforecast
    var/statsforecast/bin/pip install statsforecast"""
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "NUMBA")}
WARM_UP = [float(week % 5) for week in range(120)]


@dataclass(frozen=True, eq=False)
class Contender:
    """A way to fit every store and forecast it, and the seconds that it took at each cutoff."""

    name: str
    forecast: Callable[[Panel, int], tuple[Array, float]]
    """(history, horizon) -> sales, float64[n_series, horizon], and seconds."""
    seconds: list[float] = field(default_factory=list)

    def fit(self, panel: Panel) -> Contender:
        """Learn nothing yet: all is fitted anew when asked."""
        del panel
        return self

    def predict(
        self, history: Panel, horizon: int, conditions: FutureConditions | None = None
    ) -> Array:
        """Fit to the history and forecast. See `base.FittedForecaster.predict`."""
        del conditions
        sales, seconds = self.forecast(history, horizon)
        self.seconds.append(seconds)
        return sales


def ours(history: Panel, horizon: int) -> tuple[Array, float]:
    begin = time.perf_counter()
    sales = ARIMA.fit(history).predict(history, horizon)
    return sales, time.perf_counter() - begin


class StatsForecast:
    """statsforecast in a process of its own, which counts its seconds itself."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, model: str, values: Array, horizon: int) -> tuple[Array, float]:
        """Return float64[n_series, horizon], how series go on, and the seconds it took."""
        assert self._process.stdin and self._process.stdout  # noqa: S101, PT018 - both are pipes
        question = {"model": model, "y": values.tolist(), "horizon": horizon}
        print(json.dumps(question), file=self._process.stdin, flush=True)
        answer = json.loads(self._process.stdout.readline())
        return np.array(answer["forecast"]), answer["seconds"]

    def on_logs(self, model: str) -> Callable[[Panel, int], tuple[Array, float]]:
        """Return how it forecasts log sales as they are."""

        def forecast(history: Panel, horizon: int) -> tuple[Array, float]:
            logs, seconds = self.ask(model, log_sales(history.y), horizon)
            return np.exp(logs), seconds

        return forecast

    def on_rest(self, history: Panel, horizon: int) -> tuple[Array, float]:
        """Forecast what the calendar leaves over, as our ARIMA does."""
        profile = fit_profile(history)
        logs, seconds = self.ask("plain", History(history, profile).adjusted, horizon)
        return np.exp(logs + profile.at(history.series, history.after(horizon))), seconds


@contextmanager
def statsforecast(python: Path) -> Iterator[StatsForecast]:
    """Run it until the end of the context, warmed up."""
    with subprocess.Popen(
        [python, ROOT / "benchmarks" / "auto_arima.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **ONE_THREAD},
        text=True,
    ) as process:
        theirs = StatsForecast(process)
        for model in ("plain", "seasonal", "mstl"):
            theirs.ask(model, np.array([WARM_UP]), 1)
        yield theirs


def row(name: str, score: Scores, seconds: float | None) -> str:
    took = "" if seconds is None else f"{seconds:>10.1f}"
    return f"{name:<34}{score.wmae:>10,.0f}{100 * score.wape:>8.2f}%{score.rmse:>10,.0f}{took}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--csv", type=Path, required=True, help="a sales file, stores without gaps")
    parser.add_argument("--python", type=Path, default=THEIR_PYTHON, help="that has statsforecast")
    chosen = parser.parse_args()
    if not chosen.python.exists():
        print(HOW_TO_INSTALL)
        return
    panel = read_sales(chosen.csv).to_panel()
    with statsforecast(chosen.python) as theirs, threadpool_limits(1):
        contenders = [
            Contender("our ARIMA", ours),
            Contender("AutoARIMA, season of 52", theirs.on_logs("seasonal")),
            Contender("MSTL, then AutoARIMA", theirs.on_logs("mstl")),
            Contender("AutoARIMA without the calendar", theirs.on_rest),
        ]
        table = with_quantiles(backtest(panel, [GROWTH, *contenders], MANY_STEPS))
    found = scores(table)
    print(MANY_STEPS.describe(panel))
    print(f"{'':<34}{'WMAE':>10}{'WAPE':>9}{'RMSE':>10}{'seconds':>10}")
    print(row(GROWTH.name, found[GROWTH.name], None))
    for contender in contenders:
        print(row(contender.name, found[contender.name], sum(contender.seconds)))


if __name__ == "__main__":
    main()

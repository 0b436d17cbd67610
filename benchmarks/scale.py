"""Cost by number of series: features, fits and predictions of 1,000 to 100,000 generated series.

    python -m benchmarks.scale
    python -m benchmarks.scale --series 1000 10000

Each number of series has a process of its own, so that its memory is its own. Series are those of
the generated sample, again and again, each of its own size and noise; 143 weeks, 8 weeks ahead.
Fits, and what is remembered, are timed once; all else is the median of three.
What grows linearly costs the same for each 1,000 series, whatever their number.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np

from sales_forecast.data.panel import Panel
from sales_forecast.data.sample import sample_rows
from sales_forecast.features.features import History, features
from sales_forecast.models.pooled import POOLED, fit_profile
from sales_forecast.models.trees import XGBOOST, training_set

T = TypeVar("T")

SERIES = (1_000, 10_000, 100_000)
HORIZON = 8
TIMES = 3
_MEGABYTE = 1024


def generated(n_series: int) -> Panel:
    """Return a panel of so many series, equal each time."""
    rng = np.random.default_rng(0)
    sample = sample_rows().to_panel()
    of = np.arange(n_series) % sample.n_series
    size = rng.lognormal(0.0, 1.0, (n_series, 1))
    noise = rng.normal(0.0, 0.02, (n_series, sample.n_periods))
    return replace(
        sample,
        y=sample.y[of] * size * np.exp(noise),
        series=tuple(map(str, range(n_series))),
        conditions={name: values[of] for name, values in sample.conditions.items()},
    )


def measure(n_series: int) -> dict[str, float]:
    """Return seconds by what they were spent on, and the peak of memory in megabytes."""
    panel = generated(n_series)
    seconds: dict[str, float] = {}

    def timed(what: str, work: Callable[[], T], times: int = 1) -> T:
        taken = []
        for _ in range(times):
            started = time.perf_counter()
            done = work()
            taken.append(time.perf_counter() - started)
        seconds[what] = statistics.median(taken)
        return done

    pooled = timed("fit pooled", lambda: POOLED.fit(panel))
    timed("predict pooled", lambda: pooled.predict(panel, HORIZON), TIMES)
    profile = timed("calendar", lambda: fit_profile(panel))
    history = timed("history", lambda: History(panel, profile), TIMES)
    timed("features", lambda: features(history, *history.ahead(HORIZON)), TIMES)
    rows = timed("sample of rows", lambda: training_set(panel, profile))
    timed("fit xgboost", lambda: XGBOOST.learn(rows))
    fitted = XGBOOST.fit(panel)
    timed("predict xgboost", lambda: fitted.predict(panel, HORIZON), TIMES)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MEGABYTE
    return {**seconds, "memory MB": memory}


def table(found: Mapping[int, Mapping[str, float]]) -> str:
    """Return what was measured, and the last column over the first for each 1,000 series."""
    first, last = min(found), max(found)
    lines = [f"{'seconds':16}" + "".join(f"{n:>12,}" for n in found) + f"{'growth':>10}"]
    for what, of_first in found[first].items():
        growth = (found[last][what] / last) / (of_first / first) if of_first else float("nan")
        values = "".join(f"{of[what]:>12,.2f}" for of in found.values())
        lines.append(f"{what:16}{values}{growth:>10.2f}")
    return "\n".join(lines)


def main() -> None:
    """Measure each number of series in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, nargs="+", default=SERIES)
    parser.add_argument("--only", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(measure(arguments.only)))
        return
    found = {}
    for n_series in arguments.series:
        command = [sys.executable, "-m", "benchmarks.scale", "--only", str(n_series)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found[n_series] = json.loads(done.stdout)
    print(table(found))


if __name__ == "__main__":
    main()

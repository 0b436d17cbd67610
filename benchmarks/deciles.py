"""How many points of a percent the share of sales up to each decile is off, by model.

    python train.py backtest ... --predictions OUT.csv
    python -m benchmarks.deciles OUT.csv

Below each line stands its standard error. Sales of one time stray alike in all series, so it is by
windows and not by rows; where windows overlap, it is larger than that.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from sales_forecast.data.panel import Array
from sales_forecast.models.spread import DECILES, MEDIAN


def column(model: str, decile: float) -> str:
    """Return where the file has it."""
    return f"{model}_q{round(100 * decile)}"


def off(table: pd.DataFrame, model: str) -> tuple[int, Array, Array]:
    """Return the number of windows, and float64[9] each: points off, and their standard errors.

    `table`: as `train.py backtest --predictions` writes it; windows without deciles do not count.
    """
    deciles = table[[column(model, tau) for tau in DECILES]].to_numpy()
    known = ~np.isnan(deciles).any(axis=1)
    up_to = table["y"].to_numpy()[known, None] <= deciles[known]
    _, window, rows = np.unique(table["cutoff"][known], return_inverse=True, return_counts=True)
    shares = np.stack([np.bincount(window, of) for of in up_to.T], axis=1) / rows[:, None]
    error = shares.std(axis=0, ddof=1) / np.sqrt(len(rows))
    return len(rows), 100 * (up_to.mean(axis=0) - DECILES), 100 * error


def main() -> int:
    """Print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("predictions", type=Path)
    table = pd.read_csv(parser.parse_args().predictions)
    print(f"{'':22}{'windows':>8}" + "".join(f"{tau:7.1f}" for tau in DECILES))
    for model in (name for name in map(str, table) if column(name, MEDIAN) in table):
        windows, points, errors = off(table, model)
        print(f"{model:22}{windows:8}" + "".join(f"{of:+7.1f}" for of in points))
        print(f"{'':30}" + "".join(f"{of:7.1f}" for of in errors))
    return 0


if __name__ == "__main__":
    sys.exit(main())

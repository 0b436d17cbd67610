"""MinT by the library hierarchicalforecast beside sums from the bottom, stores and their chain.

    python -m venv var/hierarchicalforecast
    var/hierarchicalforecast/bin/pip install hierarchicalforecast
    python -m benchmarks.mint --csv data/Walmart_Sales.csv --until 2012-07-27

The chain is forecast by the sum of its stores, by `pooled` on the sum of sales, and by what
`MinTrace(mint_shrink)` makes of both; it changes the stores as well. It knows the errors of single
weeks ahead that had been made by each cutoff, the first after 57 weeks.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from sales_forecast.data.files.layouts import read_panel
from sales_forecast.data.panel import Array, Panel
from sales_forecast.evaluation.backtest import backtest
from sales_forecast.evaluation.metrics import wape, wmae
from sales_forecast.evaluation.protocols import MANY_STEPS, RollingOrigin
from sales_forecast.models.pooled import POOLED

ROOT = Path(__file__).resolve().parents[1]
THEIR_PYTHON = ROOT / "var" / "hierarchicalforecast" / "bin" / "python"
LEAST_WEEKS = 57
THEIRS = """
import sys
import numpy as np
from hierarchicalforecast.methods import MinTrace
of = np.load(sys.argv[1])
n = of["sold"].shape[0] - 1
sums = np.vstack([np.ones((1, n)), np.eye(n)])
found = [
    MinTrace("mint_shrink").fit_predict(
        S=sums, y_hat=ahead, y_insample=of["sold"][:, :known], y_hat_insample=of["said"][:, :known]
    )["mean"]
    for ahead, known in zip(of["ahead"], of["known"])
]
np.save(sys.argv[2], np.array(found))
"""


def chain_of(panel: Panel) -> Panel:
    """Return the sums of a panel as a panel of one series."""
    holiday = {panel.holiday or "": panel.holidays[:1]}
    y = panel.y.sum(axis=0, keepdims=True)
    return replace(panel, y=y, series=("chain",), conditions=holiday, plan={}, traits={}, keys={})


def both(panel: Panel, split: RollingOrigin) -> tuple[Array, Array, Array]:
    """Return what was sold, forecast, and a holiday: float64[windows, 1 + n_series, horizon]."""
    tables = [backtest(of, [POOLED], split) for of in (chain_of(panel), panel)]
    sold, said, holiday = (
        np.concatenate([_dense(of[name], split) for of in tables], axis=1)
        for name in ("y", POOLED.name, "holiday")
    )
    return sold, said, holiday


def _dense(column: pd.Series, split: RollingOrigin) -> Array:
    dense: Array = column.to_numpy(dtype=np.float64).reshape(split.windows, -1, split.horizon)
    return dense


def reconciled(ahead: Array, sold: Array, said: Array, known: Sequence[int]) -> Array:
    """Return what MinT makes of `ahead`, of the errors of the first `known` single weeks."""
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "given.npz", Path(folder) / "found.npy"
        np.savez(given, ahead=ahead, sold=sold, said=said, known=np.array(known))
        subprocess.run([THEIR_PYTHON, "-c", THEIRS, given, found], check=True)
        answer: Array = np.load(found)
        return answer


def main() -> int:
    """Print both levels as they are and reconciled."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--until", type=date.fromisoformat, default=date.max)
    chosen = parser.parse_args()
    if not THEIR_PYTHON.exists():
        print(f"hierarchicalforecast is not there. To install it:\n{__doc__.split(chr(10) * 2)[1]}")
        return 1
    panel = read_panel(chosen.csv).until(chosen.until)
    single = RollingOrigin(1, panel.n_periods - LEAST_WEEKS, 1)
    first = panel.n_periods - MANY_STEPS.weeks - LEAST_WEEKS
    known = [first + MANY_STEPS.step * window for window in range(MANY_STEPS.windows)]
    sold, said, holiday = both(panel, MANY_STEPS)
    past_sold, past_said, _ = both(panel, single)
    theirs = reconciled(said, past_sold[:, :, 0].T, past_said[:, :, 0].T, known)
    bottom_up = np.concatenate([said[:, 1:].sum(axis=1, keepdims=True), said[:, 1:]], axis=1)
    print(f"{'':12}{'WMAE of stores':>16}{'WAPE of the chain':>20}")
    for name, of in (("bottom-up", bottom_up), ("each alone", said), ("MinT", theirs)):
        stores = [table[:, 1:].ravel() for table in (sold, of, holiday)]
        chain = [table[:, 0].ravel() for table in (sold, of)]
        print(f"{name:12}{wmae(*stores):16,.0f}{wape(*chain):20.2%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

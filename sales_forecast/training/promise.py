"""What a champion's backtest promised, by how far ahead.

Takes the folder of a bundle, gives the errors that the same weeks of real forecasts are held
against. Must not know what became of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from sales_forecast.evaluation import metrics
from sales_forecast.models.names import BASELINE_MODEL
from sales_forecast.training import tables

_ROW = ["unique_id", "cutoff", "ds"]


@dataclass(frozen=True)
class Promise:
    """Errors of the backtest's forecasts of one step; NaN where nothing was measured.

    Attributes:
        n: how many forecasts.
        wape: absolute errors over absolute sales.
        skill: the part of the growth baseline's absolute errors that was saved.
        coverage_80: the part of sales inside their interval of 80%.
    """

    n: int
    wape: float
    skill: float
    coverage_80: float


def promised(folder: Path, model: str) -> Mapping[int, Promise]:
    """Return periods ahead -> what a model of a bundle promised; nothing if it was not judged."""
    found = [table for table in tables.read(folder).values() if model in table.columns]
    if not found:
        return {}
    # A week may have been forecast from the same cutoff by both protocols.
    table = pd.concat(found, ignore_index=True).drop_duplicates(_ROW)
    steps = sorted({*table["step"].tolist()})
    return {step: _of(table[table["step"] == step], model) for step in steps}


def _of(rows: pd.DataFrame, model: str) -> Promise:
    y = rows["y"].to_numpy()
    wape, baseline = (metrics.wape(y, rows[of].to_numpy()) for of in (model, BASELINE_MODEL))
    ends = (rows[f"{model}{end}"].to_numpy() for end in ("_lo_80", "_hi_80"))
    return Promise(
        n=len(rows),
        wape=wape,
        skill=1 - wape / baseline if baseline > 0 else float("nan"),
        coverage_80=metrics.coverage(y, *ends),
    )

"""The backtest tables of a bundle: of the models that answer and the baseline, no others.

Takes tables, gives files, and back. Must not know what they are judged by.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from sales_forecast.evaluation.backtest import KEY_COLUMNS
from sales_forecast.evaluation.judged import Tables
from sales_forecast.evaluation.protocols import PROTOCOLS
from sales_forecast.models.names import BASELINE_MODEL


def files(tables: Tables, models: Iterable[str]) -> dict[str, bytes]:
    """Return file name -> content: the models' predictions and 80% intervals."""
    kept = dict.fromkeys((BASELINE_MODEL, *models))
    endings = ("", "_lo_80", "_hi_80")
    wanted = [*KEY_COLUMNS, *(f"{model}{ending}" for model in kept for ending in endings)]
    return {
        _file(name): gzip.compress(
            table[[column for column in wanted if column in table]].to_csv(index=False).encode(),
            mtime=0,  # equal tables give equal bytes
        )
        for name, table in tables.items()
    }


def read(folder: Path) -> Tables:
    """Read the backtest tables of a bundle; only those that it has."""
    found = {name: folder / _file(name) for name in PROTOCOLS}
    return {
        name: pd.read_csv(
            file,
            compression="gzip",
            parse_dates=["cutoff", "ds"],
            dtype={"unique_id": str},
            keep_default_na=False,  # `NA` is a name like any other
            na_values=[""],
        ).astype({"cutoff": "datetime64[s]", "ds": "datetime64[s]"})
        for name, file in found.items()
        if file.exists()
    }


def _file(protocol: str) -> str:
    # Not .gz: servers call that an encoding of the transfer, and clients undo it on the way.
    return f"backtest_{protocol}.csv.gzip"

"""The features that the final fit learns from as a table, and such a table read back.

Takes a panel, gives a Parquet file: a row for each (series, origin, target) that is learned from,
and for each that is to be forecast from the newest origin. Of each only periods at or before its
origin are read, but for the calendar profile: it is one for all rows, learned from the whole panel,
as in the final fit. Must not fit a model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from sales_forecast.compute.source import source_hash
from sales_forecast.data.panel import Panel
from sales_forecast.errors import DataRefused
from sales_forecast.features.decomposition import log_sales
from sales_forecast.features.features import History, Index, feature_names, features
from sales_forecast.features.passing import usual
from sales_forecast.models.pooled import fit_profile
from sales_forecast.models.trees import TrainingSet, learning_from, training_rows, training_set

KEYS = ("unique_id", "origin", "ds", "y", "reference", "change")
"""`reference`: the log sales that a forecast starts from; `change`: what is learned, the log sales
beyond it, cut at +-1. Neither `y` nor `change` is known of what is to be forecast."""
_SAID = b"sales_forecast"
_DIGITS = 12


def columns_of(panel: Panel) -> list[str]:
    """Return the names of the features as columns: a trait may be called `y`."""
    return [f"{name}_feature" if name in KEYS else name for name in feature_names(panel)]


def version_of(panel: Panel) -> str:
    """Return what names the features of a panel: its values, and the code that makes them."""
    names = ",".join(feature_names(panel))
    text = f"{panel.fingerprint} {source_hash()} {names}"
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def parquet(panel: Panel) -> tuple[bytes, int]:
    """Return the file, and how many rows it has. Raises NotEnoughData as a training does."""
    seen = usual(panel)
    profile = fit_profile(seen)
    taught = training_set(seen, profile)
    history = History(seen, profile)
    ahead = history.ahead(panel.frequency.season)
    rows = [
        np.concatenate(both)
        for both in zip(_learned_from(history, training_rows(seen)), ahead, strict=True)
    ]
    X = np.vstack([taught.X, features(history, *ahead)])
    none = np.full(len(ahead[0]), np.nan)
    change = np.concatenate([taught.y, none])
    table = _table(panel, history, rows, change, X)
    said = {
        "version": version_of(panel),
        "fingerprint": panel.fingerprint,
        "code": source_hash(),
        "last": str(panel.last),
        "features": columns_of(panel),
    }
    out = BytesIO()
    told = table.replace_schema_metadata({_SAID: json.dumps(said).encode()})
    pq.write_table(told, out, compression="zstd")
    return out.getvalue(), table.num_rows


def _learned_from(history: History, rows: tuple[Index, Index, Index]) -> list[Index]:
    """Return those rows of which the change is known."""
    series, _, target = rows
    sold = log_sales(history.panel.y)[series, target]
    usable = ~np.isnan(sold - history.log_reference(*rows))
    return [of[usable] for of in rows]


def _table(
    panel: Panel,
    history: History,
    rows: list[Index],
    change: npt.NDArray[np.float64],
    X: npt.NDArray[np.float32],
) -> pa.Table:
    series, origin, target = rows
    sold = np.full(len(series), np.nan)
    known = target < panel.n_periods
    sold[known] = panel.y[series[known], target[known]]
    columns = (
        pa.DictionaryArray.from_arrays(pa.array(series.astype(np.int32)), pa.array(panel.series)),
        pa.array(history.weeks(origin)),
        pa.array(history.weeks(target)),
        pa.array(sold, from_pandas=True),
        pa.array(history.log_reference(series, origin, target), from_pandas=True),
        pa.array(change, from_pandas=True),
        *(pa.array(column) for column in X.T),
    )
    return pa.table([*columns], names=[*KEYS, *columns_of(panel)])


@contextmanager
def read_back(file: Path, panel: Panel) -> Iterator[None]:
    """Let whatever learns from all of a panel learn from the rows of a file.

    Raises DataRefused for a file that is none, or is of other sales or other code.
    """
    try:
        table = pq.read_table(file)
    except OSError as error:
        raise DataRefused(file, f"it cannot be read: {error.strerror or 'no such file'}") from None
    except pa.ArrowException:
        raise DataRefused(file, "it is no Parquet file") from None
    said = (table.schema.metadata or {}).get(_SAID)
    if said is None:
        raise DataRefused(file, "it was not written by `train.py features`")
    version = json.loads(said)["version"]
    if version != version_of(panel):
        raise DataRefused(
            file,
            f"its features are version {version}, those of the sales and the code here are "
            f"{version_of(panel)}. Write it anew: python train.py features --to {file}",
        )
    taught = table.filter(table["change"].is_valid())
    X = np.column_stack([taught[name].to_numpy() for name in columns_of(panel)])
    rows = TrainingSet(np.ascontiguousarray(X, dtype=np.float32), taught["change"].to_numpy())
    with learning_from(usual(panel), rows):
        yield

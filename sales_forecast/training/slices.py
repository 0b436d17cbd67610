"""Parts of a backtest table in which no challenger may be much worse than the champion.

Takes rows that both predicted, gives the parts as masks: holidays, thirds by size, groups of
departments. Must not know who is judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from sales_forecast.data.panel import Panel
from sales_forecast.evaluation.groups import ranges
from sales_forecast.evaluation.sizes import SIZES, thirds

_LEAST_WEEKS, _LEAST_HOLIDAYS = 8, 2
"""So many weeks a part must have: on fewer, one odd week decides. A year has four holidays."""
_LEAST_ROWS = 30
_LEAST_SERIES = 3
"""So many a third must have, else it is a store and no third."""


class Slice(NamedTuple):
    """One part: `kind` names what it is a part of, `rows` are bool[n]."""

    kind: str
    name: str
    rows: npt.NDArray[np.bool_]


def slices(table: pd.DataFrame, groups: Mapping[str, str]) -> Iterator[Slice]:
    """Yield the parts that have weeks and rows enough; `groups`: series -> group, if any."""
    weeks = table["ds"].to_numpy()
    holidays = Slice("holiday", "holiday weeks", table["holiday"].to_numpy() > 0)
    for part in (holidays, *_sizes(table), *_groups(table, groups)):
        least = _LEAST_HOLIDAYS if part is holidays else _LEAST_WEEKS
        if part.rows.sum() >= _LEAST_ROWS and len(np.unique(weeks[part.rows])) >= least:
            yield part


def groups_of(panel: Panel) -> Mapping[str, str]:
    """Return series -> group: of the second key, or of the pool. Nothing where there is neither."""
    keys = [*panel.keys.items()]
    pool = panel.pooled_by
    if len(keys) > 1:
        name, values = keys[1]
    elif pool is not None:
        name, values = pool, panel.traits[pool]
    else:
        return {}
    names, place = ranges(name, values)
    return {
        series: names[group] for series, group in zip(panel.series, place.tolist(), strict=True)
    }


def _sizes(table: pd.DataFrame) -> Iterator[Slice]:
    series, rows = np.unique(table["unique_id"].to_numpy().astype(str), return_inverse=True)
    if len(series) < _LEAST_SERIES * len(SIZES):
        return
    place = thirds(np.bincount(rows, table["y"].to_numpy()) / np.bincount(rows))[rows]
    for number, name in enumerate(SIZES):
        yield Slice("size", f"the {name} of the series", place == number)


def _groups(table: pd.DataFrame, groups: Mapping[str, str]) -> Iterator[Slice]:
    found = table["unique_id"].map(groups)
    for name in sorted({*found.dropna()}):
        yield Slice("group", name, (found == name).to_numpy())

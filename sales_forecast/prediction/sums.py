"""Sums of series over some of their keys: how they are named, and their intervals.

Takes places of keys and their values, gives names; takes what was measured on sums, gives ends.
Must not know where that was measured or is kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from sales_forecast.data.panel import Array
from sales_forecast.models.intervals import Intervals


def levels(n_keys: int) -> Iterator[tuple[int, ...]]:
    """Yield the places of keys by which series are summed: none of them (all series), and so on.

    All of them are left out: that is no sum.
    """
    for count in range(n_keys):
        yield from combinations(range(n_keys), count)


def level_name(places: Sequence[int]) -> str:
    """Return the name of a level: `k1,k3` of keys 0 and 2, as in `dim_series`; empty for none."""
    return ",".join(f"k{place + 1}" for place in places)


def sum_name(values: Sequence[str]) -> str:
    """Return the name of one sum by the values of its keys."""
    return json.dumps(values)


def ends(
    measured: Mapping[str, Intervals], level: int, keys: Mapping[int, str], steps: Sequence[int],
    sales: Sequence[float],
) -> tuple[Array, Array]:  # fmt: skip
    """Return both ends, float64[n] each, of n periods of one sum; NaN where too little is known.

    `measured`: by names of levels; `level`: 80 or 95; `keys`: place -> value of those that are
    alike in the sum; `steps`, `sales`: of each period.
    """
    intervals = measured.get(level_name(tuple(keys)), Intervals.none())
    names = [sum_name(tuple(keys.values()))] * len(steps)
    factors = np.array(intervals.of(level, names, np.array(steps, dtype=np.int64)))
    lower, upper = np.sort(factors * np.array(sales, dtype=np.float64), axis=0)
    return lower, upper

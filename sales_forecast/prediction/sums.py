"""Sums of series over some of their keys: how they are named, and their quantiles.

Takes places of keys and their values, gives names; takes what was measured on sums, gives
quantiles. Must not know where that was measured or is kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from sales_forecast.data.panel import Array
from sales_forecast.models.spread import Spread, around


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


def quantiles(
    of: Spread, keys: Mapping[int, str], steps: Sequence[int], sales: Array, asked: Sequence[float]
) -> Array:
    """Return float64[n, n_asked] of n periods of one sum; NaN where too little is known.

    `of`: as measured of sums over the same keys; `keys`: place -> value of those that are alike in
    the sum; `steps`, `sales`: of each period; `asked`: as `spread.around` has them.
    """
    return quantiles_of(of, [tuple(keys.values())] * len(steps), steps, sales, asked)


def quantiles_of(
    of: Spread,
    values: Sequence[Sequence[str]],
    steps: Sequence[int],
    sales: Array,
    asked: Sequence[float],
) -> Array:
    """Return float64[n, n_asked] of n sums of one level, one period each; see `quantiles`.

    `values`: those of the keys that are alike in each sum.
    """
    names, step = [*map(sum_name, values)], np.array(steps, dtype=np.int64)
    chance, if_sold = if_any_sold(sales, np.array([of.one_sale.get(name, 0.0) for name in names]))
    return around(if_sold, of.factors(asked, of.widths_of(names), step, chance))


def if_any_sold(sales: Array, one_sale: Array) -> tuple[Array, Array]:
    """Return the chance that sums sell anything, and what they are then expected to sell.

    All float64[n]. Single sales are taken to come independently, so that their number is one of
    Poisson: none with a chance of exp(-sales / one_sale). `one_sale`: 0 of what always sells.
    """
    chance = np.ones(len(sales))
    some = (one_sale > 0) & (sales != 0)
    chance[some] = -np.expm1(-np.abs(sales[some]) / one_sale[some])
    return chance, sales / chance

"""What quantiles are asked of, and what they are measured on: rows of a table as arrays.

Takes and gives arrays alone. Must not know a table, nor a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from sales_forecast.data.panel import Array
from sales_forecast.models.ages import Ages

Index = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Asked:
    """What quantiles are asked of, n rows.

    Attributes:
        names: of series.
        series: intp[n], the place of each row's in `names`.
        age: int8[n], of the series at the origin, its place in `AGES`.
        step: int64[n], periods ahead.
        chance: float64[n], that anything is sold.
    """

    names: Sequence[str]
    series: Index
    age: Ages
    step: npt.NDArray[np.int64]
    chance: Array

    def only(self, rows: npt.NDArray[np.bool_] | Index) -> Self:
        """Return some of the rows."""
        tables = {name: of[rows] for name, of in vars(self).items() if name != "names"}
        return replace(self, **tables)


@dataclass(frozen=True, eq=False)
class Forecasts(Asked):
    """Forecasts of one model, n rows.

    Attributes:
        if_sold: float64[n], what was expected if anything is sold.
        window: intp[n], equal for forecasts that were made at one time.
        y: float64[n], sales.
    """

    if_sold: Array
    window: Index
    y: Array

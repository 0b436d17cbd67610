"""Tables with gaps, a row a series: medians of what is known, days by weeks, some rows at a time.

numpy only, so that the service can run it. Must not know what the numbers are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from sales_forecast.data.panel import Array

T = TypeVar("T", bound=np.generic)

_OF_A_CACHE = 64
"""Series of some years of days, with a few numbers for each."""


def medians(values: Array) -> Array:
    """Return the medians along the last axis of what is known; NaN where nothing is."""
    ordered = np.sort(values, axis=-1)  # NaN last
    count = (~np.isnan(values)).sum(axis=-1, keepdims=True)
    middle = np.maximum(np.concatenate([(count - 1) // 2, count // 2], axis=-1), 0)
    found: Array = np.take_along_axis(ordered, middle, axis=-1).mean(axis=-1)
    return found


def by_weeks(values: npt.NDArray[T], a_week: int, unknown: float) -> npt.NDArray[T]:
    """Return [n_rows, n_weeks, a_week] of [n_rows, n_periods]; weeks count back from the last."""
    padded = np.pad(values, ((0, 0), (-values.shape[1] % a_week, 0)), constant_values=unknown)
    return padded.reshape(len(values), padded.shape[1] // a_week, a_week)


def blocks(n: int, size: int = _OF_A_CACHE) -> Iterator[slice]:
    """Yield slices of n rows, of no more at once than a processor has at hand."""
    return (slice(start, start + size) for start in range(0, n, size))

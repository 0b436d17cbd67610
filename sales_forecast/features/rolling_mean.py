"""Means of the last columns of a table, for any row and end, by cumulative sums.

Takes a table with gaps, gives means of what is known. numpy only, so that the service can run it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sales_forecast.data.panel import Array

_Index = npt.NDArray[np.int64]


class RollingMean:
    """Means of the last k columns of float64[n_rows, n_columns]; NaN does not count."""

    def __init__(self, values: Array) -> None:
        known = ~np.isnan(values)
        shape = len(values), values.shape[1] + 1
        self._sums, self._counts = np.zeros(shape), np.zeros(shape, dtype=np.int32)
        np.cumsum(np.where(known, values, 0.0), axis=1, out=self._sums[:, 1:])
        np.cumsum(known, axis=1, out=self._counts[:, 1:])

    def __call__(self, row: _Index, end: _Index, columns: int) -> Array:
        """Return the mean of columns end - columns + 1 .. end of each row; 0 if none is known."""
        stop, start = end + 1, np.maximum(end + 1 - columns, 0)
        count = self._counts[row, stop] - self._counts[row, start]
        mean: Array = (self._sums[row, stop] - self._sums[row, start]) / np.maximum(count, 1)
        return mean

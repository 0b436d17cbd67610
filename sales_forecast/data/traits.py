"""Traits of series: which of them name, which measure, and which series are alike by them.

Takes a panel, gives names, numbers and the rows of peers. Must not know sales.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sales_forecast.data.panel import Array, Panel

Index = npt.NDArray[np.intp]

_MOST_CODES = 12
"""Whole numbers of more values than that are a measure, unless they are a key of the series."""
NEAREST = 5
"""So many peers are enough to say what is usual, and few enough to be near."""
_WHOLE_NUMBERS = "iu"


def is_name(panel: Panel, values: npt.NDArray[np.generic]) -> bool:
    """Tell what names (a type, store 3 of series 3-72) from what measures (square feet).

    `values`: array[n_series], a trait of a panel.
    """
    if values.dtype.kind not in _WHOLE_NUMBERS:
        return values.dtype.kind != "f"
    texts = values.astype(str)
    return len(np.unique(texts)) <= _MOST_CODES or any(
        np.array_equal(texts, key.astype(str)) for key in panel.keys.values()
    )


@dataclass(frozen=True, eq=False)
class Likeness:
    """What makes series of a panel alike.

    Attributes:
        names: int64[n_series, n_names], equal where the label is.
        weights: int64[n_names], what it counts to share one: that of the pool more than all else.
        measures: float64[n_series, n_measures], in standard deviations.
    """

    names: npt.NDArray[np.int64]
    weights: npt.NDArray[np.int64]
    measures: Array

    @classmethod
    def of(cls, panel: Panel) -> Likeness:
        """Read the traits of a panel."""
        names = [
            name
            for name, values in panel.traits.items()
            if name == panel.pooled_by or is_name(panel, values)
        ]
        codes = [np.unique(panel.traits[name], return_inverse=True)[1].ravel() for name in names]
        weights = [len(names) if name == panel.pooled_by else 1 for name in names]
        measures = [
            values.astype(np.float64) for name, values in panel.traits.items() if name not in names
        ]
        everyone = np.zeros((panel.n_series, 1), dtype=np.int64)  # even those without any trait
        return cls(
            np.column_stack([everyone, *codes]),
            np.array([0, *weights], dtype=np.int64),
            np.column_stack([everyone[:, :0], *(of / (of.std() or 1.0) for of in measures)]),
        )

    def peers(self, rows: Index, among: Index) -> Mapping[int, Index]:
        """Return row -> the rows among others that share the most names with it.

        Of its pool, if there are any. Where a measure tells them apart, the `NEAREST` of them, and
        those as near as the last of these.
        """
        found = {}
        kinds, back = np.unique(self.names[rows], axis=0, return_inverse=True)
        for number, kind in enumerate(kinds):
            shared = (self.names[among] == kind) @ self.weights
            alike = among[shared == shared.max(initial=0)]
            for row in rows[back.ravel() == number].tolist():
                found[row] = self._nearest(row, alike)
        return found

    def _nearest(self, row: int, alike: Index) -> Index:
        if not self.measures.shape[1]:
            return alike
        apart = np.abs(self.measures[alike] - self.measures[row]).sum(axis=1)
        return alike[apart <= np.sort(apart)[:NEAREST].max(initial=0.0)]

"""Static features that are texts, as numbers: by the labels that a model has learned.

Takes labels, gives their places. A label that nobody has learned moves no other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from sales_forecast.data.panel import Array, Panel

Vocabulary = Mapping[str, Sequence[str]]
"""Name of a static feature that is a text -> its labels, in order."""


def vocabulary_of(panel: Panel) -> Vocabulary:
    """Return the labels of every static feature of a panel that is a text."""
    return {
        name: tuple(np.unique(values).tolist())
        for name, values in panel.traits.items()
        if values.dtype.kind in "US"
    }


def codes_of(trait: npt.NDArray[np.generic], labels: Sequence[str] | None) -> Array:
    """Return float64[n_series]: numbers as they are, texts by their place among the labels.

    A label that is not among them has -1, and moves no other.
    """
    if trait.dtype.kind not in "US":
        return trait.astype(np.float64)
    place = {label: float(code) for code, label in enumerate(labels or ())}
    return np.array([place.get(label, -1.0) for label in trait.tolist()])

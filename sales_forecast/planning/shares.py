"""An amount of whole cents among many series, so that the parts add up to it exactly.

Takes cents and weights, gives cents. Source: the method of largest remainders (Hamilton).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Cents = npt.NDArray[np.int64]


def shares(amount: int, weights: npt.NDArray[np.float64]) -> Cents:
    """Return int64[n] whose sum is `amount`, each part near its share of the weights.

    `weights`: float64[n], n >= 1; those below 0 count as 0, and all alike where none is above.
    """
    kept = np.maximum(weights, 0.0)
    if not kept.any():
        kept = np.ones(len(weights))
    quota = amount * (kept / kept.sum())
    parts = np.floor(quota).astype(np.int64)
    # Of huge amounts the floors may be wrong by some cents: all are made good here.
    each, rest = divmod(amount - int(parts.sum()), len(parts))
    parts += each
    largest_first = np.argsort(parts - quota, kind="stable")
    parts[largest_first[:rest]] += 1
    return parts

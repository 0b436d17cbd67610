"""Labels taken together with their neighbours, as `Dept 1 to 11`: few enough to be judged apart.

Takes the label of each series, gives groups. Must not know what is judged.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sales_forecast.models.asked import Index

_MOST = 8


def ranges(name: str, labels: npt.NDArray[Any]) -> tuple[tuple[str, ...], Index]:
    """Return up to eight groups, and intp[n_series], the one that each series is in.

    `name`: what the labels are of; `labels`: one a series, at least one. Neighbours are so by
    number if all labels are whole ones, else by text.
    """
    known, place = np.unique(_numbers(labels), return_inverse=True)
    parts = np.array_split(known, min(_MOST, len(known)))
    named = tuple(
        f"{name} {part[0]}" if len(part) == 1 else f"{name} {part[0]} to {part[-1]}"
        for part in parts
    )
    of_known = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return named, of_known[place.ravel()]


def _numbers(labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return labels as numbers if all of them are whole ones."""
    texts = labels.astype(str)
    return texts.astype(np.int64) if np.char.isdecimal(texts).all() else texts

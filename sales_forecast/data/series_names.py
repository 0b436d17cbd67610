"""The names of series: their keys, joined by `-`.

Takes the keys of rows, gives one name a series. Must not let two series have one name.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.generic]


def named(
    keys: Sequence[Keys],
) -> tuple[tuple[str, ...], tuple[Keys, ...], npt.NDArray[np.intp]]:
    """Name the series of rows, ordered by number or text of their keys.

    Args:
        keys: int64[n] or text[n] each; together they name the series of a row.

    Returns:
        The names; the keys, each array[n_series]; the series of each row, int[n].

    Raises:
        ValueError: Two series would have one name.
    """
    found = [np.unique(key, return_inverse=True) for key in keys]
    codes = np.ravel_multi_index(
        [back.ravel() for _, back in found], [len(values) for values, _ in found]
    )
    used, rows = np.unique(codes, return_inverse=True)
    parts = np.unravel_index(used, [len(values) for values, _ in found])
    columns = tuple(values[part] for (values, _), part in zip(found, parts, strict=True))
    return joined(columns), columns, rows


def joined(columns: Sequence[Keys]) -> tuple[str, ...]:
    """Return the names of series by their keys, each array[n_series].

    Raises ValueError, naming both, where two series would have one name.
    """
    texts = [values.astype(str).tolist() for values in columns]
    owner: dict[str, tuple[str, ...]] = {}
    for parts in zip(*texts, strict=True):
        name = "-".join(parts)
        other = owner.setdefault(name, parts)
        if other != parts:
            raise ValueError(
                f"{_shown(other)} and {_shown(parts)} would both be the series {name!r}: "
                "write one of the keys without '-'"
            )
    return tuple(owner)


def _shown(parts: tuple[str, ...]) -> str:
    return f"({', '.join(map(repr, parts))})"

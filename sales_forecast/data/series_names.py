"""The names of series: their keys, joined by `-`.

Takes the keys of rows, gives each series a name of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

ONLY = "all"
"""The name of a series that has no keys, because there is no other."""
LONGEST_KEY = 200
"""Of the characters of a key: the service takes no longer ones."""
Keys = npt.NDArray[np.generic]


def key_of(cell: str) -> str:
    """Return a text that may be a key. Raises ValueError."""
    if not 0 < len(cell) <= LONGEST_KEY:
        raise ValueError(cell)
    return cell


def named(
    keys: Sequence[Keys], n: int
) -> tuple[tuple[str, ...], tuple[Keys, ...], npt.NDArray[np.intp]]:
    """Name the series of rows, ordered by number or text of their keys.

    Args:
        keys: int64[n] or text[n] each; together they name the series of a row. Without any, there
            is one series.
        n: how many rows there are.

    Returns:
        The names; the keys, each array[n_series]; the series of each row, int[n].
    """
    if not keys:
        return joined(()), (), np.zeros(n, dtype=np.intp)
    found = [np.unique(key, return_inverse=True) for key in keys]
    codes = np.ravel_multi_index(
        [back.ravel() for _, back in found], [len(values) for values, _ in found]
    )
    used, rows = np.unique(codes, return_inverse=True)
    parts = np.unravel_index(used, [len(values) for values, _ in found])
    columns = tuple(values[part] for (values, _), part in zip(found, parts, strict=True))
    return joined(columns), columns, rows


def joined(columns: Sequence[Keys]) -> tuple[str, ...]:
    r"""Return the names of different series by their keys, each array[n_series].

    If two would have one name (`a` and `1-2`, `a-1` and `2`), a `-` of a key is written `\-`.
    """
    if not columns:
        return (ONLY,)
    series = list(zip(*(values.astype(str).tolist() for values in columns), strict=True))
    names = tuple(map("-".join, series))
    return names if len({*names}) == len(names) else tuple(map(_unmistakable, series))


def _unmistakable(keys: Sequence[str]) -> str:
    return "-".join(key.replace("\\", r"\\").replace("-", r"\-") for key in keys)

"""Log sales of a pool as chain, levels and deviations.

Takes a panel, gives three parts that add up, and how rough each series is. numpy only, so that the
service can run it. Must not know models, dates or conditions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sales_forecast.data.panel import Array, Panel

_LEAST = 0.01
"""A week below so much of the mean of its store counts as that: an accident, not a level."""
_FEWEST_MOVES = 8
_ROUGH = 2**0.5
"""A store this much rougher than the middle one begins to weigh less in the chain."""
_FEWEST_DOUBLINGS, _MOST_DOUBLINGS = 2, 4
_BLOCK = 4096


def log_sales(y: Array) -> Array:
    """Return log(y), NaN where sales are missing or not positive (they have no logarithm)."""
    return np.log(np.where(y > 0, y, np.nan))


@dataclass(frozen=True, eq=False)
class Split:
    """Log sales as chain, level of the store, and deviation; the three add up.

    Attributes:
        chain: float64[n_periods], mean over stores of log sales beyond their own level, rough ones
            weighing less; NaN where no store is known.
        levels: float64[n_series], 0 for a store of which nothing is known.
        deviations: float64[n_series, n_periods], NaN where sales are unknown.
        noise: float64[n_series], the variance of a week's own part in units of that of most
            stores: a power of 4, so that few processes stand for all.
    """

    chain: Array
    levels: Array
    deviations: Array
    noise: Array

    @classmethod
    def of(cls, panel: Panel) -> Split:
        """Split the log sales of a panel of one pool."""
        sold = panel.y > 0
        means = _means(np.where(sold, panel.y, np.nan), 1)[:, None]
        logs = log_sales(np.where(sold, np.maximum(panel.y, _LEAST * means), np.nan))
        beyond = logs - _means(logs, 1)[:, None]
        weight = 1 / np.maximum(1, (_roughness(logs) / _ROUGH) ** 2)
        chain = np.where(np.isnan(logs).all(axis=0), np.nan, _means(beyond, 0, weight[:, None]))
        # A store of only some weeks has its level beside the chain of those weeks.
        levels = _means(logs - chain, 1)
        deviations = logs - chain - levels[:, None]
        # Two doublings at least: below that, stores differ in more than their noise.
        doublings = np.minimum(np.round(np.log2(_roughness(deviations))), _MOST_DOUBLINGS)
        noise = np.where(doublings >= _FEWEST_DOUBLINGS, 4.0**doublings, 1.0)
        return cls(chain, levels, deviations, noise)

    def alike(self) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], float]]:
        """Yield (series, weeks, noise) of the stores known in the same weeks and as rough."""
        known = ~np.isnan(self.deviations)
        # As strings of bytes: to sort rows of numbers would take half of the time of a forecast.
        noise = np.log2(self.noise).astype(np.uint8)
        kinds = np.ascontiguousarray(np.column_stack([np.packbits(known, axis=1), noise]))
        texts = kinds.view(f"S{kinds.shape[1]}").ravel()
        _, first, back = np.unique(texts, return_index=True, return_inverse=True)
        for number, row in enumerate(first):
            if known[row].any():
                series = np.flatnonzero(back == number)
                yield series, np.flatnonzero(known[row]), float(self.noise[row])

    def blocks(self) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], float]]:
        """Yield what `alike` does, of no more stores at once than a processor has at hand."""
        for series, week, noise in self.alike():
            for start in range(0, len(series), _BLOCK):
                yield series[start : start + _BLOCK], week, noise


def _roughness(logs: Array) -> Array:
    """Return float64[n_series]: the median move of a week, in units of that of the middle series.

    A series of too few moves counts as the roughest.
    """
    moves = np.abs(np.diff(logs, axis=1))
    rough = np.full(len(logs), np.nan)
    enough = (~np.isnan(moves)).sum(axis=1) >= _FEWEST_MOVES
    rough[enough] = np.nanmedian(moves[enough], axis=1)
    middle = float(np.median(rough[enough])) if enough.any() else 0.0
    relative = rough / middle if middle > 0 else np.ones(len(logs))
    roughest = max(1.0, float(np.nanmax(relative)))
    return np.maximum(np.where(np.isnan(relative), roughest, relative), 1 / _ROUGH)


def _means(values: Array, axis: int, weight: Array | float = 1.0) -> Array:
    """Return weighted means that leave NaN out, 0 where there is nothing else."""
    weights = np.where(np.isnan(values), 0.0, weight)
    total = weights.sum(axis)
    sums = (weights * np.nan_to_num(values)).sum(axis)
    return np.where(total > 0, sums / np.where(total > 0, total, 1.0), 0.0)

"""A regression of many series at once: each coefficient is the chain's and what a series adds.

Takes products of columns and values, gives coefficients; both parts are drawn to zero as far as the
data tell. The last columns may be steps of a level, which then is a random walk. numpy only. Must
not know what a column means.

Source of the algebra: Lindley and Smith, Bayes Estimates for the Linear Model, 1972; the spreads
between series are estimated by expectation maximisation (Dempster, Laird and Rubin, 1977).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from sales_forecast.data.panel import Array
from sales_forecast.features.tables import blocks

Floats = npt.NDArray[np.float32]
Columns = Callable[[slice], Floats]
"""The columns of some series: float32[n, p, n_periods]."""

# Standard deviations of log sales, from what retail is like; half of them do as well.
_CHAIN_STEP = 0.01
_CHAIN_NOISE = 0.045
"""That of a period that all series share: many series do not make it less."""
_CHAIN_PRIOR = 0.3
_LEVEL_SPREAD, _SPREAD, _STEP_SPREAD, _NOISE = 0.5, 0.05, 0.02, 0.1
"""Between series, and of a period of one: where the estimation starts."""
_LEAST_NOISE = 0.03
_ROUNDS = 6


@dataclass(frozen=True, eq=False)
class Coefficients:
    """What a history says of each column: `chain`, float64[p], and `own`, float64[n_series, p]."""

    chain: Array
    own: Array

    @cached_property
    def state(self) -> Mapping[str, Array]:
        """Both, by name."""
        return {"chain": self.chain, "own": self.own}


@dataclass(frozen=True, eq=False)
class Spreads:
    """How far series differ, and how far periods stray.

    Attributes:
        columns: float64[n_columns], variance of what series add to the chain's coefficients.
        step: the same of a step of the level.
        noise: float64[n_series], variance of a period of a series.
    """

    columns: Array
    step: float
    noise: Array

    @classmethod
    def usual(cls, n_columns: int, n_series: int) -> Self:
        """Return what an estimation starts from; the first column is the level."""
        columns = np.full(n_columns, _SPREAD**2)
        columns[0] = _LEVEL_SPREAD**2
        return cls(columns, _STEP_SPREAD**2, np.full(n_series, _NOISE**2))

    def variances(self, n_steps: int) -> Array:
        """Return float64[n_columns + n_steps]."""
        return np.append(self.columns, np.full(n_steps, self.step))


@dataclass(frozen=True, eq=False)
class Sums:
    """All that the estimation needs of a history, which is read once.

    Attributes:
        gram: float32[n_series, p, p], products of columns over the known periods.
        cross: float64[n_series, p], of columns and values beyond `mean`.
        square: float64[n_series], of values beyond `mean`.
        known: int64[n_series], the number of periods.
        mean: of all values.
    """

    gram: Floats
    cross: Array
    square: Array
    known: npt.NDArray[np.int64]
    mean: float

    @classmethod
    def of(cls, values: Array, columns: Columns, p: int) -> Self:
        """Read float64[n_series, n_periods], NaN where unknown; of `p` columns the first is 1."""
        known = ~np.isnan(values)
        mean = float(values[known].mean()) if known.any() else 0.0
        y = np.where(known, values - mean, 0.0)
        gram = np.empty((len(y), p, p), np.float32)
        cross = np.empty((len(y), p))
        for block in blocks(len(y)):
            X = columns(block) * known[block, None]
            gram[block] = X @ X.transpose(0, 2, 1)
            cross[block] = _times(X, y[block].astype(np.float32))
        return cls(gram, cross, (y**2).sum(axis=1), known.sum(axis=1), mean)


def estimate(sums: Sums, start: Spreads) -> tuple[Coefficients, Spreads]:
    """Estimate how far series differ, and the coefficients along with it."""
    return _in_turn(sums, start, learn=True)


def solve(sums: Sums, spreads: Spreads) -> Coefficients:
    """Estimate the coefficients, as far as series are known to differ."""
    return _in_turn(sums, spreads, learn=False)[0]


def _in_turn(sums: Sums, spreads: Spreads, *, learn: bool) -> tuple[Coefficients, Spreads]:
    """Fit chain and series in turn, each to what the other leaves."""
    n_series, p = sums.cross.shape
    width = len(spreads.columns)
    prior = np.append(np.full(width, _CHAIN_PRIOR), np.full(p - width, _CHAIN_STEP))
    # Summed over series a period tells no more than its shared noise lets it.
    total = sums.gram.mean(axis=0, dtype=np.float64) + np.diag((_CHAIN_NOISE / prior) ** 2)
    own = np.zeros((n_series, p))
    chain = np.zeros(p)
    for _ in range(_ROUNDS):
        left = sums.cross - _times(sums.gram, own.astype(np.float32))
        chain = np.linalg.solve(total, left.mean(axis=0))
        variance, noise = spreads.variances(p - width), spreads.noise.copy()
        square = np.zeros(p)
        for block in blocks(n_series):
            gram = sums.gram[block].astype(np.float64)
            rest = sums.cross[block] - gram @ chain
            spread = np.linalg.inv(gram / noise[block, None, None] + np.diag(1 / variance))
            own[block] = _times(spread, rest) / noise[block, None]
            square += (own[block] ** 2 + np.einsum("spp->sp", spread)).sum(axis=0)
            if learn:
                noise[block] = _noise(sums, block, gram, chain + own[block])
        if learn:
            mean = square / n_series
            step = float(mean[width:].mean()) if p > width else spreads.step
            spreads = replace(spreads, columns=mean[:width], step=step, noise=noise)
    chain[0] += sums.mean
    return Coefficients(chain, own), spreads


def _noise(sums: Sums, block: slice, gram: Array, both: Array) -> Array:
    """Return float64[n]: the mean square of what coefficients leave of a period."""
    explained = (both * (2 * sums.cross[block] - _times(gram, both))).sum(axis=1)
    left = (sums.square[block] - explained) / np.maximum(sums.known[block], 1)
    return np.maximum(left, _LEAST_NOISE**2)


def _times(matrices: npt.NDArray[np.floating], vectors: npt.NDArray[np.floating]) -> Array:
    """Return each matrix times its vector."""
    products: Array = (matrices @ vectors[..., None])[..., 0]
    return products

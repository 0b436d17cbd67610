"""How much sales differed when another thing was planned, and how sure that is: of sales alone.

Takes a history and the name of what was planned, gives a part of sales with its standard error. No
model is asked: who tries a wish sees beside its answer what was measured. Must not know HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sales_forecast.data.panel import Array, Panel

_WEEKS = 8
"""Of a block: within one, levels and seasons are taken for constant."""
_LEAST_BLOCKS = 6
"""With fewer, an error that is said would be a guess."""
_LEAST_ALONE = 1e-3
"""A promotion that always cuts the price by a fifth tells nothing of either alone."""


@dataclass(frozen=True)
class Effect:
    """What a change made of sales, as a part of them: 0.2 are 20% more.

    Attributes:
        effect: of the least that was planned being exchanged for the most.
        standard_error: of `effect`.
        blocks: of eight weeks, in which both was planned.
        series: over how many it was measured.
    """

    effect: float
    standard_error: float
    blocks: int
    series: int


def measured_effect(panel: Panel, rows: Sequence[int], name: str, by: float) -> Effect | None:
    """Return how sales of some series differed where a planned covariate was more by `by`.

    A regression of the logarithm of sales on all that was planned, within blocks of eight weeks of
    one series and one weekday; the standard error is a jackknife of whole blocks, so what moves
    all series or neighbouring periods alike is counted in. None where that cannot be told: too few
    blocks have both, nothing is ever sold without it, or it always changed with other plans.
    Source: Miller, The Jackknife, 1974.
    """
    names = [name, *(other for other in panel.plan if other != name)]
    squares, products = _by_block(panel, rows, names)
    seen = squares[:, 0, 0] > 0
    if seen.sum() < _LEAST_BLOCKS:
        return None
    whole = squares.sum(axis=0), products.sum(axis=0)
    if _left_alone(whole[0]) < _LEAST_ALONE:
        return None
    slope = _slope(*whole)
    left_out = [
        _slope(whole[0] - square, whole[1] - product)
        for square, product in zip(squares[seen], products[seen], strict=True)
    ]
    n = len(left_out)
    error = float(np.sqrt((n - 1) / n * np.sum((np.array(left_out) - np.mean(left_out)) ** 2)))
    factor = float(np.exp(slope * by))
    return Effect(factor - 1, factor * abs(by) * error, n, len(rows))


def _left_alone(square: Array) -> float:
    """Return what part of all changes of the first plan its changes beside the others are."""
    own, beside, others = square[0, 0], square[0, 1:], square[1:, 1:]
    return float(1 - beside @ _inverse(others) @ beside / own)


def _by_block(panel: Panel, rows: Sequence[int], names: Sequence[str]) -> tuple[Array, Array]:
    """Return float64[n_blocks, n_names, n_names] and [n_blocks, n_names]: normal equations."""
    n, a_week = panel.n_periods, panel.frequency.a_week
    y = panel.y[rows]
    with np.errstate(divide="ignore", invalid="ignore"):
        tables = [*(panel.plan[name][rows, :n] for name in names), np.log(y)]
    # What is known of no series at all tells nothing, and must not hide the others.
    tables = [np.zeros_like(of) if np.isnan(of).all() else of for of in tables]
    cells = np.stack(tables)
    known = np.isfinite(cells).all(axis=0) & (y > 0)
    size = _WEEKS * a_week
    squares, products = [], []
    for start in range(0, n, size):
        square, product = np.zeros((len(names), len(names))), np.zeros(len(names))
        for weekday in range(a_week):
            part = slice(start + weekday, start + size, a_week)
            there = known[:, part]
            values = np.where(there, cells[:, :, part], 0.0)
            means = values.sum(axis=2) / np.maximum(there.sum(axis=1), 1)
            apart = np.where(there, values - means[:, :, None], 0.0).reshape(len(values), -1)
            square += apart[:-1] @ apart[:-1].T
            product += apart[:-1] @ apart[-1]
        squares.append(square)
        products.append(product)
    return np.array(squares), np.array(products)


def _slope(square: Array, product: Array) -> float:
    return float((_inverse(square) @ product)[0])


def _inverse(square: Array) -> Array:
    # Of several others that always changed together each takes a part of what they did.
    return np.asarray(np.linalg.pinv(square, rcond=1e-9, hermitian=True), dtype=np.float64)

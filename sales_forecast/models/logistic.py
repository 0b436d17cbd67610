"""A logistic regression whose coefficients are expected to be near some. numpy only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sales_forecast.data.panel import Array

_LEAST = 0.001
"""Shares nearer to 0 or 1 count as so far from it."""
_ROUNDS, _NEAR_ENOUGH = 20, 1e-6


def logit(share: Array) -> Array:
    """Return the log odds of shares, of 0 and 1 those of a share next to it."""
    inside = np.clip(share, _LEAST, 1 - _LEAST)
    return np.asarray(np.log(inside / (1 - inside)), dtype=np.float64)


def probability(log_odds: Array) -> Array:
    """Return the probabilities of log odds."""
    return np.asarray(1 / (1 + np.exp(-log_odds)), dtype=np.float64)


def likeliest(
    X: Array,
    happened: npt.NDArray[np.bool_],
    beside: Array,
    before: Array,
    precision: Array,
    *,
    counts: float = 1.0,
) -> Array:
    """Return the coefficients of highest posterior density, by Newton's method.

    `X`: float64[n, n_coefficients]; `beside`: float64[n], what else the logit of a row is made of;
    `before`, `precision`: what is expected of coefficients, and how firmly; a row `counts` so much.
    """
    found = before
    for _ in range(_ROUNDS):
        chance = probability(X @ found + beside)
        slope = counts * (happened - chance) @ X - precision * (found - before)
        curve = (X * (counts * chance * (1 - chance))[:, None]).T @ X + np.diag(precision)
        # A whole step may leap past the top, where all chances are 0 or 1.
        step = np.clip(np.linalg.solve(curve, slope), -1, 1)
        found = found + step
        if np.abs(step).max(initial=0.0) < _NEAR_ENOUGH:
            break
    return found

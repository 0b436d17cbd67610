"""Coefficients of a chain and of what series add to it, against slow regressions."""

from __future__ import annotations

import numpy as np
import pytest

from sales_forecast.features import shrinkage
from sales_forecast.features.shrinkage import Spreads, Sums, estimate, solve

N, P, DAYS = 70, 3, 200  # more series than one block holds


def columns(seed: int = 0) -> np.ndarray:
    """float32[N, P, DAYS]; the first is 1."""
    X = np.random.default_rng(seed).normal(0, 1, (N, P, DAYS)).astype(np.float32)
    X[:, 0] = 1.0
    return X


def values(X: np.ndarray, chain: np.ndarray, own: np.ndarray, noise: float) -> np.ndarray:
    """What series of given coefficients sell; every tenth day is not known."""
    y = ((chain + own)[:, None] @ X)[:, 0]
    y = y + noise * np.random.default_rng(1).standard_normal(y.shape)
    y[:, ::10] = np.nan
    return y


def sums_of(X: np.ndarray, y: np.ndarray) -> Sums:
    return Sums.of(y, lambda some: X[some], P)


def ridge(X: np.ndarray, y: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """Least squares with rows that draw each coefficient to zero."""
    rows, wanted = np.vstack([X.T, np.diag(np.sqrt(penalty))]), np.append(y, np.zeros(len(X)))
    return np.linalg.lstsq(rows, wanted, rcond=None)[0]


def planted() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    X, chain = columns(), np.array([5.0, 0.3, -0.2])
    own = np.random.default_rng(2).normal(0, [0.5, 0.1, 0.02], (N, P))
    return X, values(X, chain, own, 0.05), chain, own


def test_sums_are_those_of_the_known_days():
    X, y, *_ = planted()
    found = sums_of(X, y)
    for row in (0, 69):
        known = ~np.isnan(y[row])
        beyond = y[row, known] - np.nanmean(y)
        np.testing.assert_allclose(
            X[row][:, known] @ X[row][:, known].T, found.gram[row], rtol=1e-4
        )
        np.testing.assert_allclose(X[row][:, known] @ beyond, found.cross[row], atol=1e-3)
        assert pytest.approx(beyond @ beyond) == found.square[row]
        assert 180 == found.known[row]


def test_what_a_series_adds_is_a_ridge_regression_of_what_the_chain_leaves():
    X, y, *_ = planted()
    spreads = Spreads(np.array([0.2, 0.01, 0.003]), 0.0, np.full(N, 0.01))
    found = solve(sums_of(X, y), spreads)
    for row in (0, 40, 69):
        known = ~np.isnan(y[row])
        left = y[row, known] - found.chain @ X[row][:, known]
        own = ridge(X[row][:, known], left, 0.01 / spreads.columns)
        np.testing.assert_allclose(own, found.own[row], atol=1e-4)


def test_the_chain_is_a_ridge_regression_of_all_series_that_are_alike():
    X, chain = columns(), np.array([5.0, 0.3, -0.2])
    y = values(X, chain, np.zeros((N, P)), 0.05)
    found = solve(sums_of(X, y), Spreads(np.full(P, 1e-12), 0.0, np.full(N, 0.01)))
    known = ~np.isnan(y)
    stacked = np.hstack([X[row][:, known[row]] for row in range(N)])
    penalty = N * (shrinkage._CHAIN_NOISE / shrinkage._CHAIN_PRIOR) ** 2
    mean = np.nanmean(y)
    slow = ridge(stacked, y[known] - mean, np.full(P, penalty))
    np.testing.assert_allclose(slow, found.chain - [mean, 0, 0], atol=1e-4)


def test_how_far_series_differ_and_stray_is_found():
    X, y, chain, own = planted()
    found, spreads = estimate(sums_of(X, y), Spreads.usual(P, N))
    np.testing.assert_allclose(np.sqrt(spreads.columns), [0.5, 0.1, 0.02], rtol=0.25)
    np.testing.assert_allclose(np.sqrt(spreads.noise), 0.05, rtol=0.2)
    np.testing.assert_allclose(found.chain + found.own, chain + own, atol=0.02)


def test_a_series_without_values_adds_nothing():
    X, y, *_ = planted()
    y[3] = np.nan
    found, _ = estimate(sums_of(X, y), Spreads.usual(P, N))
    assert [0.0, 0.0, 0.0] == found.own[3].tolist()


def test_of_nothing_at_all_nothing_is_said():
    found, _ = estimate(sums_of(columns(), np.full((N, DAYS), np.nan)), Spreads.usual(P, N))
    assert not found.chain.any()
    assert not found.own.any()

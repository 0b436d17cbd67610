"""Other ways to compute what the forecasters compute."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from statsmodels.tsa.arima.model import ARIMA


def statsmodels_fit(growth: np.ndarray) -> Any:
    """ARIMA(0,1,1) of one series without gaps, as statsmodels fits and forecasts it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Provided `endog` series has been differenced")
        return ARIMA(growth, order=(0, 1, 1), trend="n").fit(method="innovations_mle")


def best_linear_forecast(growth: np.ndarray, theta: float) -> float:
    """The last value plus the best linear predictor of the next difference of an MA(1) process."""
    differences = np.diff(growth)
    n = len(differences)
    if n == 0:
        return float(growth[-1])
    covariance = np.diag(np.full(n, 1 + theta**2))
    covariance += np.diag(np.full(n - 1, theta), 1) + np.diag(np.full(n - 1, theta), -1)
    with_next = np.zeros(n)
    with_next[-1] = theta
    return float(growth[-1] + with_next @ np.linalg.solve(covariance, differences))

"""Forecasting with a fitted ARIMA(0,1,1): numpy only, so that the service can run it.

Takes log sales without their calendar part and one moving average parameter a store, gives the
level at which they will go on. It is the one implementation that backtest and service use;
`arima` estimates the parameters, and a test holds this against statsmodels' own forecast.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sales_forecast.data.panel import Array
from sales_forecast.features.features import History


def level(values: Array, theta: Array) -> Array:
    """Return float64[n_series]: the ARIMA(0,1,1) forecast of series, equal for every step.

    `values`: float64[n_series, n_periods], NaN where unknown (a gap leaves the level as it
    was). `theta`: float64[n_series], |theta| < 1. A series of which nothing is known gives NaN.
    Source: the innovations algorithm for an MA(1) process (Brockwell and Davis, Time Series:
    Theory and Methods, section 5.2), on the first differences.
    """
    last = np.full(len(values), np.nan)
    expected = np.zeros(len(values))  # of the next difference
    variance = 1 + theta**2  # of its error, in units of the innovations
    for value in values.T:
        known = ~np.isnan(value)
        moved = known & ~np.isnan(last)
        surprise = np.where(moved, value - last - expected, 0.0)
        expected = np.where(moved, theta / variance * surprise, expected)
        variance = np.where(moved, 1 + theta**2 - theta**2 / variance, variance)
        last = np.where(known, value, last)
    return last + expected


def forecast(history: History, theta: Mapping[str, float], horizon: int) -> Array:
    """Return float64[n_series, horizon], sales of the weeks after the last one of `history`.

    `theta`: series -> parameter, at least one; a series without gets the median of all.
    """
    series, _, target = history.ahead(horizon)
    typical = float(np.median(list(theta.values())))
    thetas = np.array([theta.get(name, typical) for name in history.panel.series])
    calendar = history.calendar(series, target).reshape(-1, horizon)
    return np.exp(calendar + level(history.adjusted, thetas)[:, None])

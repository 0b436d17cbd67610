"""Two more baselines: what a store sells on average, lately and in this week of the year.

Each takes a panel and gives sales; needs numpy only. Weeks of which nothing is known do not
count; where that leaves none, the last known week answers.
"""

from __future__ import annotations

import numpy as np

from sales_forecast.forecasters.naive import Baseline, or_last_value
from sales_forecast.panel import SEASON_LENGTH, Array

_RECENT_WEEKS = 8


def _moving_average(y: Array, horizon: int) -> Array:
    """A week sells the mean of the last 8 weeks."""
    recent = _known_mean(y[:, -_RECENT_WEEKS:])
    return np.repeat(or_last_value(recent[:, None], y), horizon, axis=1)


def _seasonal_average(y: Array, horizon: int) -> Array:
    """A week sells the mean of the same week of all known years."""
    n_series, n_periods = y.shape
    missing = -n_periods % SEASON_LENGTH
    years = np.hstack([np.full((n_series, missing), np.nan), y])
    # As many whole years as there are: a column is 52 - column weeks before the next week.
    mean = _known_mean(years.reshape(n_series, -1, SEASON_LENGTH))
    return or_last_value(mean[:, np.arange(horizon) % SEASON_LENGTH], y)


def _known_mean(values: Array) -> Array:
    """Return the mean over the second axis of what is known, NaN where nothing is."""
    known = ~np.isnan(values)
    count = known.sum(axis=1)
    total = np.where(known, values, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


MOVING_AVERAGE = Baseline("moving_average", _moving_average)
SEASONAL_AVERAGE = Baseline("seasonal_average", _seasonal_average)
AVERAGES = (MOVING_AVERAGE, SEASONAL_AVERAGE)

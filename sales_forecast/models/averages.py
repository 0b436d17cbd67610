"""More baselines: what a store sells on average, lately, in this week of the year, and if seldom.

Each takes a panel and gives sales; needs numpy only. Weeks of which nothing is known do not
count; where that leaves none, the last known week answers.
"""

from __future__ import annotations

import numpy as np

from sales_forecast.data.panel import Array, Panel
from sales_forecast.models.naive import Baseline, or_last_value

_RECENT_WEEKS = 8
_SMOOTHING = 0.1


def _moving_average(history: Panel, horizon: int) -> Array:
    """A week sells the mean of the last 8 weeks, a day that of the same weekdays."""
    a_week = history.frequency.a_week
    recent = history.y[:, -history.frequency.periods(_RECENT_WEEKS) :]
    weeks = _whole(recent, a_week)
    mean = _known_mean(weeks)[:, np.arange(horizon) % a_week]
    return or_last_value(mean, history)


def _seasonal_average(history: Panel, horizon: int) -> Array:
    """A week sells the mean of the same week of all known years."""
    season = history.frequency.season
    mean = _known_mean(_whole(history.y, season))
    return or_last_value(mean[:, np.arange(horizon) % season], history)


def _tsb(history: Panel, horizon: int) -> Array:
    """Every period sells the smoothed chance of a sale times the smoothed size of one.

    Source: Teunter, Syntetos and Babai, Intermittent demand: Linking forecasting to inventory
    obsolescence, 2011.
    """
    chance, size = np.full((2, history.n_series), np.nan)
    for sold in history.y.T:
        some = np.where(np.isnan(sold), np.nan, sold > 0)
        moved = np.where(np.isnan(chance), some, chance + _SMOOTHING * (some - chance))
        chance = np.where(np.isnan(some), chance, moved)
        larger = np.where(np.isnan(size), sold, size + _SMOOTHING * (sold - size))
        size = np.where(sold > 0, larger, size)
    mean = np.where(chance == 0, 0.0, chance * size)
    return or_last_value(np.repeat(mean[:, None], horizon, axis=1), history)


def _whole(y: Array, length: int) -> Array:
    """Return float64[n_series, n, length]: the last column is that of the last period.

    As many whole lengths as there are, so that a column repeats in the period `length` later.
    """
    missing = np.full((len(y), -y.shape[1] % length), np.nan)
    return np.hstack([missing, y]).reshape(len(y), -1, length)


def _known_mean(values: Array) -> Array:
    """Return the mean over the second axis of what is known, NaN where nothing is."""
    known = ~np.isnan(values)
    count = known.sum(axis=1)
    total = np.where(known, values, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


MOVING_AVERAGE = Baseline("moving_average", _moving_average)
SEASONAL_AVERAGE = Baseline("seasonal_average", _seasonal_average)
TSB = Baseline("tsb", _tsb)
AVERAGES = (MOVING_AVERAGE, SEASONAL_AVERAGE, TSB)

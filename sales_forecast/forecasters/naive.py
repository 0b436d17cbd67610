"""The baselines: simple, honest, and hard to beat. A score table without them says nothing.

Each takes a panel and gives sales; needs numpy only, so that the service can answer with
one where no model has earned its place yet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sales_forecast.forecasters.base import FutureConditions
from sales_forecast.panel import SEASON_LENGTH, Array, Panel

_GROWTH_WEEKS = 8


def _last_value(y: Array) -> Array:
    """Return float64[n_series]: the last known value, NaN for a series without any."""
    known = ~np.isnan(y)
    column = y.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1)
    return y[np.arange(len(y)), column]


def _same_week_last_year(y: Array, horizon: int) -> Array:
    """Return the same weeks of the last known year, NaN where a store has no sales there."""
    steps = np.arange(horizon)
    week = y.shape[1] + steps - SEASON_LENGTH * (1 + steps // SEASON_LENGTH)
    return np.where(week >= 0, y[:, np.maximum(week, 0)], np.nan)


def _naive(y: Array, horizon: int) -> Array:
    """Next week sells what this week sold."""
    return np.repeat(_last_value(y)[:, None], horizon, axis=1)


def _seasonal_naive(y: Array, horizon: int) -> Array:
    """A week sells what it sold 52 weeks ago; where that is unknown, what the last week sold."""
    return or_last_value(_same_week_last_year(y, horizon), y)


def _seasonal_naive_growth(y: Array, horizon: int) -> Array:
    """A week sells what it sold 52 weeks ago, times the growth of the last 8 weeks."""
    return or_last_value(_same_week_last_year(y, horizon) * _growth(y)[:, None], y)


def or_last_value(reference: Array, y: Array) -> Array:
    """Return a reference, and the last known value of a series where it is NaN."""
    return np.where(np.isnan(reference), _last_value(y)[:, None], reference)


def _growth(y: Array) -> Array:
    """Return float64[n_series]: sales of the last 8 weeks over those of the same weeks a year ago.

    Only weeks with positive sales in both years count; 1 where that leaves none.
    """
    now = y[:, SEASON_LENGTH:][:, -_GROWTH_WEEKS:]
    before = y[:, :-SEASON_LENGTH][:, -_GROWTH_WEEKS:]
    both = (now > 0) & (before > 0)
    total = np.where(both, now, 0.0).sum(axis=1)
    base = np.where(both, before, 0.0).sum(axis=1)
    some = both.any(axis=1)
    return np.where(some, total / np.where(some, base, 1.0), 1.0)


@dataclass(frozen=True)
class Baseline:
    """A rule that learns nothing: `predict` is the rule applied to the history."""

    name: str
    rule: Callable[[Array, int], Array]
    """(float64[n_series, n_periods], horizon) -> float64[n_series, horizon]."""

    def fit(self, panel: Panel) -> Baseline:
        """Learn nothing."""
        del panel
        return self

    def predict(
        self, history: Panel, horizon: int, conditions: FutureConditions | None = None
    ) -> Array:
        """See `base.FittedForecaster.predict`."""
        del conditions
        return self.rule(history.y, horizon)


LAST_VALUE = Baseline("naive", _naive)
SEASONAL_NAIVE = Baseline("seasonal_naive", _seasonal_naive)
GROWTH = Baseline("seasonal_naive_growth", _seasonal_naive_growth)
BASELINES = (LAST_VALUE, SEASONAL_NAIVE, GROWTH)

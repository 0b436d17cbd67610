"""The baselines: simple, honest, and hard to beat. A score table without them says nothing.

Each takes a panel and gives sales; needs numpy only, so that the service can answer with
one where no model has earned its place yet.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sales_forecast.data.panel import Array, Panel
from sales_forecast.features.calendar_effects import State
from sales_forecast.features.features import LARGEST_CHANGE
from sales_forecast.models.base import FutureConditions

_GROWTH_WEEKS = 8
GROWTH_ANSWERS = (
    "Until then the growth baseline answers: sales of the same period a year before, times the "
    f"growth of the last {_GROWTH_WEEKS} weeks; where that period is not known, what was sold last."
)
"""What callers are told, after the reason, where no model answers."""


def last_value(history: Panel, horizon: int) -> Array:
    """Return float64[n_series, horizon]: the last known value of the same weekday.

    Of any day, where that weekday never sold; NaN for a series of which nothing is known.
    """
    y, a_week = history.y, history.frequency.a_week
    any_day = _last_known(y)
    of_weekday = [_last_known(y[:, first::a_week]) for first in range(a_week)]
    steps = (history.n_periods + np.arange(horizon)) % a_week
    values = np.stack(of_weekday, axis=1)[:, steps]
    return np.where(np.isnan(values), any_day[:, None], values)


def _last_known(y: Array) -> Array:
    if not y.shape[1]:  # a weekday of less than a week
        return np.full(len(y), np.nan)
    column = y.shape[1] - 1 - np.argmax(~np.isnan(y[:, ::-1]), axis=1)
    last: Array = y[np.arange(len(y)), column]
    return last


def _same_week_last_year(history: Panel, horizon: int) -> Array:
    """Return the same weeks of the last known year, NaN where a store has no sales there."""
    y, season = history.y, history.frequency.season
    steps = np.arange(horizon)
    week = y.shape[1] + steps - season * (1 + steps // season)
    return np.where(week >= 0, y[:, np.maximum(week, 0)], np.nan)


def _seasonal_naive(history: Panel, horizon: int) -> Array:
    """A week sells what it sold 52 weeks ago; where that is unknown, what the last week sold."""
    return or_last_value(_same_week_last_year(history, horizon), history)


def _seasonal_naive_growth(history: Panel, horizon: int) -> Array:
    """A week sells what it sold 52 weeks ago, times the growth of the last 8 weeks."""
    reference = _same_week_last_year(history, horizon) * _growth(history)[:, None]
    return or_last_value(reference, history)


def or_last_value(reference: Array, history: Panel) -> Array:
    """Return a reference, and the last known value of a series where it is NaN."""
    missing = np.isnan(reference)
    if not missing.any():
        return reference
    return np.where(missing, last_value(history, reference.shape[1]), reference)


def _growth(history: Panel) -> Array:
    """Return float64[n_series]: sales of the last 8 weeks over those of the same weeks a year ago.

    Only weeks with positive sales in both years count; 1 where that leaves none. No growth is
    believed beyond `LARGEST_CHANGE`: a series that barely sold last year has no rate of growth.
    """
    y, season = history.y, history.frequency.season
    recent = history.frequency.periods(_GROWTH_WEEKS)
    now = y[:, season:][:, -recent:]
    before = y[:, :-season][:, -recent:]
    both = (now > 0) & (before > 0)
    total = np.where(both, now, 0.0).sum(axis=1)
    base = np.where(both, before, 0.0).sum(axis=1)
    some = both.any(axis=1)
    growth = np.where(some, total / np.where(some, base, 1.0), 1.0)
    return np.clip(growth, math.exp(-LARGEST_CHANGE), math.exp(LARGEST_CHANGE))


@dataclass(frozen=True)
class Baseline:
    """A rule that learns nothing: `predict` is the rule applied to the history."""

    name: str
    rule: Callable[[Panel, int], Array]
    """(history, horizon) -> float64[n_series, horizon]."""

    @property
    def state(self) -> State:
        """See `base.Storable.state`."""
        return {"kind": "baseline", "rule": self.name}

    def fit(self, panel: Panel) -> Baseline:
        """Learn nothing."""
        del panel
        return self

    def predict(
        self, history: Panel, horizon: int, conditions: FutureConditions | None = None
    ) -> Array:
        """See `base.FittedForecaster.predict`."""
        del conditions
        return self.rule(history, horizon)


LAST_VALUE = Baseline("naive", last_value)
SEASONAL_NAIVE = Baseline("seasonal_naive", _seasonal_naive)
GROWTH = Baseline("seasonal_naive_growth", _seasonal_naive_growth)
BASELINES = (LAST_VALUE, SEASONAL_NAIVE, GROWTH)
BASELINE_NAMES = frozenset(rule.name for rule in BASELINES)

"""The calendar profile: what the chain as a whole sells in a week because of its dates.

Takes a panel, gives the calendar part of log sales for any week, past or future. One ridge
regression of the chain's mean log sales on the season, the day of the month and the counts
of event days; a linear trend is fitted beside them and left out, so that the profile holds
the calendar alone. Pooling all stores is what makes two years enough: a single store has
seen each holiday twice. Must not know stores, models or conditions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sales_forecast import calendar
from sales_forecast.panel import SEASON_LENGTH, Array, Days, Panel

_SEASON_ORDERS = 5
_MONTH_ORDERS = 3
# One pseudo-observation against each effect. Not tuned: 0.3 and 3 give the same scores.
_PENALTY = 1.0
_TREND_PENALTY = 1e-3


def log_sales(y: Array) -> Array:
    """Return log(y), NaN where sales are missing or not positive (they have no logarithm)."""
    return np.log(np.where(y > 0, y, np.nan))


def _terms(periods: Days) -> Array:
    return np.concatenate(
        [
            calendar.season_harmonics(periods, _SEASON_ORDERS),
            calendar.month_harmonics(periods, _MONTH_ORDERS),
            calendar.event_days(periods),
        ],
        axis=1,
    )


@dataclass(frozen=True, eq=False)
class CalendarProfile:
    """The fitted effects, one weight per calendar term."""

    weights: Array

    def at(self, periods: Days) -> Array:
        """Return the calendar part of log sales, float64[n], for weeks ending on `periods`."""
        return _terms(periods) @ self.weights


def fit_profile(panel: Panel) -> CalendarProfile:
    """Fit the profile to all weeks of `panel` by ridge regression.

    A panel without any positive sales gives a profile of zeros.
    """
    logs = log_sales(panel.y)
    known = ~np.isnan(logs)
    filled = np.where(known, logs, 0.0)
    store_means = filled.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    deviations = np.where(known, logs - store_means[:, None], 0.0).sum(axis=0)
    stores = known.sum(axis=0)
    weeks = stores > 0
    chain = deviations[weeks] / stores[weeks]

    terms = _terms(panel.periods[weeks])
    trend = np.flatnonzero(weeks) / SEASON_LENGTH
    design = np.column_stack([np.ones(len(chain)), trend, terms])
    penalty = np.full(design.shape[1], _PENALTY)
    penalty[:2] = _TREND_PENALTY
    effects = np.linalg.solve(design.T @ design + np.diag(penalty), design.T @ chain)
    return CalendarProfile(effects[2:])

"""A fitted ARIMA(0,1,1) of each series, on what the calendar leaves over.

Takes log sales without their calendar part and one moving average parameter a series, gives the
level at which they will go on. `models.arima` estimates the parameters, and a test holds this
against statsmodels' own forecast.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from sales_forecast.data.panel import Array, Panel
from sales_forecast.features.calendar_effects import Profile, State
from sales_forecast.features.features import History
from sales_forecast.models.base import FutureConditions


def levels(values: Array, theta: Array) -> Array:
    """Return float64[n_series, n_periods]: the ARIMA(0,1,1) forecast at each origin, for any step.

    `values`: float64[n_series, n_periods], NaN where unknown (a gap leaves the level as it
    was). `theta`: float64[n_series], |theta| < 1. NaN until something is known of a series.
    Source: the innovations algorithm for an MA(1) process (Brockwell and Davis, Time Series:
    Theory and Methods, section 5.2), on the first differences.
    """
    last = np.full(len(values), np.nan)
    expected = np.zeros(len(values))  # of the next difference
    variance = 1 + theta**2  # of its error, in units of the innovations
    found = np.empty_like(values)
    for period, value in enumerate(values.T):
        known = ~np.isnan(value)
        moved = known & ~np.isnan(last)
        surprise = np.where(moved, value - last - expected, 0.0)
        expected = np.where(moved, theta / variance * surprise, expected)
        variance = np.where(moved, 1 + theta**2 - theta**2 / variance, variance)
        last = np.where(known, value, last)
        found[:, period] = last + expected
    return found


@dataclass(frozen=True, eq=False)
class FittedArima:
    """One moving average parameter a series, and the calendar profile.

    Attributes:
        theta: series -> parameter, at least one; a series without gets the median of all.
    """

    theta: Mapping[str, float]
    profile: Profile

    @cached_property
    def state(self) -> State:
        """See `base.Storable.state`."""
        return {
            "kind": "arima",
            "series": list(self.theta),
            "theta": np.array([*self.theta.values()]),
            "profile": self.profile.state,
        }

    @classmethod
    def restore(cls, state: State, profile: Profile) -> Self:
        """Return the model of a state."""
        return cls(dict(zip(state["series"], state["theta"].tolist(), strict=True)), profile)

    def predict(
        self, history: Panel, horizon: int, conditions: FutureConditions | None = None
    ) -> Array:
        """See `base.FittedForecaster.predict`. Conditions are not used."""
        del conditions
        past = History(history, self.profile)
        series, _, target = past.ahead(horizon)
        calendar = past.calendar(series, target).reshape(-1, horizon)
        return np.exp(calendar + self.levels(past)[:, -1:])

    def levels(self, past: History) -> Array:
        """Return float64[n_series, n_periods]: at each origin, the level at which sales go on.

        `past`: as the model's own profile shows it; log sales without their calendar part.
        """
        typical = float(np.median(list(self.theta.values())))
        thetas = np.array([self.theta.get(name, typical) for name in past.panel.series])
        return levels(past.adjusted, thetas)

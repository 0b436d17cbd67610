"""A fitted ETS(A, Ad, N) of each series, on what the calendar leaves over.

Takes log sales without their calendar part and three parameters a series, gives the level and the
damped trend with which they will go on. `models.ets` estimates the parameters.
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


def ahead(values: Array, parameters: Array, horizon: int) -> Array:
    """Return float64[n_series, horizon]: what series with a damped trend go on with.

    `values`: float64[n_series, n_periods], NaN where unknown (level and trend then go on as
    expected). `parameters`: float64[n_series, 3]. A series of which nothing is known gives NaN.
    Source: Gardner and McKenzie, Forecasting Trends in Time Series, 1985.
    """
    alpha, beta, phi = parameters.T
    level, trend = np.full(len(values), np.nan), np.zeros(len(values))
    for value in values.T:
        expected = np.where(np.isnan(level), value, level + phi * trend)
        now = np.where(np.isnan(value), expected, alpha * value + (1 - alpha) * expected)
        moved = np.where(np.isnan(level), 0.0, now - level)
        trend, level = beta * moved + (1 - beta) * phi * trend, now
    lasting = np.cumsum(phi[:, None] ** np.arange(1, horizon + 1), axis=1)
    path: Array = level[:, None] + lasting * trend[:, None]
    return path


@dataclass(frozen=True, eq=False)
class FittedEts:
    """Three parameters per series, and the calendar profile."""

    parameters: Mapping[str, Array]
    profile: Profile

    @cached_property
    def state(self) -> State:
        """See `base.Storable.state`."""
        return {
            "kind": "ets",
            "series": list(self.parameters),
            "parameters": np.array([*self.parameters.values()]),
            "profile": self.profile.state,
        }

    @classmethod
    def restore(cls, state: State, profile: Profile) -> Self:
        """Return the model of a state."""
        return cls(dict(zip(state["series"], state["parameters"], strict=True)), profile)

    def predict(
        self, history: Panel, horizon: int, conditions: FutureConditions | None = None
    ) -> Array:
        """See `base.FittedForecaster.predict`. Conditions are not used."""
        del conditions
        past = History(history, self.profile)
        typical = np.median([*self.parameters.values()], axis=0)
        parameters = np.array([self.parameters.get(name, typical) for name in history.series])
        calendar = past.profile.at(history.series, history.after(horizon))
        return np.exp(calendar + ahead(past.adjusted, parameters, horizon))

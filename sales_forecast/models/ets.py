"""ETS per store: level and damped trend of log sales without their calendar part.

Takes panels, gives sales. statsmodels estimates three parameters a store (errors and trend
additive, no season: the calendar has taken it); the recursion that they drive runs here for all
stores at once, so that a fit can answer from a later history.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from statsmodels.tsa import holtwinters

from sales_forecast.data.panel import Array, Panel
from sales_forecast.features.calendar_effects import Profile
from sales_forecast.features.features import History
from sales_forecast.models.arima import by_store
from sales_forecast.models.base import FutureConditions
from sales_forecast.models.pooled import fit_profile

_NAMES = ("smoothing_level", "smoothing_trend", "damping_trend")


def _parameters(values: Array) -> Array:
    """Estimate (alpha, beta, phi) of one series without gaps, by least squares one step ahead."""
    with warnings.catch_warnings():
        # Where nothing moves the errors are 0, which has no logarithm; the answer is right.
        warnings.simplefilter("ignore")
        # The trend begins at nothing, not at a difference of two noisy weeks.
        start = {"initial_level": values[0], "initial_trend": 0.0}
        model = holtwinters.Holt(values, damped_trend=True, initialization_method="known", **start)
        found = model.fit().params
    return np.array([float(found[name]) for name in _NAMES])


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

    def predict(
        self, history: Panel, horizon: int, conditions: FutureConditions | None = None
    ) -> Array:
        """See `base.FittedForecaster.predict`. Conditions are not used."""
        del conditions
        past = History(history, self.profile)
        typical = np.median([*self.parameters.values()], axis=0)
        parameters = np.array([self.parameters.get(name, typical) for name in history.series])
        calendar = self.profile.at(history.series, history.after(horizon))
        return np.exp(calendar + ahead(past.adjusted, parameters, horizon))


@dataclass(frozen=True)
class EtsForecaster:
    """ETS(A, Ad, N) on what the calendar leaves over, fitted to each store on its own."""

    name: str = "ets"

    def fit(self, panel: Panel) -> FittedEts:
        """Estimate every store's parameters. Raises NotEnoughData where no store has enough.

        A store too short for an estimate gets none; the median then answers for it.
        """
        profile = fit_profile(panel)
        return FittedEts(by_store(panel, profile, _parameters, "ETS"), profile)


ETS = EtsForecaster()

"""ETS per store: level and damped trend of log sales without their calendar part.

Takes panels, gives sales. statsmodels estimates three parameters a store (errors and trend
additive, no season: the calendar has taken it); the recursion that they drive runs here for all
stores at once, so that a fit can answer from a later history.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from statsmodels.tsa import holtwinters

from sales_forecast.compute import engine
from sales_forecast.data.panel import Array, Panel
from sales_forecast.models.arima import long_enough
from sales_forecast.models.fitted.damped_trend import FittedEts
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


@dataclass(frozen=True)
class EtsForecaster:
    """ETS(A, Ad, N) on what the calendar leaves over, fitted to each store on its own."""

    name: str = "ets"

    def fit(self, panel: Panel) -> FittedEts:
        """Estimate every store's parameters. Raises NotEnoughData where no store has enough.

        A store too short for an estimate gets none; the median then answers for it.
        """
        profile = fit_profile(panel)
        values = long_enough(panel, profile, "ETS")
        found = engine.current().map(_parameters, [*values.values()])
        return FittedEts(dict(zip(values, found, strict=True)), profile)


ETS = EtsForecaster()

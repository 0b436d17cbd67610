"""ARIMA per store: (0,1,1) on log sales without their calendar part.

Takes panels, gives sales. statsmodels estimates one moving average parameter a store; the
forecast itself is `fitted.smoothing`. The order is a choice
from principle, exponential smoothing of the level: what is left has no season to difference.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from statsmodels.tsa.arima import model as statsmodels_arima

from sales_forecast.compute import engine
from sales_forecast.data.frequency import SEASON_LENGTH
from sales_forecast.data.panel import Array, Panel
from sales_forecast.features.calendar_effects import Profile
from sales_forecast.features.features import History
from sales_forecast.models.base import too_short, weeks_of_sales
from sales_forecast.models.fitted.smoothing import FittedArima
from sales_forecast.models.pooled import fit_profile

T = TypeVar("T")

_ORDER = (0, 1, 1)
# A slope of the log likelihood at which theta has six digits; the default costs four times more.
_SEARCH = {"method": "BFGS", "options": {"gtol": 1e-3}}
MIN_WEEKS = SEASON_LENGTH + 4
"""A year for the calendar, and some weeks in which it does not repeat itself exactly."""


def _theta(values: Array) -> float:
    """Estimate theta of one series without gaps, by maximum likelihood."""
    if (np.diff(values) == 0).all():
        return 0.0  # nothing moves: statsmodels would divide by that
    with warnings.catch_warnings():
        # A short series can end on the border of what is invertible: that is an answer too.
        warnings.simplefilter("ignore")
        model = statsmodels_arima.ARIMA(values, order=_ORDER, trend="n")
        how = {"minimize_kwargs": _SEARCH}
        found = model.fit(method="innovations_mle", method_kwargs=how, return_params=True)
        return float(found[0])


def _without_gaps(values: Array) -> Array:
    """Return one series from its first known value on, each gap filled with the value before."""
    known = ~np.isnan(values)
    if not known.any():
        return values[:0]
    filled_from = np.maximum.accumulate(np.where(known, np.arange(len(values)), -1))
    return values[filled_from[int(np.argmax(known)) :]]


def by_store(
    panel: Panel, profile: Profile, estimate: Callable[[Array], T], model: str
) -> dict[str, T]:
    """Estimate something of each store on its own, from what the calendar leaves over.

    A store too short for an estimate gets none. Raises NotEnoughData where no store has enough.
    """
    adjusted = History(panel, profile).adjusted
    enough = weeks_of_sales(panel) >= MIN_WEEKS
    long = {panel.series[row]: _without_gaps(adjusted[row]) for row in np.flatnonzero(enough)}
    found = dict(zip(long, engine.current().map(estimate, [*long.values()]), strict=True))
    if not found:
        raise too_short(panel, model, MIN_WEEKS)
    return found


@dataclass(frozen=True)
class ArimaForecaster:
    """ARIMA(0,1,1) on what the calendar leaves over, fitted to each store on its own."""

    name: str = "arima"

    def fit(self, panel: Panel) -> FittedArima:
        """Estimate every store's parameter. Raises NotEnoughData where no store has enough.

        A store too short for an estimate gets none; `smoothing` then takes the median.
        """
        profile = fit_profile(panel)
        return FittedArima(by_store(panel, profile, _theta, "ARIMA"), profile)


ARIMA = ArimaForecaster()

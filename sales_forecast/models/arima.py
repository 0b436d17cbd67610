"""ARIMA per store: (0,1,1) on log sales without their calendar part.

Takes panels, gives sales. One moving average parameter a store is estimated by maximum
likelihood, for all stores at once; a test holds that statsmodels finds the same. The forecast
itself is `fitted.smoothing`. The order is a choice from principle, exponential smoothing of the
level: what is left has no season to difference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sales_forecast.data.frequency import SEASON_LENGTH
from sales_forecast.data.panel import Array, Panel
from sales_forecast.features.calendar_effects import Profile
from sales_forecast.features.features import History
from sales_forecast.models.base import too_short, weeks_of_sales
from sales_forecast.models.fitted.smoothing import FittedArima
from sales_forecast.models.pooled import fit_profile

MIN_WEEKS = SEASON_LENGTH + 4
"""A year for the calendar, and some weeks in which it does not repeat itself exactly."""
_SEARCH = ((0.05, 20), (0.005, 10), (0.0005, 10))
"""Step of a grid, and how many of them on both sides of the best of the grid before."""
_LEAST = 1e-300
"""A variance whose logarithm there is, where nothing moves."""
_AT_ONCE = 4096
"""Series, so that a grid of them is a few MB."""


def deviance(differences: Array, theta: Array) -> Array:
    """Return float64[n_series, n_theta]: -2 log likelihood of MA(1) processes, less a constant.

    `differences`: float64[n_series, n], each beginning at the left and NaN after its end; `theta`:
    float64[n_series, n_theta], |theta| <= 1. The variance is the likeliest one. Source: the
    innovations algorithm (Brockwell and Davis, Time Series: Theory and Methods, sections 5.2, 8.6).
    """
    known = ~np.isnan(differences)
    n = known.sum(axis=1)[:, None]
    expected, squares, logs = (np.zeros((len(differences), theta.shape[1])) for _ in range(3))
    variance = 1 + theta**2  # of the error of what is expected, in units of the innovations
    for period in range(differences.shape[1]):
        here = known[:, period, None]
        surprise = np.where(here, differences[:, period, None] - expected, 0.0)
        squares += surprise**2 / variance
        logs += here * np.log(variance)
        expected = theta / variance * surprise
        variance = 1 + theta**2 - theta**2 / variance
    return n * np.log(np.maximum(squares / n, _LEAST)) + logs


def thetas(differences: Array) -> Array:
    """Return float64[n_series]: the likeliest theta of each MA(1) process, within 1e-6.

    `differences`: as `deviance` takes them. 0 where nothing moves.
    """
    if len(differences) > _AT_ONCE:
        parts = [differences[n : n + _AT_ONCE] for n in range(0, len(differences), _AT_ONCE)]
        return np.concatenate([thetas(part) for part in parts])
    rows, best = np.arange(len(differences)), np.zeros(len(differences))
    for step, reach in _SEARCH:
        grid = np.clip(best[:, None] + step * np.arange(-reach, reach + 1), -1.0, 1.0)
        found = deviance(differences, grid)
        place = np.clip(found.argmin(axis=1), 1, 2 * reach - 1)
        best = grid[rows, found.argmin(axis=1)]
    # The vertex of a parabola through the best and its neighbours; the border of what is invertible
    # is an answer too.
    before, at, after = (found[rows, place + side] for side in (-1, 0, 1))
    bend = before - 2 * at + after
    inside = (np.abs(best) < 1) & (bend > 0)
    moved = np.divide(before - after, 2 * bend, out=np.zeros_like(best), where=inside)
    moves = np.nan_to_num(differences).any(axis=1)
    return np.where(moves, np.clip(best + step * moved, -1.0, 1.0), 0.0)


def _without_gaps(values: Array) -> Array:
    """Return one series from its first known value on, each gap filled with the value before."""
    known = ~np.isnan(values)
    if not known.any():
        return values[:0]
    filled_from = np.maximum.accumulate(np.where(known, np.arange(len(values)), -1))
    return values[filled_from[int(np.argmax(known)) :]]


def long_enough(panel: Panel, profile: Profile, model: str) -> dict[str, Array]:
    """Return what the calendar leaves over of each series that has `MIN_WEEKS` of sales.

    Raises NotEnoughData where none has.
    """
    adjusted = History(panel, profile).adjusted
    enough = np.flatnonzero(weeks_of_sales(panel) >= MIN_WEEKS)
    if not enough.size:
        raise too_short(panel, model, MIN_WEEKS)
    return {panel.series[row]: _without_gaps(adjusted[row]) for row in enough}


@dataclass(frozen=True)
class ArimaForecaster:
    """ARIMA(0,1,1) on what the calendar leaves over, fitted to each store on its own."""

    name: str = "arima"

    def fit(self, panel: Panel) -> FittedArima:
        """Estimate every store's parameter. Raises NotEnoughData where no store has enough.

        A store too short for an estimate gets none; `smoothing` then takes the median.
        """
        profile = fit_profile(panel)
        values = long_enough(panel, profile, "ARIMA")
        differences = np.full((len(values), panel.n_periods - 1), np.nan)
        for row, of in zip(differences, values.values(), strict=True):
            row[: len(of) - 1] = np.diff(of)
        return FittedArima(dict(zip(values, thetas(differences).tolist(), strict=True)), profile)


ARIMA = ArimaForecaster()

"""The designs that public projects of this kind use, without their leaks, for comparison.

Takes and gives what the forecasters of the package do (`sales_forecast.models.base`),
so that the same windows measure them all. They exist for benchmarks and for the test that
the generated sample tells the story that real data tells; nothing else may import them.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestRegressor
from statsmodels.tsa.arima.model import ARIMA
from xgboost import XGBRegressor

from sales_forecast.data.calendar import holiday_flags
from sales_forecast.data.panel import CONDITIONS, Array, Days, Panel
from sales_forecast.models.base import FutureConditions

_N_LAGS = 2
_ARIMA_ORDER = (5, 1, 0)


def feature_rows(
    past: Array, week: np.datetime64, conditions: Mapping[str, Array], stores: Array
) -> Array:
    """Return float64[n, n_features] of one week: lags, dates, conditions, one-hot store.

    `past`: float64[n, at least 2], sales up to the week before; `week`: the day that ends
    the week; `conditions`: float64[n] for each name of `CONDITIONS`; `stores`: float64[n,
    n_series], rows of the identity matrix.
    """
    day = date.fromisoformat(str(week))
    dates = np.tile([float(day.isocalendar().week), float(day.month)], (len(past), 1))
    known = [conditions[name] for name in CONDITIONS]
    return np.column_stack([past[:, -1], past[:, -2], dates, *known, stores])


@dataclass(frozen=True)
class FittedCommonTrees:
    """A Random Forest and an XGBoost that predict the level of sales."""

    forest: Any
    boosting: Any

    def predict_rows(self, rows: Array) -> Array:
        """Return float64[n]: the mean of both models for rows of `feature_rows`."""
        mean: Array = (self.forest.predict(rows) + self.boosting.predict(rows)) / 2
        return mean

    def predict(
        self, history: Panel, horizon: int, conditions: FutureConditions | None = None
    ) -> Array:
        """See `base.FittedForecaster.predict`. Later steps take predictions for their lags."""
        weeks = history.after(horizon)
        stores = np.eye(history.n_series)
        expected = conditions or _last_known_conditions(history, weeks)
        sales = history.y
        for step, week in enumerate(weeks):
            known = {name: values[:, step] for name, values in expected.items()}
            following = self.predict_rows(feature_rows(sales, week, known, stores))
            sales = np.column_stack([sales, following])
        return sales[:, -horizon:]


@dataclass(frozen=True)
class CommonTrees:
    """Random Forest and XGBoost with default settings, averaged."""

    name: str = "common_trees"

    def fit(self, panel: Panel) -> FittedCommonTrees:
        """Learn from every week that has both lags."""
        stores = np.eye(panel.n_series)
        rows = []
        for index in range(_N_LAGS, panel.n_periods):
            known = {name: values[:, index] for name, values in panel.conditions.items()}
            rows.append(feature_rows(panel.y[:, :index], panel.periods[index], known, stores))
        X, y = np.vstack(rows), panel.y[:, _N_LAGS:].T.ravel()
        complete = ~np.isnan(y) & ~np.isnan(X).any(axis=1)
        return FittedCommonTrees(
            RandomForestRegressor(random_state=0).fit(X[complete], y[complete]),
            XGBRegressor(random_state=0).fit(X[complete], y[complete]),
        )


@dataclass(frozen=True)
class FittedCommonArima:
    """The statsmodels results of each store."""

    stores: tuple[Any, ...]

    def predict(
        self, history: Panel, horizon: int, conditions: FutureConditions | None = None
    ) -> Array:
        """See `base.FittedForecaster.predict`. Parameters are those of the fit."""
        del conditions
        return np.stack(
            [
                fitted.apply(sales).forecast(horizon)
                for fitted, sales in zip(self.stores, history.y, strict=True)
            ]
        )


@dataclass(frozen=True)
class CommonArima:
    """ARIMA(5,1,0) on the raw sales of each store."""

    name: str = "common_arima"

    def fit(self, panel: Panel) -> FittedCommonArima:
        """Estimate one model a store by maximum likelihood."""
        with warnings.catch_warnings():
            # Doubtful starting values and convergence are part of the common design.
            warnings.simplefilter("ignore")
            return FittedCommonArima(
                tuple(ARIMA(sales, order=_ARIMA_ORDER).fit() for sales in panel.y)
            )


def _last_known_conditions(history: Panel, weeks: Days) -> FutureConditions:
    shape = (history.n_series, len(weeks))
    known = {name: np.broadcast_to(c[:, -1:], shape) for name, c in history.conditions.items()}
    return {**known, "Holiday_Flag": np.broadcast_to(holiday_flags(weeks), shape)}

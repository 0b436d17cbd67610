"""Ridge regression, global and direct: what a straight line makes of the features of the trees.

Takes panels, gives sales. One model for all stores and all steps, on the training set of
`trees`. A line goes on where a tree stops, so every feature is cut to the range it was fitted
on. The penalty is a choice from principle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sales_forecast.compute.threads import one_thread
from sales_forecast.data.panel import Panel
from sales_forecast.features.vocabulary import vocabulary_of
from sales_forecast.models.fitted.regressor import FittedRegressor, Line
from sales_forecast.models.pooled import fit_profile
from sales_forecast.models.trees import training_set

# In log sales: a week strays by some 5%, one standard deviation of a feature moves it by some 1%.
# The penalty at which both are believed is the square of their ratio, were all rows independent.
_NOISE, _EFFECT = 0.05, 0.01


@dataclass(frozen=True)
class RidgeForecaster:
    """A linear model of standardised features."""

    name: str = "ridge"

    def fit(self, panel: Panel) -> FittedRegressor:
        """Learn from all of `panel`. Raises NotEnoughData as the trees do."""
        profile = fit_profile(panel)
        rows = training_set(panel, profile)
        # The rows of one week err alike, in all stores and at all steps: they count as one.
        rows_a_week = len(rows.y) / panel.n_periods
        penalty = Ridge(alpha=rows_a_week * (_NOISE / _EFFECT) ** 2)
        model = make_pipeline(MinMaxScaler(clip=True), StandardScaler(), penalty)
        with one_thread():
            model.fit(rows.X, rows.y)
        return FittedRegressor(self.name, _line(*model), profile, vocabulary_of(panel))


def _line(ranges: MinMaxScaler, standard: StandardScaler, ridge: Ridge) -> Line:
    """Return what the three steps of a fitted pipeline make of features, as one line."""
    slope = ridge.coef_ / standard.scale_
    intercept = float(ridge.intercept_ - slope @ standard.mean_)
    return Line(
        np.asarray(ranges.data_min_, dtype=np.float64),
        np.asarray(ranges.data_max_, dtype=np.float64),
        np.asarray(slope, dtype=np.float64),
        intercept,
    )


RIDGE = RidgeForecaster()

"""The ensemble: a weighted mean of several models.

Takes panels, gives sales. The mean is one of log sales, as errors are relative: a store eight
times as large must not count eightfold. The weights come from inner windows alone: the members
are fitted to what was known 20 weeks before the end of the panel and judged on four forecasts of
eight weeks since then. They are those of least squared error among weights that are not negative
and add up to 1, which is all the restraint that they need (Breiman, Stacked Regressions, 1996).

Chosen among seven rules (equal weights, inverse errors, the best member, and between) on the last
13 weeks of the public store sales until 2011-10-28 and on four generated samples of other seeds:
thin evidence, but it agreed. Weights move much from fit to fit, as members are so alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from sales_forecast.data.panel import Array, Panel
from sales_forecast.errors import NotEnoughData
from sales_forecast.features.decomposition import log_sales
from sales_forecast.features.features import LARGEST_CHANGE
from sales_forecast.models.arima import ARIMA
from sales_forecast.models.base import Forecaster
from sales_forecast.models.fit_cache import fit_once
from sales_forecast.models.fitted.blends import FittedEnsemble, FittedMean
from sales_forecast.models.pooled import POOLED
from sales_forecast.models.trees import TREES

INNER_WINDOWS, INNER_STEP, INNER_HORIZON = 4, 4, 8
INNER_WEEKS = (INNER_WINDOWS - 1) * INNER_STEP + INNER_HORIZON


@dataclass(frozen=True)
class EnsembleForecaster:
    """A weighted mean of models whose predictions are positive."""

    members: Sequence[Forecaster]
    name: str = "ensemble"

    def fit(self, panel: Panel) -> FittedEnsemble:
        """Fit and weigh the members; equal weights where no inner window can be judged."""
        members = {member.name: fit_once(member, panel) for member in self.members}
        weights = stacked(self._inner_errors(panel))
        return FittedEnsemble(members, dict(zip(members, weights.tolist(), strict=True)))

    def _inner_errors(self, panel: Panel) -> Array:
        """Return float64[n_members, n]: errors of log sales in the inner windows."""
        none = np.empty((len(self.members), 0))
        weeks = panel.frequency.periods
        step, horizon = weeks(INNER_STEP), weeks(INNER_HORIZON)
        first = panel.n_periods - weeks(INNER_WEEKS)
        if first < 1:
            return none
        try:
            start = panel.until(panel.periods[first - 1])
            members = [fit_once(member, start) for member in self.members]
        except NotEnoughData:
            return none
        windows = []
        for end in range(first, panel.n_periods - horizon + 1, step):
            history = panel.until(panel.periods[end - 1])
            expected = np.stack([one.predict(history, horizon) for one in members])
            sold = log_sales(panel.y[:, end : end + horizon])
            windows.append((np.log(expected) - sold).reshape(len(members), -1))
        errors = np.hstack(windows)
        judged = errors[:, ~np.isnan(errors).any(axis=0)]
        # A store that closes for a week says nothing about the models.
        return np.clip(judged, -LARGEST_CHANGE, LARGEST_CHANGE)


@dataclass(frozen=True)
class MeanForecaster:
    """The plain mean of models."""

    members: Sequence[Forecaster]
    name: str

    def fit(self, panel: Panel) -> FittedMean:
        """Fit the members. Raises NotEnoughData as they do."""
        return FittedMean({member.name: fit_once(member, panel) for member in self.members})


def stacked(errors: Array) -> Array:
    """Return float64[n_members]: weights of least squared error of the weighted mean.

    `errors`: float64[n_members, n]; none at all gives equal weights.
    """
    n_members, n = errors.shape
    if n == 0:
        return np.full(n_members, 1 / n_members)
    # The last row asks for a sum of 1. It only scales the answer, so scaling it back is exact.
    rows, wanted = np.vstack([errors.T, np.ones(n_members)]), np.append(np.zeros(n), 1.0)
    weights: Array = optimize.nnls(rows, wanted)[0]
    return weights / weights.sum()


MEMBERS: tuple[Forecaster, ...] = (*TREES, ARIMA, POOLED)
"""Of a training; who asks for more models has more of them."""

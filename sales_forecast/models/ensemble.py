"""The ensemble: a weighted mean of several models.

Takes panels, gives sales. The mean is one of log sales, as errors are relative: a store eight
times as large must not count eightfold. The weights come from inner windows alone: the members
are fitted to what was known 20 weeks before the end of the panel and judged on four forecasts of
eight weeks since then. A member weighs by its mean squared error, to the power of -2: weights of
least squared error are far apart from fit to fit, as members are so alike, and no better
(docs/decisions/0016-weights-by-inverse-errors.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sales_forecast.data.panel import Array, Panel
from sales_forecast.errors import NotEnoughData
from sales_forecast.features.decomposition import log_sales
from sales_forecast.features.features import LARGEST_CHANGE
from sales_forecast.models.arima import ARIMA
from sales_forecast.models.base import Forecaster
from sales_forecast.models.fit_cache import fit_once
from sales_forecast.models.fitted.blends import FittedEnsemble, FittedMean
from sales_forecast.models.naive import GROWTH
from sales_forecast.models.pooled import POOLED
from sales_forecast.models.trees import TREES

INNER_WINDOWS, INNER_STEP, INNER_HORIZON = 4, 4, 8
INNER_WEEKS = (INNER_WINDOWS - 1) * INNER_STEP + INNER_HORIZON
_SHARPNESS = 2


@dataclass(frozen=True)
class EnsembleForecaster:
    """A weighted mean of models. A prediction that is not positive counts for nothing."""

    members: Sequence[Forecaster]
    name: str = "ensemble"

    def fit(self, panel: Panel) -> FittedEnsemble:
        """Fit and weigh the members; equal weights where no inner window can be judged."""
        members = {member.name: fit_once(member, panel) for member in self.members}
        weights = by_inverse_errors(self._inner_errors(panel))
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
            windows.append((log_sales(expected) - sold).reshape(len(members), -1))
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


def by_inverse_errors(errors: Array) -> Array:
    """Return float64[n_members]: weights that add up to 1, by the mean squared error of each.

    `errors`: float64[n_members, n]; none at all gives equal weights. One that is never wrong
    shares all of the weight with its like.
    """
    n_members, n = errors.shape
    if n == 0:
        return np.full(n_members, 1 / n_members)
    squared = (errors**2).mean(axis=1)
    least = squared.min()
    if least == 0:
        weights: Array = (squared == 0).astype(np.float64)
    else:
        weights = (squared / least) ** -_SHARPNESS
    return weights / weights.sum()


MEMBERS: tuple[Forecaster, ...] = (*TREES, ARIMA, POOLED, GROWTH)
"""Of a training; who asks for more models has more of them."""

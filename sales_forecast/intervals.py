"""80% intervals from residuals: how far off forecasts of the same step have been.

Takes the relative errors of past forecasts, gives two factors per step that a prediction is
multiplied with. Knows no model: what was measured is what is promised.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sales_forecast.panel import Array

_LEVELS = (0.1, 0.9)
MIN_RESIDUALS = 30
"""Fewer say nothing about a tenth."""


@dataclass(frozen=True, eq=False)
class IntervalFactors:
    """Factors of the lower and upper end for the steps 1..n; never narrower at a later step."""

    lower: Array
    upper: Array

    def at(self, step: int) -> tuple[float, float]:
        """Return the two factors of a step.

        Beyond the last step that was measured the interval widens with the root of the step,
        as a random walk's does.
        """
        measured = len(self.lower)
        last = min(step, measured) - 1
        widening = math.sqrt(max(step, measured) / measured)
        lower = float(self.lower[last]) ** widening
        upper = float(self.upper[last]) ** widening
        return lower, upper


def interval_factors(step: npt.NDArray[np.int64], ratio: Array, horizon: int) -> IntervalFactors:
    """Return the factors for steps 1..horizon from residuals of forecasts.

    `step`: int64[n], `ratio`: float64[n], sales over prediction, not below 0. A step takes the
    residuals of all steps up to it: its own are those of a few windows, and the widest of many
    small samples would be too wide. NaN where they are fewer than `MIN_RESIDUALS`.
    """
    lower = np.full(horizon, np.nan)
    upper = np.full(horizon, np.nan)
    for position in range(horizon):
        chosen = ratio[step <= position + 1]
        if len(chosen) >= MIN_RESIDUALS:
            lower[position], upper[position] = np.quantile(chosen, _LEVELS)
    # The prediction itself lies inside, and more steps never mean more certainty.
    return IntervalFactors(
        np.fmin.accumulate(np.minimum(lower, 1.0)), np.fmax.accumulate(np.maximum(upper, 1.0))
    )

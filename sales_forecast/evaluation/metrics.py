"""Errors of forecasts: pure functions of what was sold and what was predicted.

Takes equally shaped arrays in units of sales, gives one number each. R2 is not here: with
stores that differ eightfold in size, even the last value reaches 0.94.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from sales_forecast.data.panel import Array

HOLIDAY_WEIGHT = 5.0


def mae(y: Array, prediction: Array) -> float:
    """Mean absolute error, in units of sales; NaN for no rows at all."""
    return float(np.abs(y - prediction).mean()) if len(y) else float("nan")


def rmse(y: Array, prediction: Array) -> float:
    """Root of the mean squared error, in units of sales."""
    return float(np.sqrt(np.square(y - prediction).mean()))


def wape(y: Array, prediction: Array) -> float:
    """Sum of absolute errors over the sum of absolute sales, a fraction; NaN without sales."""
    sold = float(np.abs(y).sum())
    return float(np.abs(y - prediction).sum()) / sold if sold > 0 else float("nan")


def rmspe(y: Array, prediction: Array) -> float:
    """Root of the mean squared error as a fraction of sales, of rows with sales; NaN for none.

    Source: the evaluation of Kaggle's "Rossmann Store Sales".
    """
    sold = y > 0
    if not sold.any():
        return float("nan")
    return float(np.sqrt(np.square(prediction[sold] / y[sold] - 1).mean()))


def wmae(y: Array, prediction: Array, holiday: Array) -> float:
    """Mean absolute error with holiday weeks (`holiday` 1, else 0) weighted five times.

    Source: the evaluation of Kaggle's "Walmart Recruiting: Store Sales Forecasting".
    """
    weight = 1 + (HOLIDAY_WEIGHT - 1) * holiday
    return float((weight * np.abs(y - prediction)).sum() / weight.sum())


def coverage(y: Array, lower: Array, upper: Array) -> float:
    """Fraction of sales inside their interval, of the rows that have one; NaN for none."""
    known = ~np.isnan(lower)
    if not known.any():
        return float("nan")
    return float(((lower <= y) & (y <= upper))[known].mean())


@dataclass(frozen=True)
class Scores:
    """The errors of one model on one set of windows."""

    wmae: float
    wape: float
    rmse: float
    mae: float
    mae_holiday: float
    coverage_80: float
    coverage_95: float
    rmspe: float = float("nan")
    """Where it is asked for: it says little of sums as large as those of weeks."""

    def as_dict(self) -> dict[str, float]:
        """Return name -> value, NaN left out: such a number does not exist."""
        return {name: value for name, value in asdict(self).items() if value == value}  # noqa: PLR0124


def score(
    y: Array,
    prediction: Array,
    holiday: Array,
    intervals: Mapping[int, tuple[Array, Array]],
    *,
    percentages: bool = False,
) -> Scores:
    """Return all errors of one model; the RMSPE only if `percentages` are asked for.

    Every array float64[n]; `intervals`: level -> lower and upper ends, which may be NaN.
    """
    flagged = holiday > 0
    return Scores(
        wmae=wmae(y, prediction, holiday),
        wape=wape(y, prediction),
        rmse=rmse(y, prediction),
        mae=mae(y, prediction),
        mae_holiday=mae(y[flagged], prediction[flagged]),
        coverage_80=coverage(y, *intervals[80]),
        coverage_95=coverage(y, *intervals[95]),
        rmspe=rmspe(y, prediction) if percentages else float("nan"),
    )

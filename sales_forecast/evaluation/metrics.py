"""Errors of forecasts: pure functions of what was sold and what was predicted.

Takes equally shaped arrays in units of sales, gives one number each. R2 is not here: with
stores that differ eightfold in size, even the last value reaches 0.94.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from sales_forecast.data.panel import Array
from sales_forecast.models.spread import DECILES

HOLIDAY_WEIGHT = 5.0
_LARGE = 100


def in_units(error: float) -> str:
    """Return an error in units of sales as it is read, also of what sells a piece a week."""
    return f"{error:,.0f}" if abs(error) >= _LARGE else f"{error:.4g}"


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
    weight = weights(holiday)
    return float((weight * np.abs(y - prediction)).sum() / weight.sum())


def weights(holiday: Array, weight: float = HOLIDAY_WEIGHT) -> Array:
    """Return how often errors count, float64[n]: `weight` where `holiday` is 1, once where 0."""
    return 1 + (weight - 1) * holiday


def coverage(y: Array, lower: Array, upper: Array) -> float:
    """Fraction of sales inside their interval, of the rows that have one; NaN for none."""
    known = ~np.isnan(lower)
    if not known.any():
        return float("nan")
    return float(((lower <= y) & (y <= upper))[known].mean())


def wql(y: Array, quantiles: Mapping[float, Array]) -> float:
    """Weighted quantile loss: of the deciles that are given, of the rows that have all of them.

    `quantiles`: quantile -> float64[n]. Twice the mean pinball loss over sales; NaN without any.
    Source: Gasthaus et al., Probabilistic Forecasting with Spline Quantile Function RNNs, 2019.
    """
    loss = pinball(y, quantiles)
    known = ~np.isnan(loss)
    sold = float(np.abs(y[known]).sum())
    return 2 * float(loss[known].sum()) / sold if sold > 0 else float("nan")


def pinball(y: Array, quantiles: Mapping[float, Array]) -> Array:
    """Return the mean pinball loss of quantiles, float64 as `y`; NaN where one is not given."""
    loss = np.zeros_like(y)
    for tau, said in quantiles.items():
        loss += np.maximum(tau * (y - said), (tau - 1) * (y - said))
    return loss / len(quantiles)


@dataclass(frozen=True, eq=False)
class Distribution:
    """What a model says beside its median: float64[n] each, NaN where too little was measured.

    `quantiles`: all of `scoring.QUANTILES`.
    """

    mean: Array
    quantiles: Mapping[float, Array]


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
    wql: float
    sum_ratio: float
    """What was expected on average over what was sold, added up; 1 is right."""
    rmspe: float = float("nan")
    """Where it is asked for: it says little of sums as large as those of weeks."""

    def as_dict(self) -> dict[str, float]:
        """Return name -> value; what is no finite number is left out."""
        return {name: value for name, value in asdict(self).items() if math.isfinite(value)}


def score(
    y: Array,
    prediction: Array,
    holiday: Array,
    beside: Distribution,
    *,
    percentages: bool = False,
) -> Scores:
    """Return all errors of one model; the RMSPE only if `percentages` are asked for.

    Every array float64[n].
    """
    flagged, at, sold = holiday > 0, beside.quantiles, float(y.sum())
    return Scores(
        wmae=wmae(y, prediction, holiday),
        wape=wape(y, prediction),
        rmse=rmse(y, prediction),
        mae=mae(y, prediction),
        mae_holiday=mae(y[flagged], prediction[flagged]),
        coverage_80=coverage(y, at[0.1], at[0.9]),
        coverage_95=coverage(y, at[0.025], at[0.975]),
        wql=wql(y, {tau: of for tau, of in at.items() if tau in DECILES}),
        sum_ratio=float(beside.mean.sum()) / sold if sold > 0 else float("nan"),
        rmspe=rmspe(y, prediction) if percentages else float("nan"),
    )

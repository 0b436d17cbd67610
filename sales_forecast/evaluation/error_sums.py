"""Errors as sums: what can be added up over series, periods and lags, and what follows from it.

Takes what was sold and what was said of it, gives the columns `score_tables.SUMS` of each forecast;
takes sums of them, gives the measures of `metrics`, equal to those of all rows together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sales_forecast.data.panel import Array
from sales_forecast.evaluation.metrics import Distribution, pinball
from sales_forecast.models.spread import DECILES, LEVELS, tail

Mask = npt.NDArray[np.bool_]
Sums = Mapping[str, Array]
"""Column of `score_tables.SUMS` -> float64 of any shape."""


def error_sums(
    y: Array, median: Array, beside: Distribution, baseline: Array, weight: Array
) -> Sums:
    """Return what each forecast adds, 0 where nothing was sold or said.

    All float64 of one shape: `y` sales, `median` what absolute errors are measured from, `beside`
    the mean, of which the bias is, and the quantiles; `baseline` the median of the baseline, NaN
    where it says nothing; `weight` how often an error counts.
    """
    known = ~np.isnan(y) & ~np.isnan(median)
    error = np.abs(y - median)
    both = known & ~np.isnan(baseline)
    loss = pinball(y, {tau: beside.quantiles[tau] for tau in DECILES})
    scored = known & ~np.isnan(loss)
    sums = {
        "n": _where(known, np.ones_like(y)),
        "sold": _where(known, y),
        "abs_sold": _where(known, np.abs(y)),
        "forecast": _where(known, beside.mean),
        "abs_error": _where(known, error),
        "weight": _where(known, weight),
        "weighted_abs_error": _where(known, weight * error),
        "compared_abs_error": _where(both, error),
        "baseline_abs_error": _where(both, np.abs(y - baseline)),
        "pinball": _where(scored, loss),
        "pinball_sold": _where(scored, np.abs(y)),
    }
    for level in LEVELS:
        lower, upper = (beside.quantiles[at] for at in (tail(level), 1 - tail(level)))
        promised = known & ~np.isnan(lower)
        sums[f"n_intervals_{level}"] = promised.astype(np.float64)
        sums[f"inside_{level}"] = (promised & (lower <= y) & (y <= upper)).astype(np.float64)
    return sums


def _where(known: Mask, values: Array) -> Array:
    return np.where(known, values, 0.0)


@dataclass(frozen=True)
class Measures:
    """The errors of some forecasts; NaN where there is nothing to divide by.

    Attributes:
        n: how many forecasts were judged.
        wape: absolute errors over absolute sales; `wmae`: their mean, holidays weighted.
        bias: what was expected over what was sold, less 1.
        skill: the part of the growth baseline's absolute errors that was saved.
        coverage_80, coverage_95: the part of sales inside their interval.
        wql: as `metrics.wql`.
    """

    n: int
    wape: float
    bias: float
    wmae: float
    skill: float
    coverage_80: float
    coverage_95: float
    wql: float

    @property
    def baseline_wape(self) -> float:
        """The WAPE of the growth baseline, as far as it said something of the same forecasts."""
        return self.wape / (1 - self.skill) if self.skill < 1 else float("nan")


def measures(sums: Mapping[str, float]) -> Measures:
    """Return what sums of the columns `score_tables.SUMS` say."""
    return Measures(
        n=int(sums["n"]),
        wape=_over(sums["abs_error"], sums["abs_sold"]),
        bias=_over(sums["forecast"] - sums["sold"], sums["sold"]),
        wmae=_over(sums["weighted_abs_error"], sums["weight"]),
        skill=1 - _over(sums["compared_abs_error"], sums["baseline_abs_error"]),
        coverage_80=_over(sums["inside_80"], sums["n_intervals_80"]),
        coverage_95=_over(sums["inside_95"], sums["n_intervals_95"]),
        wql=_over(2 * sums["pinball"], sums["pinball_sold"]),
    )


def _over(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")

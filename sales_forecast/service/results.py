"""What a predictor gives: numbers as callers see them, in units of sales and rounded to cents.

Must not know how they come about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from sales_forecast.service.ahead import Ends
from sales_forecast.service.covariates import UsedCovariate


class Answer(NamedTuple):
    """One answer of `/predict_sales`, in units of sales, rounded to cents."""

    prediction: float
    period: date
    """The day, or the day that ends the week."""
    step: int
    """Periods after the last known one; 1 for a known one, answered as it would have been then."""
    mean: float
    interval_80: tuple[float, float] | None
    """None where too few forecasts have been measured to say anything."""
    interval_95: tuple[float, float] | None
    models: Mapping[str, float]
    """What made the prediction, by model."""
    covariates: Mapping[str, UsedCovariate]
    """By column."""
    warnings: tuple[str, ...]


class Provenance(NamedTuple):
    """Which bundle, code and data made the answers: SHA-256, commit, and SHA-256 of the sales."""

    bundle_hash: str | None
    git_commit: str | None
    fingerprint: str


class PeriodForecast(NamedTuple):
    """One period of `/forecast_sales`, in units of sales, rounded to cents."""

    period: date
    sales: float
    lower: float | None
    upper: float | None


class Distribution(NamedTuple):
    """What is beside the median of a period, in units of sales, rounded to cents.

    `quantiles`: as they were asked for; None where too little was measured.
    """

    mean: float
    quantiles: Sequence[float | None]


def rounded(ends: Ends) -> Ends:
    """Return both ends of an interval to cents; None of None."""
    return None if ends is None else (round(ends[0], 2), round(ends[1], 2))

"""How good forecasts turned out to be, as metrics of CloudWatch.

Takes measures by how far ahead, gives metrics, and these to a namespace. Must not judge: alarms on
them are made where the rest of the account is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sales_forecast.errors import NoticeError
from sales_forecast.evaluation.error_sums import Measures
from sales_forecast.operations.aws_calls import calling

Metric = Mapping[str, Any]
"""As PutMetricData takes it."""

_MEASURES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "RealisedWape": (("wape", ""),),
    "RealisedBias": (("bias", ""),),
    "Skill": (("skill", ""),),
    "Coverage": (("coverage_80", "80"), ("coverage_95", "95")),
}
"""Name -> the field of `Measures` of each `Level`; "" has none."""


def metrics(of_lag: Mapping[int, Measures], failed: int) -> Sequence[Metric]:
    """Return each measure of each lag, its mean over the lags, and how many steps failed.

    Fractions of 1. A measure that does not exist is left out, and so is its mean.
    """
    told = [_metric("StepsFailed", float(failed), {})]
    for name, fields in _MEASURES.items():
        for field, level in fields:
            known = dict(_known(of_lag, field))
            labels = {"Level": level} if level else {}
            told += [
                _metric(name, value, {**labels, "Lag": str(lag)}) for lag, value in known.items()
            ]
            if known:
                told.append(_metric(name, sum(known.values()) / len(known), labels))
    return told


def publish(namespace: str, told: Sequence[Metric]) -> None:
    """Give metrics to a namespace of CloudWatch. Raises NoticeError."""
    try:
        with calling("cloudwatch") as cloudwatch:
            cloudwatch.put_metric_data(Namespace=namespace, MetricData=told)
    except NoticeError as error:
        raise NoticeError(f"CloudWatch was not told: {error.message}.") from error


def _known(of_lag: Mapping[int, Measures], field: str) -> Iterator[tuple[int, float]]:
    for lag, measures in of_lag.items():
        value = float(getattr(measures, field))
        if not math.isnan(value):
            yield lag, value


def _metric(name: str, value: float, dimensions: Mapping[str, str]) -> Metric:
    named = [{"Name": key, "Value": of} for key, of in dimensions.items()]
    return {"MetricName": name, "Value": value, "Dimensions": named}

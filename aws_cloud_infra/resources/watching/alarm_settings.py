"""Settings of an alarm, from the form in which AWS tells them to the form its call takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cloud_infra.account.clients import as_tags, from_tags
from aws_cloud_infra.engine.resource import Settings

_RESULT = "result"


def is_percentile(statistic: str | None) -> bool:
    """Return whether a statistic is one such as "p99"."""
    return (statistic or "").startswith("p")


def of_metric(desired: Settings) -> dict[str, Any]:
    """Return what the call takes of a metric."""
    percentile = is_percentile(desired["statistic"])
    return {
        "Namespace": desired["namespace"],
        "MetricName": desired["metric"],
        "ExtendedStatistic" if percentile else "Statistic": desired["statistic"],
        **({"EvaluateLowSampleCountPercentile": desired["few_values"]} if percentile else {}),
        "Dimensions": as_tags(desired["dimensions"], "Name"),
        "Period": desired["period_seconds"],
    }


def of_formula(desired: Settings) -> dict[str, Any]:
    """Return what the call takes of a formula: only its result counts."""
    metrics = [
        {
            "Id": name,
            "MetricStat": {
                "Metric": {
                    "Namespace": metric["namespace"],
                    "MetricName": metric["metric"],
                    "Dimensions": as_tags(metric["dimensions"], "Name"),
                },
                "Period": metric["period_seconds"],
                "Stat": metric["statistic"],
            },
            "ReturnData": False,
        }
        for name, metric in desired["metrics"].items()
    ]
    result = {"Id": _RESULT, "Expression": desired["formula"], "ReturnData": True}
    return {"Metrics": [result, *metrics]}


def told(alarm: Mapping[str, Any]) -> Settings:
    """Return what AWS tells of an alarm in the form of `desired`."""
    return {
        "purpose": alarm.get("AlarmDescription", ""),
        **(_told_formula(alarm["Metrics"]) if alarm.get("Metrics") else _told_metric(alarm)),
        "threshold": alarm.get("Threshold"),
        "comparison": alarm["ComparisonOperator"],
        "periods": alarm["EvaluationPeriods"],
        "periods_that_count": alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"]),
        "missing": alarm.get("TreatMissingData", "missing"),
        "actions_enabled": alarm["ActionsEnabled"],
        "when_alarm": sorted(alarm.get("AlarmActions", [])),
        "when_ok": alarm.get("OKActions", []),
        "when_no_data": alarm.get("InsufficientDataActions", []),
    }


def _told_metric(alarm: Mapping[str, Any]) -> Settings:
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic")
    few = alarm.get("EvaluateLowSampleCountPercentile") or "evaluate"
    return {
        "namespace": alarm.get("Namespace"),
        "metric": alarm.get("MetricName"),
        "statistic": statistic,
        "dimensions": from_tags(alarm.get("Dimensions"), "Name"),
        "period_seconds": alarm.get("Period"),
        "unit": alarm.get("Unit"),
        **({"few_values": few} if is_percentile(statistic) else {}),
    }


def _told_formula(queries: list[dict[str, Any]]) -> Settings:
    """Return a formula and its metrics; more than one formula, by hand, are told as one text."""
    metrics = {}
    for query in queries:
        if "MetricStat" in query:
            told = query["MetricStat"]
            metrics[query["Id"]] = {
                "namespace": told["Metric"]["Namespace"],
                "metric": told["Metric"]["MetricName"],
                "statistic": told["Stat"],
                "dimensions": from_tags(told["Metric"].get("Dimensions"), "Name"),
                "period_seconds": told["Period"],
            }
    formulas = [query["Expression"] for query in queries if query.get("Expression")]
    return {"formula": "; ".join(formulas), "metrics": metrics}

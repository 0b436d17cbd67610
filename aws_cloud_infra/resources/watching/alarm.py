"""What wakes somebody up: a threshold on a metric. Takes the metric and a topic to publish to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aws_cloud_infra.account.clients import as_tags, from_tags, read, remove
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings
from aws_cloud_infra.resources.references import FromId, resolve
from aws_cloud_infra.resources.watching.topic import Topic


@dataclass(frozen=True, eq=False)
class Alarm(Resource):
    """A threshold on one metric. `purpose` says what it means and what to look at."""

    topic: Topic
    purpose: str
    namespace: str
    metric: str
    statistic: str
    """"Sum", "Average", "Maximum" and so on, or a percentile such as "p99"."""
    dimensions: Mapping[str, str | FromId]
    threshold: float
    comparison: str
    periods: int
    period_seconds: int
    missing: str
    """What no data means: "notBreaching", "breaching", "ignore" or "missing"."""

    kind = "alarm"
    permissions = (
        Permission(
            ("cloudwatch:DescribeAlarms",),
            ("arn:{partition}:cloudwatch:{region}:{account}:alarm:*",),
        ),
        Permission(
            ("cloudwatch:ListTagsForResource", "cloudwatch:PutMetricAlarm",
             "cloudwatch:TagResource", "cloudwatch:DeleteAlarms"),
            ("arn:{partition}:cloudwatch:{region}:{account}:alarm:{name}",),
        ),
    )  # fmt: skip

    @property
    def arn(self) -> str:
        """Known before it exists."""
        return self.aws.arn("cloudwatch", f"alarm:{self.name}")

    @property
    def prices(self) -> tuple[tuple[str, float], ...]:
        """One alarm."""
        return (("alarm", 1),)

    def desired(self, ids: Ids) -> Settings:
        """What it watches, and that it tells both of trouble and of its end."""
        return {
            "purpose": self.purpose,
            "namespace": self.namespace,
            "metric": self.metric,
            "statistic": self.statistic,
            "dimensions": resolve(self.dimensions, ids),
            "unit": None,
            "threshold": self.threshold,
            "comparison": self.comparison,
            "periods": self.periods,
            "periods_that_count": self.periods,
            "period_seconds": self.period_seconds,
            "missing": self.missing,
            "actions_enabled": True,
            "when_alarm": [ids[self.topic]],
            "when_ok": [ids[self.topic]],
            "when_no_data": [],
            # Only percentiles can be told to stay silent while there are few values.
            **({"few_values": "evaluate"} if _is_percentile(self.statistic) else {}),
        }

    def find(self) -> Live | None:
        """Find it by its name."""
        cloudwatch = self.aws.client("cloudwatch")
        for alarm in cloudwatch.describe_alarms(AlarmNames=[self.name])["MetricAlarms"]:
            tags = read(cloudwatch.list_tags_for_resource, ResourceARN=alarm["AlarmArn"])
            if tags is None:
                return None
            rings = alarm["StateValue"] == "ALARM"
            notes = (f"is in ALARM: {alarm.get('StateReason', '')}",) if rings else ()
            return Live(alarm["AlarmArn"], _settings(alarm), from_tags(tags["Tags"]), notes)
        return None

    def create(self, desired: Settings) -> None:
        """Make it whole: alarms are written in one piece."""
        self._put(desired, Tags=as_tags(self.aws.tags))

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Write it whole; its tags stay."""
        self._put(desired)

    def _put(self, desired: Settings, **more: Any) -> None:
        percentile = _is_percentile(desired["statistic"])
        self.aws.client("cloudwatch").put_metric_alarm(
            AlarmName=self.name,
            AlarmDescription=desired["purpose"],
            Namespace=desired["namespace"],
            MetricName=desired["metric"],
            **{"ExtendedStatistic" if percentile else "Statistic": desired["statistic"]},
            **({"EvaluateLowSampleCountPercentile": desired["few_values"]} if percentile else {}),
            Dimensions=as_tags(desired["dimensions"], "Name"),
            Threshold=desired["threshold"],
            ComparisonOperator=desired["comparison"],
            EvaluationPeriods=desired["periods"],
            DatapointsToAlarm=desired["periods_that_count"],
            Period=desired["period_seconds"],
            TreatMissingData=desired["missing"],
            ActionsEnabled=desired["actions_enabled"],
            AlarmActions=desired["when_alarm"],
            OKActions=desired["when_ok"],
            InsufficientDataActions=desired["when_no_data"],
            **more,
        )

    def delete(self, live: Live) -> None:
        """Delete it."""
        remove(self.aws.client("cloudwatch").delete_alarms, AlarmNames=[self.name])


def _is_percentile(statistic: str | None) -> bool:
    return (statistic or "").startswith("p")


def _settings(alarm: Mapping[str, Any]) -> Settings:
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic")
    few = alarm.get("EvaluateLowSampleCountPercentile") or "evaluate"
    return {
        "purpose": alarm.get("AlarmDescription", ""),
        # Without these it is an alarm on a formula, made so by hand.
        "namespace": alarm.get("Namespace"),
        "metric": alarm.get("MetricName"),
        "statistic": statistic,
        "dimensions": from_tags(alarm.get("Dimensions"), "Name"),
        "unit": alarm.get("Unit"),
        "threshold": alarm.get("Threshold"),
        "comparison": alarm["ComparisonOperator"],
        "periods": alarm["EvaluationPeriods"],
        "periods_that_count": alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"]),
        "period_seconds": alarm.get("Period"),
        "missing": alarm.get("TreatMissingData", "missing"),
        "actions_enabled": alarm["ActionsEnabled"],
        "when_alarm": alarm.get("AlarmActions", []),
        "when_ok": alarm.get("OKActions", []),
        "when_no_data": alarm.get("InsufficientDataActions", []),
        **({"few_values": few} if _is_percentile(statistic) else {}),
    }

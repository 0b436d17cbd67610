"""What wakes somebody up: a threshold on a metric, or on a formula of several.

Takes metrics and a topic to publish to. Must not decide what is worth an alarm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from aws_cloud_infra.account.clients import as_tags, from_tags, read, remove
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings
from aws_cloud_infra.resources.references import FromId, resolve
from aws_cloud_infra.resources.watching.alarm_settings import (
    is_percentile,
    of_formula,
    of_metric,
    told,
)
from aws_cloud_infra.resources.watching.topic import Topic

_WAKES = {
    "ForAllValues:StringLike": {
        "cloudwatch:AlarmActions": (
            "arn:{partition}:sns:{region}:{account}:{prefix}-*",
            "arn:{partition}:automate:{region}:ec2:re*",
        )
    }
}
"""What an alarm may do: tell our topic, recover or reboot; else it could end any machine."""


class Metric(NamedTuple):
    """What CloudWatch counts."""

    namespace: str
    name: str
    statistic: str
    """"Sum", "Average", "Maximum" and so on, or a percentile such as "p99"."""
    dimensions: Mapping[str, str | FromId]


class Formula(NamedTuple):
    """A number made of several metrics, such as "100 * errors / requests"."""

    text: str
    metrics: Mapping[str, Metric]
    """By their names in the text."""


@dataclass(frozen=True, eq=False)
class Alarm(Resource):
    """A threshold. `purpose` says what it means and what to look at."""

    topic: Topic
    purpose: str
    watched: Metric | Formula
    threshold: float
    comparison: str
    periods: int
    period_seconds: int
    missing: str
    """What no data means: "notBreaching", "breaching", "ignore" or "missing"."""
    does: tuple[str, ...] = ()
    """ARNs of what AWS is to do beside telling the topic."""

    kind = "alarm"
    permissions = (
        Permission(
            ("cloudwatch:DescribeAlarms",),
            ("arn:{partition}:cloudwatch:{region}:{account}:alarm:*",),
        ),
        Permission(
            ("cloudwatch:ListTagsForResource", "cloudwatch:TagResource", "cloudwatch:DeleteAlarms"),
            ("arn:{partition}:cloudwatch:{region}:{account}:alarm:{name}",),
        ),
        Permission(
            ("cloudwatch:PutMetricAlarm",),
            ("arn:{partition}:cloudwatch:{region}:{account}:alarm:{name}",),
            _WAKES,
        ),
        # The first alarm of an account that restarts a machine.
        Permission(
            ("iam:CreateServiceLinkedRole",),
            ("arn:{partition}:iam::{account}:role/aws-service-role/events.amazonaws.com/*",),
            {"StringEquals": {"iam:AWSServiceName": "events.amazonaws.com"}},
        ),
    )  # fmt: skip

    @property
    def arn(self) -> str:
        """Known before it exists."""
        return self.aws.arn("cloudwatch", f"alarm:{self.name}")

    @property
    def prices(self) -> tuple[tuple[str, float], ...]:
        """AWS counts each metric of a formula."""
        return (("alarm", len(self.watched.metrics) if isinstance(self.watched, Formula) else 1),)

    def desired(self, ids: Ids) -> Settings:
        """What it watches, and that it tells both of trouble and of its end."""
        return {
            "purpose": self.purpose,
            **self._watched(ids),
            "threshold": self.threshold,
            "comparison": self.comparison,
            "periods": self.periods,
            "periods_that_count": self.periods,
            "missing": self.missing,
            "actions_enabled": True,
            "when_alarm": sorted([ids[self.topic], *self.does]),
            "when_ok": [ids[self.topic]],
            "when_no_data": [],
        }

    def _watched(self, ids: Ids) -> Settings:
        if isinstance(self.watched, Formula):
            return {
                "formula": self.watched.text,
                "metrics": {
                    name: {**_plain(metric, ids), "period_seconds": self.period_seconds}
                    for name, metric in self.watched.metrics.items()
                },
            }
        return {
            **_plain(self.watched, ids),
            "period_seconds": self.period_seconds,
            "unit": None,
            # Only percentiles can be told to stay silent while there are few values.
            **({"few_values": "evaluate"} if is_percentile(self.watched.statistic) else {}),
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
            return Live(alarm["AlarmArn"], told(alarm), from_tags(tags["Tags"]), notes)
        return None

    def create(self, desired: Settings) -> None:
        """Make it whole: alarms are written in one piece."""
        self._put(desired, Tags=as_tags(self.aws.tags))

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Write it whole; its tags stay."""
        self._put(desired)

    def _put(self, desired: Settings, **more: Any) -> None:
        self.aws.client("cloudwatch").put_metric_alarm(
            AlarmName=self.name,
            AlarmDescription=desired["purpose"],
            **(of_formula(desired) if "formula" in desired else of_metric(desired)),
            Threshold=desired["threshold"],
            ComparisonOperator=desired["comparison"],
            EvaluationPeriods=desired["periods"],
            DatapointsToAlarm=desired["periods_that_count"],
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


def _plain(metric: Metric, ids: Ids) -> Settings:
    return {
        "namespace": metric.namespace,
        "metric": metric.name,
        "statistic": metric.statistic,
        "dimensions": resolve(metric.dimensions, ids),
    }

"""What wakes somebody up: the alarms of the service, each with what to look at first.

Takes the load balancer and its targets, gives alarms that publish to a topic.
"""

from __future__ import annotations

from dataclasses import dataclass

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.engine.resource import Resource
from aws_cloud_infra.resources.references import balancer_dimension, target_dimension
from aws_cloud_infra.resources.watching.alarm import Alarm
from aws_cloud_infra.resources.watching.topic import Topic


@dataclass(frozen=True)
class _Sign:
    """A sign of trouble in the metrics of the load balancer."""

    name: str
    purpose: str
    metric: str
    statistic: str
    threshold: float
    comparison: str = "GreaterThanThreshold"
    missing: str = "notBreaching"
    whole_balancer: bool = False


def alarms(aws: Aws, topic: Topic, balancer: Resource, targets: Resource) -> tuple[Alarm, ...]:
    """Return one alarm a sign of trouble that lasts for three minutes."""
    door = {"LoadBalancer": balancer_dimension(balancer)}
    behind = {**door, "TargetGroup": target_dimension(targets)}
    return tuple(
        Alarm(
            aws, f"{aws.prefix}-{sign.name}", topic, sign.purpose, "AWS/ApplicationELB",
            sign.metric, sign.statistic, door if sign.whole_balancer else behind, sign.threshold,
            sign.comparison, periods=3, period_seconds=60, missing=sign.missing,
        )
        for sign in _signs(aws.settings.min_tasks)
    )  # fmt: skip


def _signs(min_tasks: int) -> tuple[_Sign, ...]:
    return (
        _Sign("5xx", "The service answers with errors: look at its log group.",
              "HTTPCode_Target_5XX_Count", "Sum", 5),
        _Sign("5xx-balancer", "The load balancer finds no task that answers: look at the events "
              "of the service.", "HTTPCode_ELB_5XX_Count", "Sum", 5, whole_balancer=True),
        _Sign("p99", "One answer in a hundred takes longer than a second: look at CPU and tasks.",
              "TargetResponseTime", "p99", 1),
        _Sign("unhealthy", "A task fails its health check: look at its log.",
              "UnHealthyHostCount", "Maximum", 0),
        _Sign("too-few-tasks", "Fewer tasks answer than are wanted: look at the events of the "
              "service.", "HealthyHostCount", "Minimum", min_tasks, "LessThanThreshold",
              missing="breaching"),  # without any task there is nothing to count
    )  # fmt: skip

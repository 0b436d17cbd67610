"""What shows how the service does, as widgets in the form that CloudWatch documents.

Takes resources, gives widgets with references in them, each without its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cloud_infra.engine.resource import Resource
from aws_cloud_infra.resources.references import FromId, balancer_dimension, target_dimension
from aws_cloud_infra.resources.watching.alarm import Alarm

Widget = Mapping[str, Any]
"""A widget as CloudWatch documents it, with references in it, without its place."""

_PERIOD = 60


def service_widgets(
    balancer: Resource,
    target: Resource,
    cluster: Resource,
    service: Resource,
    alarms: Sequence[Alarm],
) -> tuple[Widget, ...]:
    """Return what shows how the service does: traffic, errors, speed, tasks, load, alarms."""
    region = balancer.aws.region
    front = {"LoadBalancer": balancer_dimension(balancer)}
    behind = {**front, "TargetGroup": target_dimension(target)}
    tasks = {"ClusterName": cluster.name, "ServiceName": service.name}
    elb, ecs = "AWS/ApplicationELB", "AWS/ECS"
    return (
        _graph(region, "Requests a minute", _line(elb, "RequestCount", front, "Sum", "requests")),
        _graph(
            region, "Errors a minute (5xx)",
            _line(elb, "HTTPCode_Target_5XX_Count", front, "Sum", "of the service"),
            _line(elb, "HTTPCode_ELB_5XX_Count", front, "Sum", "of the load balancer"),
        ),
        _graph(
            region, "Seconds to answer",
            _line(elb, "TargetResponseTime", front, "p50", "p50"),
            _line(elb, "TargetResponseTime", front, "p99", "p99"),
        ),
        _graph(
            region, "Tasks behind the load balancer",
            _line(elb, "HealthyHostCount", behind, "Minimum", "healthy"),
            _line(elb, "UnHealthyHostCount", behind, "Maximum", "unhealthy"),
        ),
        _graph(
            region, "CPU of the tasks, percent",
            _line(ecs, "CPUUtilization", tasks, "Average", "average"),
            _line(ecs, "CPUUtilization", tasks, "Maximum", "maximum"),
        ),
        _graph(
            region, "Memory of the tasks, percent",
            _line(ecs, "MemoryUtilization", tasks, "Average", "average"),
            _line(ecs, "MemoryUtilization", tasks, "Maximum", "maximum"),
        ),
        alarm_list(alarms),
    )  # fmt: skip


def alarm_list(alarms: Sequence[Alarm]) -> Widget:
    """Return the widget with the alarms and their states."""
    properties = {"title": "Alarms", "alarms": [alarm.arn for alarm in alarms]}
    return {"type": "alarm", "properties": properties}


def _graph(region: str, title: str, *lines: list[Any]) -> Widget:
    return {
        "type": "metric",
        "properties": {
            "title": title,
            "region": region,
            "view": "timeSeries",
            "stacked": False,
            "period": _PERIOD,
            "stat": lines[0][-1]["stat"],
            "yAxis": {"left": {"min": 0}},
            "metrics": list(lines),
        },
    }


def _line(
    namespace: str, metric: str, dimensions: Mapping[str, str | FromId], stat: str, label: str
) -> list[Any]:
    named = [part for pair in dimensions.items() for part in pair]
    return [namespace, metric, *named, {"stat": stat, "label": label}]

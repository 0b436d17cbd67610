"""What wakes somebody up: each sign of trouble, with what to look at first.

Takes the resources that are watched, gives alarms, and a rule on events, that tell a topic. What to
do about each stands in docs/operate.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.engine.resource import Resource
from aws_cloud_infra.resources.containers.cluster import Cluster
from aws_cloud_infra.resources.data.database import Database
from aws_cloud_infra.resources.references import FromId, balancer_dimension, target_dimension
from aws_cloud_infra.resources.watching.alarm import Alarm, Formula, Metric
from aws_cloud_infra.resources.watching.event_rule import EventRule
from aws_cloud_infra.resources.watching.queue import Queue
from aws_cloud_infra.resources.watching.topic import Topic
from aws_cloud_infra.stacks.shared import namespace

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_GB = 1024**3
_FREE_SHARE = 0.05
_BURSTS = "db.t"
"""How the sizes begin that borrow CPU; others have no credits."""


class ServiceAlarms(NamedTuple):
    """The alarms of the service."""

    of_releases: tuple[Alarm, ...]
    """A release during which one of these rings is rolled back."""
    others: tuple[Alarm, ...]


def service_alarms(aws: Aws, topic: Topic, balancer: Resource, targets: Resource) -> ServiceAlarms:
    """Return one alarm a sign of trouble at the load balancer that lasts for three minutes."""
    front = {"LoadBalancer": balancer_dimension(balancer)}
    behind = {**front, "TargetGroup": target_dimension(targets)}

    def at_door(name: str, statistic: str, *, whole: bool = False) -> Metric:
        return Metric("AWS/ApplicationELB", name, statistic, front if whole else behind)

    def alarm(
        name: str, purpose: str, watched: Metric | Formula, threshold: float, *,
        comparison: str = "GreaterThanThreshold", missing: str = "notBreaching",
    ) -> Alarm:  # fmt: skip
        return Alarm(
            aws, f"{aws.prefix}-{name}", topic, purpose, watched, threshold, comparison,
            periods=3, period_seconds=_MINUTE, missing=missing,
        )  # fmt: skip

    # Shares, not counts: four requests a minute that all fail are the same trouble as a thousand.
    failed = Formula(
        "100 * errors / requests",
        {"errors": at_door("HTTPCode_Target_5XX_Count", "Sum"),
         "requests": at_door("RequestCount", "Sum")},
    )  # fmt: skip
    # Requests that no task could be found for are not among the requests.
    refused = Formula(
        "100 * errors / (errors + FILL(requests, 0))",
        {"errors": at_door("HTTPCode_ELB_5XX_Count", "Sum", whole=True),
         "requests": at_door("RequestCount", "Sum", whole=True)},
    )  # fmt: skip
    return ServiceAlarms(
        (
            alarm("5xx", "More than one answer in a hundred is an error of the service: look at "
                  "its log group.", failed, 1),
            alarm("p99", "One answer in a hundred takes longer than a second: look at CPU and "
                  "tasks.", at_door("TargetResponseTime", "p99"), 1),
        ),
        (
            alarm("5xx-balancer", "The load balancer finds no task that answers: look at the "
                  "events of the service.", refused, 1),
            alarm("unhealthy", "A task fails its health check: look at its log.",
                  at_door("UnHealthyHostCount", "Maximum"), 0),
            alarm("too-few-tasks", "Fewer tasks answer than are wanted: look at the events of the "
                  "service.", at_door("HealthyHostCount", "Minimum"), aws.settings.min_tasks,
                  comparison="LessThanThreshold",
                  missing="breaching"),  # without a task nothing is counted
        ),
    )  # fmt: skip


def forecast_alarms(aws: Aws, topic: Topic) -> tuple[Alarm, ...]:
    """Return the alarms on how good forecasts turned out to be, which the weekly job says.

    What it says stands until it says something else.
    """

    def alarm(name: str, purpose: str, watched: Metric | Formula, threshold: float,
              comparison: str) -> Alarm:  # fmt: skip
        return Alarm(
            aws, f"{aws.prefix}-{name}", topic, purpose, watched, threshold, comparison,
            periods=1, period_seconds=_DAY, missing="ignore",
        )  # fmt: skip

    def told(name: str, **dimensions: str) -> Metric:
        return Metric(namespace(aws), name, "Average", dimensions)

    return (
        alarm("worse-than-baseline", "Over the newest 13 weeks the growth baseline was better: "
              "look at the report.", told("Skill"), 0, "LessThanThreshold"),
        alarm("coverage-off", "The intervals hold 15 points more or less than they promise: ask "
              "what is to be done.",
              Formula("MAX([ABS(narrow - 0.8), ABS(wide - 0.95)])",
                      {"narrow": told("Coverage", Level="80"),
                       "wide": told("Coverage", Level="95")}),
              0.15, "GreaterThanThreshold"),
    )  # fmt: skip


def job_watch(
    aws: Aws, topic: Topic, cluster: Cluster, jobs: Sequence[str], not_started: Queue
) -> tuple[Resource, ...]:
    """Return what tells that a job failed or broke off, and that one could not be started."""
    ended_badly = {
        "source": ["aws.ecs"],
        "detail-type": ["ECS Task State Change"],
        "detail": {
            "clusterArn": [cluster.arn],
            "group": [f"family:{job}" for job in jobs],
            "lastStatus": ["STOPPED"],
            # One that never started has no exit code, one that ended has no other stop code.
            "$or": [
                {"stopCode": [{"anything-but": "EssentialContainerExited"}]},
                {"containers": {"exitCode": [{"anything-but": 0}]}},
            ],
        },
    }
    return (
        EventRule(
            aws, f"{aws.prefix}-job-failed", topic,
            "A job failed, broke off or did not start, or the weekly one was missed.", ended_badly,
            {"group": "$.detail.group", "why": "$.detail.stoppedReason",
             "code": "$.detail.containers[0].exitCode", "task": "$.detail.taskArn"},
            "A job of " + aws.prefix + " did not end well: <group>, exit code <code>. <why> "
            "Task <task>. Look at its log, then start it again: docs/operate.md, A job failed.",
        ),
        Alarm(
            aws, f"{aws.prefix}-job-not-started", topic,
            "A schedule could not start its job: the queue holds the reason.",
            Metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum",
                   {"QueueName": not_started.name}),
            0, "GreaterThanThreshold", periods=1, period_seconds=5 * _MINUTE,
            missing="notBreaching",
        ),
    )  # fmt: skip


def data_watch(aws: Aws, topic: Topic, database: Database, host: Resource) -> tuple[Resource, ...]:
    """Return what watches the database and the MLflow host, which AWS mends if it can."""
    settings = aws.settings

    def lowest(metric: str) -> Metric:
        return Metric("AWS/RDS", metric, "Minimum", {"DBInstanceIdentifier": database.name})

    def of_host(check: str, action: str, purpose: str) -> Alarm:
        watched = Metric("AWS/EC2", f"StatusCheckFailed_{check}", "Maximum",
                         {"InstanceId": FromId(host)})  # fmt: skip
        return Alarm(
            aws, f"{aws.prefix}-mlflow-{check.lower()}", topic, purpose, watched, 0,
            "GreaterThanThreshold", periods=3, period_seconds=_MINUTE, missing="ignore",
            does=(f"arn:{aws.partition}:automate:{aws.region}:ec2:{action}",),
        )  # fmt: skip

    failed = {
        "source": ["aws.rds"],
        "detail-type": ["RDS DB Instance Event"],
        "detail": {
            "SourceArn": [database.arn],
            "EventCategories": ["failure", "failover", "low storage"],
        },
    }
    alarms = (
        EventRule(
            aws, f"{aws.prefix}-database-failed", topic,
            "The database failed, moved to another machine or is full.", failed,
            {"message": "$.detail.Message"},
            "RDS says of the database of " + aws.prefix + ": <message> What to do: "
            "docs/operate.md, The database is down.",
        ),
        Alarm(
            aws, f"{aws.prefix}-database-storage", topic,
            "The database has little storage left and does not grow: look at "
            "database_max_storage_gb.", lowest("FreeStorageSpace"),
            _FREE_SHARE * settings.database_storage_gb * _GB, "LessThanThreshold",
            periods=3, period_seconds=5 * _MINUTE, missing="ignore",
        ),
        of_host("System", "recover", "The machine below the MLflow host fails: AWS moves it."),
        of_host("Instance", "reboot", "The MLflow host does not answer: AWS restarts it."),
    )  # fmt: skip
    if not settings.database_class.startswith(_BURSTS):
        return alarms
    return (
        *alarms,
        Alarm(
            aws, f"{aws.prefix}-database-cpu", topic,
            "The database has used more CPU for six hours than its size earns, which costs: look "
            "at the slow queries.", lowest("CPUSurplusCreditBalance"), 0, "GreaterThanThreshold",
            periods=6, period_seconds=_HOUR, missing="ignore",
        ),
    )  # fmt: skip

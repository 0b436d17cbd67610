"""The jobs: the weekly one, and the check that it ran, started by the clock.

Takes what the service runs on, gives a task and a schedule for each. The schedules are disabled
until the setting `schedules_enabled` says otherwise. A job that is started by hand runs as the
weekly one does, by another command.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.documents import allow, trust
from aws_cloud_infra.engine.resource import Resource
from aws_cloud_infra.engine.stack import Part
from aws_cloud_infra.resources.containers.cluster import Cluster
from aws_cloud_infra.resources.containers.image import Image
from aws_cloud_infra.resources.containers.repository import Repository
from aws_cloud_infra.resources.containers.schedule import Schedule
from aws_cloud_infra.resources.containers.schedule_group import ScheduleGroup
from aws_cloud_infra.resources.containers.task_definition import TaskDefinition
from aws_cloud_infra.resources.identity.role import Role
from aws_cloud_infra.resources.watching.log_group import LogGroup
from aws_cloud_infra.resources.watching.queue import Queue
from aws_cloud_infra.resources.watching.topic import Topic
from aws_cloud_infra.stacks.shared import (
    ADMIN,
    MODEL,
    SERVICE_LOGIN,
    Shared,
    mlflow_login,
    namespace,
)
from aws_cloud_infra.stacks.watch import job_watch

COMMANDS = {
    "weekly": ("python", "monitor.py", "run"),
    "check": ("python", "monitor.py", "report", "--fail-if-missed"),
}
_HOURS_A_RUN = {"weekly": 1.0, "check": 0.05}
"""A guess; the weekly sales of 45 stores take less."""
_RETIRED = ("train", "batch")
"""Jobs of 0.6, which the weekly one does."""


@dataclass(frozen=True)
class Runtime:
    """What the service and its jobs run on and as."""

    cluster: Cluster
    repository: Repository
    logs: LogGroup
    task_role: Role
    job_role: Role
    execution_role: Role
    secrets: Mapping[str, Resource]

    @property
    def resources(self) -> tuple[Resource, ...]:
        """All but the secrets."""
        return (
            self.cluster, self.repository, self.logs, self.task_role, self.job_role,
            self.execution_role,
        )  # fmt: skip


def jobs(aws: Aws, shared: Shared, runtime: Runtime) -> Part:
    """Return the jobs, their schedules with the role that may only start them, and their watch."""
    settings, network = aws.settings, shared.network
    image = Image(aws, f"{aws.prefix} train", runtime.repository, "train-")
    more = {"weekly": _of_the_week(aws, shared.topic)}
    tasks = {
        job: TaskDefinition(
            aws, f"{aws.prefix}-{job}", image, runtime.execution_role, runtime.job_role,
            runtime.logs,
            secrets={
                **runtime.secrets, "DATABASE_URL": shared.database_url,
                "MLFLOW_TRACKING_PASSWORD": shared.mlflow_admin,
            },
            environment={
                **MODEL, **mlflow_login(ADMIN), "DATABASE_SERVICE_USER": SERVICE_LOGIN,
                **more.get(job, {}),
            },
            command=COMMANDS.get(job, ()), cpu=settings.job_cpu, memory=settings.job_memory,
        )
        for job in (*COMMANDS, *_RETIRED)
    }  # fmt: skip
    starts = allow(
        "ecs:RunTask",
        # A schedule names the family; AWS may ask for the revision that it stands for.
        [
            aws.arn("ecs", f"task-definition/{tasks[job].name}{revision}")
            for job in COMMANDS
            for revision in ("", ":*")
        ],
        Condition={"ArnEquals": {"ecs:cluster": runtime.cluster.arn}},
    )
    hands_over = allow(
        "iam:PassRole",
        [runtime.execution_role.arn, runtime.job_role.arn],
        Condition={"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
    )
    not_started = Queue(aws, f"{aws.prefix}-not-started")
    leaves_behind = allow("sqs:SendMessage", not_started.arn)
    role = Role(
        aws, f"{aws.prefix}-scheduler", "Lets the schedules start their tasks",
        trust("scheduler.amazonaws.com", StringEquals={"aws:SourceAccount": aws.account}),
        (starts, hands_over, leaves_behind),
    )  # fmt: skip
    group = ScheduleGroup(aws, aws.prefix)
    expressions = {"weekly": settings.weekly_schedule, "check": settings.check_schedule}
    schedules = {
        job: Schedule(
            aws, task.name, group, role, runtime.cluster, task, network.public,
            network.service_group, expressions.get(job, ""), not_started,
            enabled=settings.schedules_enabled, hours_a_run=_HOURS_A_RUN.get(job, 0),
        )
        for job, task in tasks.items()
    }  # fmt: skip
    names = [tasks[job].name for job in COMMANDS]
    return Part(
        (
            image, *(tasks[job] for job in COMMANDS), role, group, not_started,
            *(schedules[job] for job in COMMANDS),
            *job_watch(aws, shared.topic, runtime.cluster, names, not_started),
        ),
        tuple(each[job] for job in _RETIRED for each in (schedules, tasks)),
    )  # fmt: skip


def _of_the_week(aws: Aws, topic: Topic) -> dict[str, str]:
    """Return what tells the weekly job whom it tells of itself, and how long answers are kept."""
    return {
        "AWS_DEFAULT_REGION": aws.region,  # the one that boto3 reads
        "CLOUDWATCH_NAMESPACE": namespace(aws),
        "NOTIFY_SNS_TOPIC_ARN": topic.arn,
        "PREDICTION_RETENTION_DAYS": str(aws.settings.prediction_retention_days),
    }

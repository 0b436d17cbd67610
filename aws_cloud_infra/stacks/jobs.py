"""The jobs: training and batch forecasts, started by the clock.

Takes what the service runs on, gives a task and a schedule for each. The schedules are disabled
until the setting `schedules_enabled` says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.documents import allow, trust
from aws_cloud_infra.engine.resource import Resource
from aws_cloud_infra.resources.containers.cluster import Cluster
from aws_cloud_infra.resources.containers.image import Image
from aws_cloud_infra.resources.containers.repository import Repository
from aws_cloud_infra.resources.containers.schedule import Schedule
from aws_cloud_infra.resources.containers.schedule_group import ScheduleGroup
from aws_cloud_infra.resources.containers.task_definition import TaskDefinition
from aws_cloud_infra.resources.identity.role import Role
from aws_cloud_infra.resources.watching.log_group import LogGroup
from aws_cloud_infra.resources.watching.queue import Queue
from aws_cloud_infra.stacks.shared import MODEL, Shared
from aws_cloud_infra.stacks.watch import job_watch

COMMANDS = {"train": ("python", "train.py"), "batch": ("python", "train.py", "forecast")}


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


def jobs(aws: Aws, shared: Shared, runtime: Runtime) -> tuple[Resource, ...]:
    """Return the jobs, their schedules with the role that may only start them, and their watch."""
    settings, network = aws.settings, shared.network
    image = Image(aws, f"{aws.prefix} train", runtime.repository, "train-")
    tasks = {
        job: TaskDefinition(
            aws, f"{aws.prefix}-{job}", image, runtime.execution_role, runtime.job_role,
            runtime.logs, secrets=runtime.secrets, environment=MODEL,
            command=command, cpu=settings.job_cpu, memory=settings.job_memory,
        )
        for job, command in COMMANDS.items()
    }  # fmt: skip
    starts = allow(
        "ecs:RunTask",
        # A schedule names the family; AWS may ask for the revision that it stands for.
        [
            aws.arn("ecs", f"task-definition/{task.name}{revision}")
            for task in tasks.values()
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
    expressions = {"train": settings.train_schedule, "batch": settings.batch_schedule}
    schedules = (
        Schedule(
            aws, task.name, group, role, runtime.cluster, task, network.public,
            network.service_group, expressions[job], not_started,
            enabled=settings.schedules_enabled,
        )
        for job, task in tasks.items()
    )  # fmt: skip
    names = [task.name for task in tasks.values()]
    watch = job_watch(aws, shared.topic, runtime.cluster, names, not_started)
    return (image, *tasks.values(), role, group, not_started, *schedules, *watch)

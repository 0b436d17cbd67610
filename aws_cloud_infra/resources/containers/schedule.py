"""What runs by the clock: a cron expression in UTC, and the Fargate task that it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aws_cloud_infra.account import cron
from aws_cloud_infra.account.clients import read, remove
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings
from aws_cloud_infra.resources.containers.schedule_group import ScheduleGroup
from aws_cloud_infra.resources.containers.task_definition import TaskDefinition, billed
from aws_cloud_infra.resources.identity.role import Role

_TRIES = 2
_SECONDS_TO_TRY = 3600


@dataclass(frozen=True, eq=False)
class Schedule(Resource):
    """When to start one task of a family: always its newest revision."""

    group: ScheduleGroup
    role: Role
    cluster: Resource
    task: TaskDefinition
    subnets: tuple[Resource, ...]
    security_group: Resource
    expression: str
    dead_letters: Resource
    """The queue for what could not be started; the role must be allowed to write there."""
    enabled: bool
    hours_a_run: float
    """A guess, for what it costs."""

    kind = "schedule"
    permissions = (
        Permission(
            ("scheduler:GetSchedule", "scheduler:CreateSchedule", "scheduler:UpdateSchedule",
             "scheduler:DeleteSchedule"),
            ("arn:{partition}:scheduler:{region}:{account}:schedule/{prefix}*/{name}",),
        ),
        Permission(
            ("iam:PassRole",),
            ("arn:{partition}:iam::{account}:role/sales-forecasting/{role}",),
            {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}},
        ),
    )  # fmt: skip

    @property
    def prices(self) -> tuple[tuple[str, float], ...]:
        """The tasks that it starts; none while it is disabled."""
        runs = cron.runs_a_month(self.expression) if self.enabled else 0
        return billed(self.task, runs * self.hours_a_run)

    def desired(self, ids: Ids) -> Settings:
        """When, what, as whom and where; a hand may not add an end, an input or a shell."""
        return {
            "expression": self.expression,
            "timezone": "UTC",
            "flexible_window": "OFF",
            "state": "ENABLED" if self.enabled else "DISABLED",
            "starts": None,
            "ends": None,
            "role": ids[self.role],
            "cluster": ids[self.cluster],
            # Without a revision: whatever is the newest when the time comes.
            "task": self.aws.arn("ecs", f"task-definition/{self.task.name}"),
            "tasks": 1,
            "launch_type": "FARGATE",
            "subnets": sorted(ids[subnet] for subnet in self.subnets),
            "security_groups": [ids[self.security_group]],
            # The subnets have no other way out; nothing comes in through the security group.
            "public_address": "ENABLED",
            "shell": False,
            "input": None,
            "dead_letters": ids[self.dead_letters],
            "tries": _TRIES,
            "seconds_to_try": _SECONDS_TO_TRY,
        }

    def find(self) -> Live | None:
        """Find it by its name and the one of its group; it is gone as soon as its group is."""
        if self.group.find() is None:
            return None
        found = read(
            self.aws.client("scheduler").get_schedule, GroupName=self.group.name, Name=self.name
        )
        return found and Live(found["Arn"], _settings(found), None)

    def create(self, desired: Settings) -> None:
        """Make it."""
        self._write("create_schedule", desired)

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Write it whole: what an update leaves out, AWS sets back."""
        self._write("update_schedule", desired)

    def _write(self, operation: str, desired: Settings) -> None:
        getattr(self.aws.client("scheduler"), operation)(
            Name=self.name,
            GroupName=self.group.name,
            ScheduleExpression=desired["expression"],
            ScheduleExpressionTimezone=desired["timezone"],
            FlexibleTimeWindow={"Mode": desired["flexible_window"]},
            State=desired["state"],
            Target={
                "Arn": desired["cluster"],
                "RoleArn": desired["role"],
                "DeadLetterConfig": {"Arn": desired["dead_letters"]},
                "RetryPolicy": {
                    "MaximumRetryAttempts": desired["tries"],
                    "MaximumEventAgeInSeconds": desired["seconds_to_try"],
                },
                "EcsParameters": {
                    "TaskDefinitionArn": desired["task"],
                    "TaskCount": desired["tasks"],
                    "LaunchType": desired["launch_type"],
                    "EnableExecuteCommand": desired["shell"],
                    "NetworkConfiguration": {
                        "awsvpcConfiguration": {
                            "Subnets": desired["subnets"],
                            "SecurityGroups": desired["security_groups"],
                            "AssignPublicIp": desired["public_address"],
                        }
                    },
                },
            },
        )

    def delete(self, live: Live) -> None:
        """Delete it; a task that it has started goes on to its end."""
        remove(
            self.aws.client("scheduler").delete_schedule, GroupName=self.group.name, Name=self.name
        )


def _settings(found: Mapping[str, Any]) -> Settings:
    target = found["Target"]
    # All of these may be missing: a hand may have put any other target in its place.
    ecs = target.get("EcsParameters", {})
    network = ecs.get("NetworkConfiguration", {}).get("awsvpcConfiguration", {})
    retries = target.get("RetryPolicy", {})
    return {
        "expression": found["ScheduleExpression"],
        "timezone": found.get("ScheduleExpressionTimezone", "UTC"),
        "flexible_window": found["FlexibleTimeWindow"]["Mode"],
        "state": found["State"],
        "starts": _moment(found.get("StartDate")),
        "ends": _moment(found.get("EndDate")),
        "role": target["RoleArn"],
        "cluster": target["Arn"],
        "task": ecs.get("TaskDefinitionArn"),
        "tasks": ecs.get("TaskCount", 1),
        "launch_type": ecs.get("LaunchType"),
        "subnets": sorted(network.get("Subnets", [])),
        "security_groups": sorted(network.get("SecurityGroups", [])),
        "public_address": network.get("AssignPublicIp", "DISABLED"),
        "shell": ecs.get("EnableExecuteCommand", False),
        "input": target.get("Input"),
        "dead_letters": target.get("DeadLetterConfig", {}).get("Arn"),
        "tries": retries.get("MaximumRetryAttempts"),
        "seconds_to_try": retries.get("MaximumEventAgeInSeconds"),
    }


def _moment(when: Any) -> str | None:
    return str(when) if when else None

"""Schedules on an emulated account."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.errors import AwsRefused
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.changes import Action
from aws_cloud_infra.engine.plan import plan
from aws_cloud_infra.engine.resource import Found, Live, Resource
from aws_cloud_infra.resources.containers.schedule import Schedule
from aws_cloud_infra.resources.containers.schedule_group import ScheduleGroup
from tests.aws.account import Account, answer_with, record
from tests.aws.lifecycle import Drift, check_life, quietly, what_changes

_UPDATED = {
    "Name", "GroupName", "ScheduleExpression", "ScheduleExpressionTimezone", "FlexibleTimeWindow",
    "State", "Target", "StartDate", "EndDate",
}  # fmt: skip
_ROLE_TOO_FRESH = (
    "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
)


@dataclass(frozen=True, eq=False)
class Stand(Found):
    id: str

    kind = "stand-in"
    permissions = ()

    def find(self) -> Live:
        return Live(self.id, {}, None)


def schedules(aws: Aws) -> Sequence[Resource]:
    role, cluster, task, subnet, other_subnet, door, queue = needed = [
        Stand(aws, name, value)
        for name, value in {
            "clock": aws.arn("iam", "role/sales-forecasting/clock", region=""),
            "cluster": aws.arn("ecs", "cluster/cluster"),
            "train": aws.arn("ecs", "task-definition/train:7"),
            "first": "subnet-2",
            "second": "subnet-1",
            "door": "sg-1",
            "queue": aws.arn("sqs", "not-started"),
        }.items()
    ]
    group = ScheduleGroup(aws, aws.prefix)
    schedule = Schedule(
        aws, f"{aws.prefix}-train", group, role, cluster, task, (subnet, other_subnet), door,
        "cron(0 6 ? * MON *)", queue, enabled=False, hours_a_run=1,
    )  # fmt: skip
    return [*needed, group, schedule]


def _with(**changed: Any):
    """Write a schedule again as it is but for this."""

    def change(aws: Aws, live: Live) -> None:
        scheduler = aws.client("scheduler")
        group, name = live.id.split("/")[-2:]
        found = scheduler.get_schedule(GroupName=group, Name=name)
        kept = {key: found[key] for key in _UPDATED & found.keys()}
        scheduler.update_schedule(**{**kept, **changed})

    return change


def _target(*path: str, value: Any):
    """Write a schedule again with something in its target changed; None takes it away."""

    def change(aws: Aws, live: Live) -> None:
        group, name = live.id.split("/")[-2:]
        found = aws.client("scheduler").get_schedule(GroupName=group, Name=name)
        within = found["Target"]
        for key in path[:-1]:
            within = within.setdefault(key, {})
        within[path[-1]] = value
        if value is None:
            del within[path[-1]]
        _with(Target=found["Target"])(aws, live)

    return change


_NETWORK = ("EcsParameters", "NetworkConfiguration", "awsvpcConfiguration")
_SHELL = json.dumps({"containerOverrides": [{"name": "app", "command": ["sh"]}]})
_NEVER = datetime(2020, 1, 1, tzinfo=UTC)
DRIFTS = [
    Drift(Schedule, setting, change)
    for setting, change in [
        ("expression", _with(ScheduleExpression="rate(1 minutes)")),
        ("timezone", _with(ScheduleExpressionTimezone="Asia/Tokyo")),
        ("flexible_window", _with(
            FlexibleTimeWindow={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 60})),
        ("state", _with(State="ENABLED")),
        ("starts", _with(StartDate=datetime(2999, 1, 1, tzinfo=UTC))),
        ("ends", _with(EndDate=_NEVER)),
        ("role", _target("RoleArn", value="arn:aws:iam::123456789012:role/admin")),
        ("cluster", _target("Arn", value="arn:aws:ecs:eu-central-1:123456789012:cluster/other")),
        ("task", _target("EcsParameters", "TaskDefinitionArn", value=(
            "arn:aws:ecs:eu-central-1:123456789012:task-definition/sales-forecast-train:1"))),
        ("tasks", _target("EcsParameters", "TaskCount", value=10)),
        ("launch_type", _target("EcsParameters", "LaunchType", value="EC2")),
        ("launch_type", _target("EcsParameters", "LaunchType", value=None)),
        ("subnets", _target(*_NETWORK, "Subnets", value=["subnet-elsewhere"])),
        ("security_groups", _target(*_NETWORK, "SecurityGroups", value=["sg-open"])),
        ("public_address", _target(*_NETWORK, "AssignPublicIp", value="DISABLED")),
        ("shell", _target("EcsParameters", "EnableExecuteCommand", value=True)),
        ("input", _target("Input", value=_SHELL)),
        ("dead_letters", _target("DeadLetterConfig", "Arn", value=(
            "arn:aws:sqs:eu-central-1:123456789012:queue"))),
        ("dead_letters", _target("DeadLetterConfig", value=None)),
        ("tries", _target("RetryPolicy", "MaximumRetryAttempts", value=185)),
        ("seconds_to_try", _target("RetryPolicy", "MaximumEventAgeInSeconds", value=60)),
        ("task", _target("EcsParameters", value=None)),
    ]
]  # fmt: skip


def test_schedules_are_made_healed_and_removed(account: Account) -> None:
    check_life(account, schedules, DRIFTS)


def test_the_schedule_starts_the_newest_revision(account: Account) -> None:
    aws = account.aws()
    apply(plan(schedules(aws)), quietly)

    found = aws.client("scheduler").get_schedule(GroupName=aws.prefix, Name=f"{aws.prefix}-train")

    assert found["Target"]["EcsParameters"]["TaskDefinitionArn"].endswith(":task-definition/train")


def test_a_schedule_whose_group_is_missing_is_missing(account: Account) -> None:
    assert schedules(account.aws())[-1].find() is None


def test_a_group_of_somebody_else_is_refused(account: Account) -> None:
    aws = account.aws()
    aws.client("scheduler").create_schedule_group(Name=aws.prefix)

    changes = plan(schedules(aws))

    assert ["schedule group sales-forecast-production"] == [
        str(change.resource) for change in changes if change.action is Action.REFUSE
    ]


def _refuse_at_first(
    session: boto3.Session, event: str, code: str, message: str, times: int
) -> list[str]:
    """Let AWS refuse the first calls of `event` only."""
    always = boto3.Session()
    answered = answer_with(always, event, code, message, 400)

    def refuse(event_name: str, request: Any, **_: Any) -> AWSResponse | None:
        if len(answered) == times:
            return None
        ((_, answer),) = always.events.emit(event_name, request=request)
        return answer

    session.events.register(f"before-send.{event}", refuse)
    return answered


def test_a_role_that_cannot_be_assumed_yet_is_waited_for(account: Account, hurried: None) -> None:
    session = account.session()
    refused = _refuse_at_first(
        session, "scheduler.CreateSchedule", "ValidationException", _ROLE_TOO_FRESH, 3
    )
    resources = schedules(account.aws(session))

    apply(plan(resources), quietly)

    assert ["scheduler.CreateSchedule"] * 3 == refused
    assert {} == what_changes(plan(resources))


def test_any_other_refusal_is_told_at_once(account: Account) -> None:
    session = account.session()
    calls = record(session)
    answer_with(session, "scheduler.CreateSchedule", "ValidationException", "Invalid cron", 400)

    with pytest.raises(AwsRefused, match=r"schedule .*-train: AWS refused .*Invalid cron"):
        apply(plan(schedules(account.aws(session))), quietly)

    assert 1 == calls.made.count(("scheduler", "CreateSchedule"))


def test_a_group_that_is_still_being_deleted_is_gone(account: Account) -> None:
    apply(plan(schedules(account.aws())), quietly)
    session = account.session()
    states = iter(["DELETING", "DELETING", "ACTIVE"])

    def deleting(parsed: dict[str, Any], **_: Any) -> None:
        parsed["State"] = next(states)

    session.events.register("after-call.scheduler.GetScheduleGroup", deleting)
    *_, group, schedule = schedules(account.aws(session))

    assert group.find() is None
    assert schedule.find() is None, "it goes with its group, even if AWS still shows it"
    assert group.find() is not None


def test_a_group_is_made_once_its_predecessor_is_gone(account: Account, hurried: None) -> None:
    session = account.session()
    refused = _refuse_at_first(
        session, "scheduler.CreateScheduleGroup", "ConflictException", "It is being deleted.", 2
    )
    resources = schedules(account.aws(session))

    apply(plan(resources), quietly)

    assert ["scheduler.CreateScheduleGroup"] * 2 == refused
    assert {} == what_changes(plan(resources))

"""Log groups on an emulated account."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.changes import Action
from aws_cloud_infra.engine.plan import plan
from aws_cloud_infra.engine.resource import Resource
from aws_cloud_infra.resources.watching.log_group import LogGroup
from tests.aws.account import Account
from tests.aws.lifecycle import Drift, check_life, quietly

NAME = "/sales-forecast/production/service"


def logs(aws: Aws) -> Sequence[Resource]:
    return [LogGroup(aws, NAME, 30), LogGroup(aws, f"{NAME}-of-another", 7)]


DRIFTS = [
    Drift(LogGroup, "days", lambda aws, live: aws.client("logs").delete_retention_policy(
        logGroupName=live.id.split(":log-group:")[1])),
    Drift(LogGroup, "days", lambda aws, live: aws.client("logs").put_retention_policy(
        logGroupName=live.id.split(":log-group:")[1], retentionInDays=3653), "another"),
]  # fmt: skip


def test_log_groups_are_made_healed_and_removed(account: Account) -> None:
    check_life(account, logs, DRIFTS)


def test_the_id_is_the_arn_that_policies_name(account: Account) -> None:
    group = LogGroup(account.aws(), NAME, 30)
    apply(plan([group]), quietly)

    live = group.find()

    assert live is not None
    assert f"arn:aws:logs:eu-central-1:123456789012:log-group:{NAME}" == live.id == group.arn


def test_a_group_whose_name_only_begins_alike_is_another(account: Account) -> None:
    aws = account.aws()
    aws.client("logs").create_log_group(logGroupName=f"{NAME}-of-another")

    assert LogGroup(aws, NAME, 30).find() is None


def test_a_group_of_somebody_else_is_refused(account: Account) -> None:
    aws = account.aws()
    aws.client("logs").create_log_group(logGroupName=NAME)

    (change,) = plan([LogGroup(aws, NAME, 30)])

    assert Action.REFUSE == change.action

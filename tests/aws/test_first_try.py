"""The first apply ends in the wished state, whatever AWS does not know yet or loses on its way."""

from __future__ import annotations

import os
import random
from collections import Counter

import botocore.endpoint
import pytest

from aws_cloud_infra.account import patience
from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.errors import AwsRefused
from aws_cloud_infra.engine import side_by_side
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.changes import Change, Report
from aws_cloud_infra.engine.destroy import destroy, plan_destroy
from aws_cloud_infra.engine.plan import plan
from aws_cloud_infra.engine.stack import Stack
from aws_cloud_infra.resources.watching.log_group import LogGroup
from aws_cloud_infra.stacks import both
from tests.aws.account import DELIVERIES, Account, answer_with, is_read, record
from tests.aws.census import Census, census
from tests.aws.faults import LOST, NOT_YET, Waiting, at_writes, disturb
from tests.aws.lifecycle import quietly, what_changes
from tests.aws.test_both_stacks import DELIVERED, MADE, ours

NIGHTLY = "EVERY_WRITE" in os.environ
SETTINGS = DELIVERIES if NIGHTLY else {}


def make(*stacks: Stack) -> None:
    for stack in stacks:
        apply(plan(stack.resources), quietly)


def both_for(aws: Aws) -> tuple[Stack, Stack]:
    return both(aws, final_snapshot=False)[::-1]


@pytest.fixture(autouse=True)
def no_time_passes(hurried: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(botocore.endpoint.time, "sleep", lambda _: None)


@pytest.fixture
def empty(account: Account) -> Census:
    return census(account.session())


def assert_complete(account: Account, empty: Census) -> None:
    assert Counter(MADE) + Counter(DELIVERED if NIGHTLY else {}) == ours(account, empty)
    for stack in both_for(account.aws(**SETTINGS)):
        assert {} == what_changes(plan(stack.resources))


def test_what_aws_does_not_know_yet_at_any_write_or_waiter_is_asked_again(
    account: Account, empty: Census
) -> None:
    session = account.session()
    aws = Waiting(account.aws(**SETTINGS), session)
    faults = disturb(session, lambda call: NOT_YET if not is_read(call) or aws.polls() else None)
    calls = record(session)
    make(*both_for(aws))
    assert len(faults.met) > len(calls.writes)
    assert {"ec2.DescribeVpcs", "ec2.DescribeSubnets", "ec2.RunInstances"} <= {*faults.of(NOT_YET)}
    assert_complete(account, empty)


@pytest.mark.parametrize("seed", range(20 if NIGHTLY else 1))
def test_what_aws_does_not_know_yet_at_a_random_tenth_of_all_calls_is_asked_again(
    account: Account, empty: Census, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(side_by_side, "SIDE_BY_SIDE", 1)
    chance = random.Random(seed)  # noqa: S311
    session = account.session()
    faults = disturb(session, lambda _: NOT_YET if chance.random() < 0.1 else None)
    make(*both_for(account.aws(session, **SETTINGS)))
    assert len(faults.met) > 20
    assert_complete(account, empty)


def test_a_lost_answer_at_any_write_makes_nothing_twice_and_leaves_nothing(
    account: Account, empty: Census
) -> None:
    session = account.session()
    faults = disturb(session, at_writes(LOST))
    make(*both_for(account.aws(session, **SETTINGS)))
    assert {"ec2.CreateVpc", "ec2.CreateInternetGateway"} <= {*faults.of(LOST)}
    assert_complete(account, empty)
    tracking, serving = both_for(account.aws(session, **SETTINGS))
    destroy(plan_destroy(serving, tracking, include_data=True), quietly)
    destroy(plan_destroy(tracking, serving, include_data=True), quietly)
    assert {} == ours(account, empty)


class Waits(Report):
    """Remembers why it was waited."""

    def __init__(self) -> None:
        self.why: list[str] = []

    def waits(self, change: Change, why: str) -> None:
        self.why.append(f"{change.resource}: {why}")


def test_what_aws_never_gets_to_know_is_given_up_in_a_sentence_after_two_minutes(
    account: Account,
) -> None:
    session = account.session()
    aws = account.aws(session)
    (vpc,) = (item for item in both(aws)[0].shared if item.kind == "VPC")
    waits = Waits()
    answered = answer_with(
        session, "ec2.ModifyVpcAttribute", "InvalidVpcID.NotFound", "No vpc-1 here", 400
    )
    with pytest.raises(AwsRefused, match=r"VPC .*: AWS refused .*No vpc-1 here"):
        apply(plan([vpc]), waits)
    assert 1 + len(patience.PAUSES) == len(answered)
    assert len(answered) - 1 == len(waits.why)
    assert "VPC sales-forecast-production: AWS does not know it yet: No vpc-1 here" == waits.why[0]


def test_two_minutes_are_not_spent_on_what_this_run_has_not_made(account: Account) -> None:
    def logs(aws: Aws, days: int) -> LogGroup:
        return LogGroup(aws, "/sales-forecast/production/service", days)

    apply(plan([logs(account.aws(), 30)]), quietly)
    session = account.session()
    answered = answer_with(
        session, "cloudwatch-logs.PutRetentionPolicy", "ResourceNotFoundException", "Gone", 400
    )
    with pytest.raises(AwsRefused, match="Gone"):
        apply(plan([logs(account.aws(session), 60)]), quietly)
    assert 1 + patience.A_FEW == len(answered)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("InvalidParameterValue", "Invalid IAM Instance Profile ARN"),
        ("InvalidParameterValue", 'IAM Instance Profile "x" has no associated IAM Roles'),
        (
            "InvalidParameterException",
            "The target group does not have an associated load balancer.",
        ),
        ("InvalidParameterException", "Unable to assume the service linked role."),
        ("ClientException", "Role is not valid"),
        (
            "InvalidParameterValueException",
            "The role defined for the function cannot be assumed by Lambda.",
        ),
        (
            "InvalidInputException",
            "Role x should be given assume role permissions for Glue Service.",
        ),
        ("InvalidArgument", "Unable to validate the following destination configurations"),
        ("ValidationError", "The VPC ID 'vpc-1' is not found"),
        ("InvalidSubnet", "The subnet ID 'subnet-1' does not exist"),
    ],
)
def test_services_have_many_words_for_what_they_do_not_know_yet(code: str, text: str) -> None:
    assert patience.is_unknown({"Error": {"Code": code, "Message": text}})


def test_any_other_refusal_is_none_of_them() -> None:
    for code in ("InvalidParameterValue", "AccessDenied", "InvalidPermission.NotFound"):
        assert not patience.is_unknown({"Error": {"Code": code, "Message": "The CIDR is wrong."}})

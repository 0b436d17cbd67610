"""Twenty faults at random in a life of both stacks: at most a sentence, then it goes on as wished.

Made, changed in several settings, what they no longer want deleted, all destroyed; beside what is
somebody else's. RANDOM_FAULTS=50 lives
so many, each with its number as seed; `-rP` shows what was refused.
"""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import botocore.endpoint
import pytest

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.errors import AWS_ERRORS, InfraError, translate
from aws_cloud_infra.engine import side_by_side
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.destroy import destroy, plan_destroy
from aws_cloud_infra.engine.plan import plan_stack
from aws_cloud_infra.stacks import both
from tests.aws.account import DELIVERIES, Account, record
from tests.aws.census import census, counts
from tests.aws.faults import FAILED, LOST, NOT_YET, SLOW_DOWN, disturb
from tests.aws.lifecycle import quietly, what_changes

LIVES = int(os.environ.get("RANDOM_FAULTS", "0"))
IN_A_LIFE = 20
MOST_RUNS = 4
KINDS = (FAILED, LOST, NOT_YET, SLOW_DOWN)
CHANGED: Mapping[str, Any] = {
    "min_tasks": 2, "max_tasks": 6, "log_days": 60, "target_cpu_percent": 50,
    "alarm_email": "others@example.com", "database_backup_days": 14, "instance_type": "t3.medium",
    "instance_disk_gb": 30, "delivery_layout": "daily", "task_memory": 1024,
    "weekly_schedule": "cron(0 5 ? * TUE *)",
}  # fmt: skip
FEWEST: Mapping[str, Any] = CHANGED | {
    "delivery_layout": None, "github_repository": None, "budget_dollars": None,
}  # fmt: skip


def make(aws: Aws) -> None:
    for stack in both(aws, final_snapshot=False)[::-1]:
        apply(plan_stack(stack), quietly)


def unmake(aws: Aws) -> None:
    serving, tracking = both(aws, final_snapshot=False)
    destroy(plan_destroy(serving, tracking, include_data=True), quietly)
    destroy(plan_destroy(tracking, serving, include_data=True), quietly)


Phases = Sequence[tuple[Callable[[Aws], None], Mapping[str, Any]]]


def phases(account: Account) -> Phases:
    """Return what is done in a life, by which settings; its names have zones of their own."""
    route53 = account.session().client("route53")

    def named(name: str) -> Mapping[str, Any]:
        made = route53.create_hosted_zone(Name=name, CallerReference=name)["HostedZone"]["Id"]
        return {"domain": f"forecasts.{name}", "hosted_zone_id": made.rpartition("/")[2]}

    first, second = DELIVERIES | named("example.com"), CHANGED | named("example.net")
    return (make, first), (make, second), (make, FEWEST), (unmake, FEWEST)


def somebody_else(account: Account) -> Callable[[], list[Any]]:
    """Put things of another owner beside ours, as alike as can be; return what looks at them."""
    session = account.session()
    ec2, iam, logs = (session.client(name) for name in ("ec2", "iam", "logs"))
    name = [{"Key": "Name", "Value": "sales-forecast-production"}]
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.20.0.0/18")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(
        GroupName="sales-forecast-production-service", Description="theirs", VpcId=vpc
    )["GroupId"]
    ec2.create_tags(Resources=[vpc, gateway, subnet, group], Tags=name)
    iam.create_role(RoleName="sales-forecast-staging-task", AssumeRolePolicyDocument="{}")
    logs.create_log_group(logGroupName="/sales-forecast/production/service-of-others")

    def look() -> list[Any]:
        answers = [
            ec2.describe_vpcs(VpcIds=[vpc]),
            ec2.describe_internet_gateways(InternetGatewayIds=[gateway]),
            ec2.describe_subnets(SubnetIds=[subnet]),
            ec2.describe_security_groups(GroupIds=[group]),
            iam.get_role(RoleName="sales-forecast-staging-task"),
            logs.describe_log_groups(logGroupNamePrefix="/sales-forecast/production/service-of"),
        ]
        return [{**answer, "ResponseMetadata": None} for answer in answers]

    return look


@pytest.fixture(autouse=True)
def no_time_passes_and_nothing_is_side_by_side(
    hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(botocore.endpoint.time, "sleep", lambda _: None)
    monkeypatch.setattr(side_by_side, "SIDE_BY_SIDE", 1)


@pytest.fixture(scope="module")
def undisturbed(server: Account) -> tuple[int, list[dict[str, int]]]:
    """How many calls a life makes, and what there is after each of its phases."""
    server.reset()
    somebody_else(server)
    session = server.session()
    calls, found = record(session), []
    for do, settings in phases(server):
        do(server.aws(session, **settings))
        found.append(counts(census(server.session())))
    return len(calls), found


@pytest.mark.parametrize("life", range(LIVES))
def test_a_life_with_twenty_faults_goes_as_one_without(
    undisturbed: tuple[int, list[dict[str, int]]],
    account: Account,
    life: int,
) -> None:
    calls, expected = undisturbed
    chance = random.Random(life)  # noqa: S311
    faults_at = {at: chance.choice(KINDS) for at in chance.sample(range(calls), IN_A_LIFE)}
    made = iter(range(10 * calls))
    old: list[bool] = []

    def pick(call: str) -> str | None:
        fault = faults_at.get(next(made))
        # What has been there for long is known everywhere by the time that it is deleted.
        return SLOW_DOWN if fault == NOT_YET and (old or ".Delete" in call) else fault

    look = somebody_else(account)
    theirs = look()
    session = account.session()
    faults = disturb(session, pick)
    refusals = []
    for (do, settings), wished in zip(phases(account), expected, strict=True):
        old += [True] if settings is FEWEST else []
        for _ in range(MOST_RUNS):
            try:
                do(account.aws(session, **settings))
            except InfraError as error:
                refusals.append(error.message)
            except AWS_ERRORS as error:  # as `main` does
                refusals.append(translate(error, "AWS", lambda _: None).message)
            else:
                break
        assert wished == counts(census(account.session())), (faults.met, refusals)
        if do is make:
            for stack in both(account.aws(**settings), final_snapshot=False):
                assert {} == what_changes(plan_stack(stack)), (faults.met, refusals)
        assert theirs == look()
    assert all(1 == len(refusal.splitlines()) for refusal in refusals)
    logging.getLogger(__name__).warning("%d faults, refused: %s", len(faults.met), refusals)

"""Both stacks on an emulated account: made, found unchanged, two environments, any region."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.destroy import destroy, plan_destroy
from aws_cloud_infra.engine.plan import plan
from aws_cloud_infra.engine.stack import Stack
from aws_cloud_infra.stacks import both
from tests.aws.account import DELIVERIES, Account, record
from tests.aws.census import census, counts, without
from tests.aws.lifecycle import check_policy, quietly, what_changes

MADE = {
    "ec2 Vpcs": 1, "ec2 Subnets": 4, "ec2 InternetGateways": 1, "ec2 RouteTables": 3,
    "ec2 FlowLogs": 1,
    "ec2 SecurityGroups": 5, "ec2 Instances": 1, "ec2 Volumes": 1,
    "ecr repositories": 1, "ecs clusterArns": 1, "ecs services": 1, "ecs taskDefinitionArns": 3,
    "elbv2 LoadBalancers": 1, "elbv2 TargetGroups": 1, "elbv2 Listeners": 1,
    "scaling targets": 1, "scaling policies": 2, "iam Roles": 7, "iam Policies": 3,
    "iam InstanceProfiles": 1,
    "iam OpenIDConnectProviderList": 1, "logs logGroups": 5, "rds DBInstances": 1,
    "rds DBSnapshots": 1, "rds DBSubnetGroups": 1, "rds DBParameterGroups": 1, "s3 Buckets": 2,
    "scheduler ScheduleGroups": 1, "scheduler Schedules": 2, "secretsmanager SecretList": 7,
    "route53 HostedZones": 1,
    "sns Topics": 1, "sns Subscriptions": 1, "ssm Parameters": 3, "cloudwatch MetricAlarms": 16,
    "cloudwatch DashboardEntries": 1, "events Rules": 2, "sqs QueueUrls": 1, "budgets": 1,
}  # fmt: skip
"""What both stacks are, as an account lists it, with what AWS makes and takes away by itself: the
main route table and default group of the VPC, the database's secret and first snapshot, two alarms
a scaling policy."""
DELIVERED = {
    "iam Roles": 3, "events Rules": 2, "logs logGroups": 2, "cloudwatch MetricAlarms": 1,
    "glue JobNames": 1, "glue DatabaseList": 1, "lambda Functions": 2,
}  # fmt: skip
"""What takes deliveries, beside that."""


def make(*stacks: Stack) -> None:
    for stack in stacks:
        apply(plan(stack.resources), quietly)


def ours(account: Account, baseline: dict[str, list[str]], region: str = "eu-central-1"):
    found = counts(without(census(account.session(region)), baseline))
    for brought_along in ("ec2 NetworkInterfaces",):
        found.pop(brought_along, None)
    return found


@pytest.mark.parametrize(
    ("region", "settings", "more"),
    [
        ("us-east-1", {}, {}),
        ("eu-central-1", {**DELIVERIES, "database_engine": "postgres"}, DELIVERED),
    ],
)
def test_an_empty_account_is_planned_with_reads_made_as_planned_and_emptied(
    account: Account, region: str, settings: dict[str, Any], more: dict[str, int]
) -> None:
    baseline = census(account.session(region))
    session = account.session(region)
    calls = record(session)
    stacks = both(account.aws(session, region=region, **settings), final_snapshot=False)
    for stack in stacks:
        changes = plan(stack.resources)
        assert {"create"} == {change.action for change in changes if not change.resource.only_found}
    assert [] == calls.writes

    make(*stacks)
    assert Counter(MADE) + Counter(more) == ours(account, baseline, region)
    for stack in stacks:
        assert {} == what_changes(plan(stack.resources))
    written = len(calls.writes)
    make(*stacks)
    assert [] == calls.writes[written:]

    serving, tracking = stacks
    destroy(plan_destroy(serving, tracking, include_data=True), quietly)
    destroy(plan_destroy(tracking, serving, include_data=True), quietly)
    assert {} == ours(account, baseline, region)
    every = [item for stack in stacks for item in (*stack.resources, *stack.retired)]
    check_policy(every, calls, whole=False)


def test_a_plan_asks_a_handful_of_times_for_each_resource(account: Account) -> None:
    session = account.session()
    calls = record(session)
    serving, _ = both(account.aws(session))
    make(serving)
    for number in (1, 2):
        before = len(calls.made)
        plan(serving.resources)
        asked = Counter(calls.made[before:])
        assert asked.total() < 4 * len(serving.resources), number


def test_each_script_alone_makes_what_it_needs_in_an_empty_account(account: Account) -> None:
    baseline = census(account.session())
    for first in (0, 1):
        stacks = both(account.aws(), final_snapshot=False)
        make(stacks[first])
        assert {} == what_changes(plan(stacks[first].resources))
        make(stacks[1 - first])
        # The second tells the first where MLflow is, at most.
        assert {} == what_changes(plan(stacks[first].resources))
        gone, left = stacks[first], stacks[1 - first]
        destroy(plan_destroy(gone, left, include_data=True), quietly)
        assert {} == what_changes(plan(left.resources)), "it misses nothing"
        destroy(plan_destroy(left, gone, include_data=True), quietly)
        assert {} == ours(account, baseline)


def test_two_environments_in_one_account_do_not_touch_each_other(account: Account) -> None:
    def environment(name: str) -> tuple[Aws, tuple[Stack, Stack]]:
        aws = account.aws(environment=name)
        return aws, both(aws, final_snapshot=False)

    _, staging = environment("staging")
    _, production = environment("production")
    baseline = census(account.session())
    make(*staging)
    alone = ours(account, baseline)
    make(*production)
    for stack in (*staging, *production):
        assert {} == what_changes(plan(stack.resources))
    for mine, other in (production, production[::-1]):
        destroy(plan_destroy(mine, other, include_data=True), quietly)
    for stack in staging:
        assert {} == what_changes(plan(stack.resources))
    assert alone == ours(account, baseline)


def test_data_survives_a_destroy_with_all_that_it_lies_in(account: Account) -> None:
    baseline = census(account.session())
    serving, tracking = both(account.aws())
    make(serving, tracking)
    destroy(plan_destroy(serving, tracking, include_data=False), quietly)
    destroy(plan_destroy(tracking, serving, include_data=False), quietly)
    left = ours(account, baseline)
    assert {"rds DBInstances": 1, "s3 Buckets": 1} == {
        kind: number for kind, number in left.items() if kind in {"rds DBInstances", "s3 Buckets"}
    }
    assert set() == {"ec2 Instances", "ecs services", "elbv2 LoadBalancers", "iam Roles"} & set(
        left
    )
    assert all(change.reason for change in plan_destroy(tracking, serving, include_data=False)), (
        "the second time there is nothing to delete"
    )
    make(serving, tracking)
    assert MADE == ours(account, baseline)


def test_with_its_data_a_database_leaves_one_last_snapshot_and_nothing_else(
    account: Account,
) -> None:
    baseline = census(account.session())
    _, tracking = both(account.aws())
    make(tracking)
    destroy(plan_destroy(tracking, both(account.aws())[0], include_data=True), quietly)
    assert {"rds DBSnapshots": 1} == ours(account, baseline)


def test_whatever_was_deleted_by_hand_is_made_again(account: Account) -> None:
    serving, tracking = both(account.aws(), final_snapshot=False)
    make(tracking, serving)
    before = counts(census(account.session()))
    for stack in (serving, tracking):
        needed = {item for resource in stack.resources for item in resource.needs}
        deleted = [item for item in stack.own if item not in needed and not item.only_found]
        for resource in deleted:
            live = resource.find()
            assert live is not None
            resource.delete(live)
        planned = what_changes(plan(stack.resources))
        assert {str(resource) for resource in deleted} <= planned.keys()
        make(stack)
        assert {} == what_changes(plan(stack.resources))
    assert before == counts(census(account.session()))

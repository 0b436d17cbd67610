"""What every resource must do, checked for any few of them: plan, apply, heal, destroy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.engine import actions, policy
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.changes import Action, Change, Report
from aws_cloud_infra.engine.destroy import destroy, plan_destroy
from aws_cloud_infra.engine.plan import plan
from aws_cloud_infra.engine.resource import Live, Resource
from aws_cloud_infra.engine.stack import Stack
from tests.aws.account import Account, Calls, record

NOBODY = Stack("other", (), ())
quietly = Report()

IMPLIED = {
    "budgets:TagResource": "tags in CreateBudget",
    "events:TagResource": "tags in PutRule",
    "sqs:TagQueue": "tags in CreateQueue",
    "sts:GetCallerIdentity": "finding out which account this is",
    "cloudwatch:DeleteAlarms": "the alarms of a scaling policy",
    "cloudwatch:DescribeAlarms": "the alarms of a scaling policy",
    "cloudwatch:PutMetricAlarm": "the alarms of a scaling policy",
    "ec2:CreateTags": "tags in a Create call",
    "ec2:DescribeAccountAttributes": "the first load balancer of an account",
    "ec2:DescribeAddresses": "the first load balancer of an account",
    "ec2:DescribeInternetGateways": "the first load balancer of an account",
    "ec2:DescribeSecurityGroups": "the first load balancer of an account",
    "ec2:DescribeSubnets": "the first load balancer of an account",
    "ec2:DescribeRegions": "making a private zone",
    "ec2:DescribeVpcs": "the first load balancer of an account, and making a private zone",
    "ecr:TagResource": "tags in CreateRepository",
    "ecs:TagResource": "tags in Create calls",
    "elasticloadbalancing:AddTags": "tags in Create calls",
    "glue:TagResource": "tags in Create calls",
    "iam:CreateServiceLinkedRole": "the first use of a service in an account",
    "iam:PassRole": "giving a role to what is to act as it",
    "iam:TagInstanceProfile": "tags in CreateInstanceProfile",
    "iam:TagOpenIDConnectProvider": "tags in CreateOpenIDConnectProvider",
    "iam:TagPolicy": "tags in CreatePolicy",
    "iam:TagRole": "tags in CreateRole",
    "logs:CreateLogDelivery": "CreateFlowLogs",
    "logs:DeleteLogDelivery": "DeleteFlowLogs",
    "logs:FilterLogEvents": "waiting until MLflow answers",
    "lambda:TagResource": "tags in CreateFunction",
    "logs:TagResource": "tags in CreateLogGroup",
    "kms:DescribeKey": "making a database's password",
    "rds:CreateDBSnapshot": "the last snapshot of DeleteDBInstance",
    "secretsmanager:CreateSecret": "making a database's password",
    "rds:AddTagsToResource": "tags in Create calls",
    "s3:DeleteObjectVersion": "versions in DeleteObjects",
    "route53:AssociateVPCWithHostedZone": "making a private zone",
    "s3:TagResource": "tags in CreateBucket",
    "scheduler:TagResource": "tags in CreateScheduleGroup",
    "secretsmanager:TagResource": "tags in CreateSecret",
    "sns:TagResource": "tags in CreateTopic",
    "ssm:AddTagsToResource": "tags in PutParameter",
    "cloudwatch:TagResource": "tags in PutMetricAlarm",
    "application-autoscaling:TagResource": "tags in RegisterScalableTarget",
}
"""Actions that AWS asks for beside those of the calls themselves, and when."""


@dataclass(frozen=True)
class Drift:
    """Something that a person may do by hand: a setting of a kind of resource is changed."""

    kind: type[Resource]
    setting: str
    """As the plan must name it, or the part before one of its dots."""
    change: Callable[[Aws, Live], Any]
    name: str = ""
    """A part of the resource's name, where there are several of its kind."""


def what_changes(changes: Sequence[Change]) -> dict[str, list[str]]:
    """Return what a plan would do, by resource: the action or the settings it would change."""
    return {
        str(change.resource): [item.setting for item in change.differences] or [change.action]
        for change in changes
        if change.action is not Action.KEEP
    }


def check_life(
    account: Account, build: Callable[[Aws], Sequence[Resource]], drifts: Sequence[Drift]
) -> None:
    """Take resources through their life, and through every drift; in the end nothing is left.

    Every setting that is not fixed must have its drift. All that is called must be in the policy
    of these resources, and all that is in the policy must be called.
    """
    session = account.session()
    calls = record(session)
    resources = build(account.aws(session))
    made = [item for item in resources if not item.only_found]

    first = plan(resources)
    assert calls.writes == [], "planning an empty account only reads"
    assert {str(item) for item in made} == set(what_changes(first)), "everything is to be made"

    apply(first, quietly)
    assert what_changes(plan(resources)) == {}, "after apply nothing is left to do"
    written = len(calls.writes)
    apply(plan(resources), quietly)
    assert calls.writes[written:] == [], "a second apply writes nothing"

    by_hand = account.aws()
    for drift in drifts:
        _check_drift(resources, drift, by_hand)
    for change in plan(resources):
        if change.resource in made:
            missing = set(_settings(change)) - set(_covered(change, drifts))
            assert set() == missing, f"no drift for these settings of {change.resource}"

    needed = {actions.action(*call) for call in calls.made}
    assert [] == [name for name in needed if actions.destroys(name)], "apply is no `destroy`"
    stack = Stack("this", (), tuple(resources))
    destroy(plan_destroy(stack, NOBODY, include_data=True), quietly)
    assert plan_destroy(stack, NOBODY, include_data=True) == [], "nothing is left"
    written = len(calls.writes)
    destroy(plan_destroy(stack, NOBODY, include_data=True), quietly)
    assert calls.writes[written:] == [], "a second destroy writes nothing"
    check_policy(resources, calls)


def check_policy(resources: Sequence[Resource], calls: Calls, *, whole: bool = True) -> None:
    """Check that the policy of some resources allows the calls that were made.

    `whole`: the calls are all that there are, so that it must not allow any other.
    """
    statements = [item for item in policy.statements(resources) if not _is_lease(item)]
    granted = {action for statement in statements for action in statement["Action"]}
    called = {actions.action(service, operation) for service, operation in calls.made}
    assert set() == called - granted, "called, but not in `permissions`"
    if whole:
        unused = granted - called - IMPLIED.keys()
        assert set() == unused, "in `permissions`, but never called"


def _is_lease(statement: Mapping[str, Any]) -> bool:
    """Return whether it is for the lease: test_lease holds that one."""
    return str(statement["Resource"]).endswith("/lease")


def _check_drift(resources: Sequence[Resource], drift: Drift, by_hand: Aws) -> None:
    resource = next(
        item for item in resources if type(item) is drift.kind and drift.name in item.name
    )
    live = resource.find()
    assert live is not None
    drift.change(by_hand, live)
    changes = plan(resources)
    found = what_changes(changes)
    assert str(resource) in found, f"{drift.setting} of {resource}: the plan does not see it"
    hit = [name for name in found[str(resource)] if f"{name}.".startswith(f"{drift.setting}.")]
    assert hit, f"{drift.setting} of {resource}: the plan names {found} instead"
    apply(changes, quietly)
    left = what_changes(plan(resources))
    assert left == {}, f"{drift.setting} of {resource}: apply does not restore it: {left}"


def _settings(change: Change) -> Iterator[str]:
    """Yield the names of the settings that can change, nested ones with dots."""
    assert change.live is not None
    live, fixed = change.live.settings, change.resource.fixed
    yield from _names({key: value for key, value in live.items() if key not in fixed})


def _names(settings: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _names(value, f"{prefix}{name}.")
        elif not isinstance(value, Mapping):
            yield prefix + name


def _covered(change: Change, drifts: Sequence[Drift]) -> Iterator[str]:
    assert change.live is not None
    for name in _names(change.live.settings):
        for drift in drifts:
            if type(change.resource) is drift.kind and f"{name}.".startswith(f"{drift.setting}."):
                yield name

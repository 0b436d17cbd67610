"""Every policy that is printed or given to a role, read by parliament, a linter of IAM policies."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.settings import InfraSettings
from aws_cloud_infra.engine import policy
from aws_cloud_infra.resources.identity.managed_policy import ManagedPolicy
from aws_cloud_infra.resources.identity.role import Role
from aws_cloud_infra.stacks import both

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it leaves files open and asks an old way for its tables
    parliament = pytest.importorskip("parliament")

SETTLED = {
    # A statement holds what may be done to several kinds of things: each action needs only its own.
    ("RESOURCE_MISMATCH", "ec2:RunInstances"),
    # The tables want the listeners of network load balancers as well, of which we have none.
    ("RESOURCE_MISMATCH", "elasticloadbalancing:DeleteListener"),
    ("RESOURCE_MISMATCH", "elasticloadbalancing:DeleteRule"),
    ("RESOURCE_MISMATCH", "elasticloadbalancing:ModifyListener"),
    # Nor do we have any health check of Route 53, which takes tags by the same call.
    ("RESOURCE_MISMATCH", "route53:ChangeTagsForResource"),
    # Public parameters of AWS are in no account.
    ("RESOURCE_MISMATCH", "ssm:GetParameter"),
    # The tables have this service twice, the second time without the key.
    ("UNKNOWN_CONDITION_FOR_ACTION", "elasticloadbalancing:AddTags"),
    # Bound to our tags instead of a name.
    ("RESOURCE_STAR", "ecs:CreateCluster"),
    ("RESOURCE_STAR", "ecs:RegisterTaskDefinition"),
    # Reading alone.
    ("RESOURCE_STAR", "ec2:DescribeInstanceAttribute"),
    ("RESOURCE_STAR", "ec2:DescribeVpcAttribute"),
    # Whoever makes a bucket and its policy could let himself read it. The pipeline makes none.
    ("RESOURCE_POLICY_PRIVILEGE_ESCALATION", "s3:PutBucketPolicy"),
}  # fmt: skip
"""Findings looked at, each with the reason why it is none."""


def documents() -> Iterator[tuple[str, dict[str, Any]]]:
    settings = InfraSettings(
        region="eu-central-1", github_repository="acme/forecasts",
        domain="forecasts.example.com", hosted_zone_id="Z0123456789", delivery_layout="departments",
    )  # fmt: skip
    aws = Aws(settings, account="123456789012")
    for stack in both(aws):
        printed = (*policy.statements(stack.resources, stack.retired), *stack.rights)
        for number, part in enumerate(policy.parts(printed), 1):
            yield f"part {number} of {stack.name}", part
        for item in stack.own:
            if isinstance(item, Role | ManagedPolicy) and item.statements:
                yield str(item), {"Version": "2012-10-17", "Statement": [*item.statements]}


DOCUMENTS = dict(documents())


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_policy_has_no_finding_that_was_not_looked_at(name: str) -> None:
    assert set() == found(DOCUMENTS[name]) - SETTLED


def test_every_settled_finding_is_still_there() -> None:
    assert set().union(*map(found, DOCUMENTS.values())) == SETTLED


def test_a_wrong_action_resource_or_condition_is_found() -> None:
    def finds(**changes: Any) -> set[str]:
        statement = {
            "Effect": "Allow",
            "Action": ["s3:GetObject"],
            "Resource": ["arn:aws:s3:::b/*"],
        }
        whole = {"Version": "2012-10-17", "Statement": [{**statement, **changes}]}
        return {issue for issue, _ in found(whole)}

    assert set() == finds()
    assert {"UNKNOWN_ACTION"} == finds(Action=["s3:GetObjects"])
    assert {"RESOURCE_MISMATCH"} == finds(Resource=["arn:aws:s3:::b"])
    assert {"UNKNOWN_CONDITION_FOR_ACTION"} == finds(
        Condition={"StringEquals": {"s3:Colour": ["red"]}}
    )


def found(document: dict[str, Any]) -> set[tuple[str, str]]:
    """Return what the linter finds: the kind of each finding with the action that it is about."""
    findings = parliament.analyze_policy_string(json.dumps(document)).findings
    return {(item.issue, action) for item in findings for action in _actions(item.detail)}


def _actions(detail: Any) -> list[str]:
    if isinstance(detail, list):
        return [item["action"] if isinstance(item, dict) else item for item in detail]
    words = str(detail).replace("Put*Policy", "").split()
    return [word.strip(".,'") for word in words if ":" in word and "arn:" not in word][-1:] or [
        str(detail)
    ]

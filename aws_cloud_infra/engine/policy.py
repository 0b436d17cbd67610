"""The least IAM policy that the verbs need, from what each kind of resource says it calls.

Takes resources, gives a policy document. Also knows which IAM action a call of boto3 needs,
where the two have different names.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aws_cloud_infra.engine.resource import Permission, Resource

_PREFIXES = {
    "application-auto-scaling": "application-autoscaling",
    "cloudwatch-logs": "logs",
    "elastic-load-balancing-v2": "elasticloadbalancing",
    "elbv2": "elasticloadbalancing",
    "secrets-manager": "secretsmanager",
}
"""Services that IAM calls otherwise than boto3's clients, or than its events, do."""

_RENAMED = {
    "s3:HeadBucket": "s3:ListBucket",
    "s3:ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:DeleteObjects": "s3:DeleteObject",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "s3:PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
}
"""Calls whose IAM action has another name."""

IMPLIED = {
    "sts:GetCallerIdentity": "finding out which account this is",
    "ec2:CreateTags": "tags in a Create call",
    "ecr:TagResource": "tags in CreateRepository",
    "ecs:TagResource": "tags in Create calls",
    "elasticloadbalancing:AddTags": "tags in Create calls",
    "iam:CreateServiceLinkedRole": "the first use of a service in an account",
    "iam:PassRole": "giving a role to a task, a schedule or an instance",
    "iam:TagInstanceProfile": "tags in CreateInstanceProfile",
    "iam:TagOpenIDConnectProvider": "tags in CreateOpenIDConnectProvider",
    "iam:TagPolicy": "tags in CreatePolicy",
    "iam:TagRole": "tags in CreateRole",
    "logs:TagResource": "tags in CreateLogGroup",
    "kms:DescribeKey": "making a database's password",
    "rds:CreateDBSnapshot": "the last snapshot of DeleteDBInstance",
    "secretsmanager:CreateSecret": "making a database's password",
    "rds:AddTagsToResource": "tags in Create calls",
    "s3:DeleteObjectVersion": "versions in DeleteObjects",
    "s3:TagResource": "tags in CreateBucket",
    "scheduler:TagResource": "tags in CreateScheduleGroup",
    "secretsmanager:TagResource": "tags in CreateSecret",
    "sns:TagResource": "tags in CreateTopic",
    "ssm:AddTagsToResource": "tags in PutParameter",
    "cloudwatch:TagResource": "tags in PutMetricAlarm",
    "application-autoscaling:TagResource": "tags in RegisterScalableTarget",
}
"""Actions that AWS asks for beside those of the calls themselves, and when."""

_MENDS = {
    "application-autoscaling:DeleteScalingPolicy",
    "ec2:DeleteRoute",
    "ecr:DeleteRepositoryPolicy",
    "elasticloadbalancing:DeleteRule",
    "iam:DeletePolicyVersion",
    "iam:DeleteRolePolicy",
    "secretsmanager:DeleteResourcePolicy",
}
"""What `apply` deletes: something that was added by hand to what is ours."""

_DESTROYS = {
    "AbortMultipartUpload",
    "CreateDBSnapshot",
    "DeregisterScalableTarget",
    "DeregisterTaskDefinition",
    "ListBucketMultipartUploads",
    "TerminateInstances",
}
"""What else only `destroy` does."""

_Scope = dict[str, Any]
_ALWAYS = Permission(("sts:GetCallerIdentity",))


def action(service: str, operation: str) -> str:
    """Return the IAM action that a call needs: "elasticloadbalancing:..." for one of "elbv2".

    `service` is the name of the client, or the one that its events have.
    """
    name = f"{_PREFIXES.get(service, service)}:{operation}"
    return _RENAMED.get(name, name)


def document(resources: Iterable[Resource], *, destroy: bool = True) -> dict[str, Any]:
    """Return the policy for all verbs over these resources, or for all but `destroy`.

    What is done to things of our own names stands in one statement: an action does nothing to
    things of another kind, and IAM counts the letters of a role's policies.
    """
    ours = _Statement({"Effect": "Allow"})
    others: dict[str, _Statement] = {}
    for permission, names in _grants(resources):
        scope = _scope(permission, names)
        own = "Condition" not in scope and all(_is_ours(item) for item in permission.resources)
        key = json.dumps(scope, sort_keys=True)
        statement = ours if own else others.setdefault(key, _Statement(scope))
        wanted = {item for item in permission.actions if destroy or not destroys(item)}
        statement.add(wanted, scope["Resource"] if wanted else ())
    statements = [ours, *(others[key] for key in sorted(others))]
    return {
        "Version": "2012-10-17",
        "Statement": [item.document() for item in statements if item.actions],
    }


@dataclass
class _Statement:
    """A statement in the making."""

    scope: Mapping[str, Any]
    actions: set[str] = field(default_factory=set)
    resources: set[str] = field(default_factory=set)

    def add(self, actions: Iterable[str], resources: Iterable[str]) -> None:
        self.actions.update(actions)
        self.resources.update(resources)

    def document(self) -> dict[str, Any]:
        return {
            "Effect": "Allow",
            **self.scope,
            "Action": sorted(self.actions),
            "Resource": _one_or_all(self.resources),
        }


def _is_ours(pattern: str) -> bool:
    """Return whether all that a pattern stands for carries our name."""
    return "{name}" in pattern or "{prefix}" in pattern


def destroys(action: str) -> bool:
    """Return whether only `destroy` calls it: whoever mends things deletes what was added."""
    name = action.split(":")[1]
    return name in _DESTROYS or (name.startswith("Delete") and action not in _MENDS)


def _grants(resources: Iterable[Resource]) -> Iterator[tuple[Permission, dict[str, str]]]:
    yield _ALWAYS, {}
    for resource in resources:
        names = _placeholders(resource)
        yield from ((permission, names) for permission in resource.permissions)


def _one_or_all(items: Iterable[str]) -> str | list[str]:
    ordered = sorted(items)
    return ordered[0] if len(ordered) == 1 else ordered


def allowing(resource: Resource, call: str) -> dict[str, Any] | None:
    """Return the statement of our policy that allows a resource's call, such as "CreateCluster"."""
    names = {call} | {
        to.split(":")[1] for name, to in _RENAMED.items() if name.endswith(f":{call}")
    }
    for permission in resource.permissions:
        for granted in permission.actions:
            if granted.split(":")[1] in names:
                scope = _scope(permission, _placeholders(resource))
                scope["Resource"] = _one_or_all(scope["Resource"])
                return {"Effect": "Allow", "Action": granted, **scope}
    return None


def _placeholders(resource: Resource) -> dict[str, str]:
    aws = resource.aws
    return {
        "partition": aws.partition,
        "region": aws.region,
        "account": aws.account,
        "project": aws.settings.project,
        "environment": aws.settings.environment,
        "prefix": aws.prefix,
        "name": _family(
            resource.name, aws.prefix, f"/{aws.settings.project}/{aws.settings.environment}/"
        ),
    }


def _family(name: str, prefix: str, path: str) -> str:
    """Return a pattern for a name and its sisters, but for nothing of another environment."""
    if name.startswith(f"{prefix}-"):
        return f"{prefix}-*"
    return f"{path}*" if name.startswith(path) else name


def _scope(permission: Permission, names: dict[str, str]) -> _Scope:
    scope: _Scope = {"Resource": [pattern.format(**names) for pattern in permission.resources]}
    if permission.condition:
        scope["Condition"] = {
            test: {key: value.format(**names) for key, value in values.items()}
            for test, values in permission.condition.items()
        }
    return scope

"""What IAM calls the calls of boto3, which others they imply, and which only `destroy` makes.

Tables and their look-up; knows no resource.
"""

from __future__ import annotations

_PREFIXES = {
    "application-auto-scaling": "application-autoscaling",
    "cloudwatch-logs": "logs",
    "elastic-load-balancing-v2": "elasticloadbalancing",
    "elbv2": "elasticloadbalancing",
    "eventbridge": "events",
    "resource-groups-tagging-api": "tag",
    "route-53": "route53",
    "secrets-manager": "secretsmanager",
}
"""Services that IAM calls otherwise than boto3's clients, or than its events, do."""

RENAMED = {
    "budgets:CreateBudget": "budgets:ModifyBudget",
    "budgets:DeleteBudget": "budgets:ModifyBudget",
    "budgets:DescribeBudget": "budgets:ViewBudget",
    "budgets:DescribeNotificationsForBudget": "budgets:ViewBudget",
    "budgets:DescribeSubscribersForNotification": "budgets:ViewBudget",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:DeleteObjects": "s3:DeleteObject",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:GetBucketNotificationConfiguration": "s3:GetBucketNotification",
    "s3:PutBucketNotificationConfiguration": "s3:PutBucketNotification",
    "s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "s3:PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
}
"""Calls whose IAM action has another name."""

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


_MAKES = ("Add", "Create", "Pass", "Request", "Tag", "Update")
"""How those begin that only what is made needs."""


def action(service: str, operation: str) -> str:
    """Return the IAM action that a call needs: "elasticloadbalancing:..." for one of "elbv2".

    `service` is the name of the client, or the one that its events have.
    """
    name = f"{_PREFIXES.get(service, service)}:{operation}"
    return RENAMED.get(name, name)


def destroys(action: str) -> bool:
    """Return whether only `destroy` calls it: whoever mends things deletes what was added."""
    name = action.split(":")[1]
    return name in _DESTROYS or (name.startswith("Delete") and action not in _MENDS)


def makes(action: str) -> bool:
    """Return whether it makes or changes something, so that what only goes has no need of it."""
    return action.split(":")[1].startswith(_MAKES)

"""What every thing of ECS may meet in a new account: its own role is not there yet."""

from __future__ import annotations

from aws_cloud_infra.engine.resource import Permission

LINKED_ROLE = Permission(
    ("iam:CreateServiceLinkedRole",),
    ("arn:{partition}:iam::{account}:role/aws-service-role/ecs.amazonaws.com/*",),
    {"StringEquals": {"iam:AWSServiceName": "ecs.amazonaws.com"}},
)

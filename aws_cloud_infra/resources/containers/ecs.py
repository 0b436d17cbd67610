"""What every thing of ECS may meet in a new account: its own role is not there yet."""

from __future__ import annotations

from aws_cloud_infra.engine.resource import Permission

_ARN = "arn:{partition}:ecs:{region}:{account}:"
TAGS = Permission(
    ("ecs:TagResource",),
    (f"{_ARN}cluster/{{prefix}}", f"{_ARN}service/{{prefix}}/{{prefix}}",
     f"{_ARN}task-definition/{{prefix}}*:*"),
    {"StringEquals": {"ecs:CreateAction":
                      ("CreateCluster", "CreateService", "RegisterTaskDefinition")}},
)  # fmt: skip
"""Tags in a Create call, and no other ones."""

LINKED_ROLE = Permission(
    ("iam:CreateServiceLinkedRole",),
    ("arn:{partition}:iam::{account}:role/aws-service-role/ecs.amazonaws.com/*",),
    {"StringEquals": {"iam:AWSServiceName": "ecs.amazonaws.com"}},
)

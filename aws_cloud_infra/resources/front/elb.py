"""What load balancers, listeners and target groups share: how they are read, tags, attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cloud_infra.account.clients import from_tags, read
from aws_cloud_infra.engine.resource import Permission, Resource

READS = Permission(
    ("elasticloadbalancing:DescribeLoadBalancers", "elasticloadbalancing:DescribeTags",
     "elasticloadbalancing:DescribeLoadBalancerAttributes",
     "elasticloadbalancing:DescribeTargetGroups",
     "elasticloadbalancing:DescribeTargetGroupAttributes",
     "elasticloadbalancing:DescribeListeners", "elasticloadbalancing:DescribeRules"),
)  # fmt: skip
ARN = "arn:{partition}:elasticloadbalancing:{region}:{account}:"

TAGS = Permission(
    ("elasticloadbalancing:AddTags",),
    (f"{ARN}loadbalancer/app/{{prefix}}/*", f"{ARN}targetgroup/{{prefix}}/*",
     f"{ARN}listener/app/{{prefix}}/*/*"),
    {"StringEquals": {"elasticloadbalancing:CreateAction":
                      ("CreateListener", "CreateLoadBalancer", "CreateTargetGroup")}},
)  # fmt: skip
"""Tags in a Create call, and no other ones."""

Attributes = Mapping[str, tuple[str, str]]
"""Names to what we want and what AWS takes by itself; the emulator does not tell the latter."""


def chosen(answer: Any, wanted: Attributes) -> dict[str, str]:
    """Return those attributes of an answer of AWS that are ours to decide."""
    told = from_tags(answer["Attributes"]) if answer else {}
    return {name: told.get(name, default) for name, (_, default) in wanted.items()}


def tags_of(resource: Resource, arn: str) -> dict[str, str]:
    """Return the tags of a load balancer, listener or target group."""
    answer = read(resource.aws.client("elbv2").describe_tags, ResourceArns=[arn])
    return from_tags(answer["TagDescriptions"][0]["Tags"]) if answer else {}

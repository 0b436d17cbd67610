"""The addresses that a load balancer forwards to, and how it checks their health.

Registers no address: ECS does that.
"""

from __future__ import annotations

from dataclasses import dataclass

from aws_cloud_infra.account.clients import as_tags, patiently, read, remove
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings
from aws_cloud_infra.resources.front.elb import ARN, READS, TAGS, Attributes, chosen, tags_of

_TARGETS: Attributes = {
    "deregistration_delay.timeout_seconds": ("15", "300"),
    "load_balancing.algorithm.type": ("least_outstanding_requests", "round_robin"),
    "stickiness.enabled": ("false", "false"),
}
_HEALTH = (
    "HealthCheckProtocol",
    "HealthCheckPort",
    "HealthCheckPath",
    "HealthCheckIntervalSeconds",
    "HealthCheckTimeoutSeconds",
    "HealthyThresholdCount",
    "UnhealthyThresholdCount",
    "Matcher",
)


@dataclass(frozen=True, eq=False)
class TargetGroup(Resource):
    """Where requests go: addresses of tasks that answer their health check."""

    vpc: Resource
    port: int
    health_path: str

    kind = "target group"
    fixed = frozenset({"vpc", "port", "protocol", "targets"})
    permissions = (
        READS,
        TAGS,
        Permission(
            ("elasticloadbalancing:CreateTargetGroup", "elasticloadbalancing:ModifyTargetGroup",
             "elasticloadbalancing:ModifyTargetGroupAttributes",
             "elasticloadbalancing:DeleteTargetGroup"),
            (f"{ARN}targetgroup/{{name}}/*",),
        ),
    )  # fmt: skip

    def desired(self, ids: Ids) -> Settings:
        """A task is out after three failed checks, and has 15 s to finish what it does."""
        return {
            "vpc": ids[self.vpc],
            "port": self.port,
            "protocol": "HTTP",
            "targets": "ip",
            "health": {
                "HealthCheckProtocol": "HTTP",
                "HealthCheckPort": "traffic-port",
                "HealthCheckPath": self.health_path,
                "HealthCheckIntervalSeconds": 15,
                "HealthCheckTimeoutSeconds": 5,
                "HealthyThresholdCount": 2,
                "UnhealthyThresholdCount": 3,
                "Matcher": {"HttpCode": "200"},
            },
            "attributes": {name: ours for name, (ours, _) in _TARGETS.items()},
        }

    def find(self) -> Live | None:
        """Find it by its name."""
        elbv2 = self.aws.client("elbv2")
        answer = read(elbv2.describe_target_groups, Names=[self.name])
        if not answer:
            return None
        found = answer["TargetGroups"][0]
        arn = found["TargetGroupArn"]
        attributes = read(elbv2.describe_target_group_attributes, TargetGroupArn=arn)
        # What somebody else made may be for functions, which have none of these.
        health = {name: found.get(name) for name in _HEALTH}
        return Live(
            arn,
            {
                "vpc": found.get("VpcId"),
                "port": found.get("Port"),
                "protocol": found.get("Protocol"),
                "targets": found["TargetType"],
                "health": health,
                "attributes": chosen(attributes, _TARGETS),
            },
            tags_of(self, arn),
        )

    def create(self, desired: Settings) -> None:
        """Make it; its attributes take a call of their own."""
        self.aws.client("elbv2").create_target_group(
            Name=self.name,
            VpcId=desired["vpc"],
            Port=desired["port"],
            Protocol=desired["protocol"],
            TargetType=desired["targets"],
            **desired["health"],
            Tags=as_tags(self.aws.tags),
        )

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Write the health check and the attributes."""
        elbv2 = self.aws.client("elbv2")
        if "health" in changed:
            elbv2.modify_target_group(TargetGroupArn=live.id, **desired["health"])
        if "attributes" in changed:
            elbv2.modify_target_group_attributes(
                TargetGroupArn=live.id, Attributes=as_tags(desired["attributes"])
            )

    def delete(self, live: Live) -> None:
        """Delete it as soon as AWS has noticed that no listener uses it any more."""
        patiently(
            lambda: remove(
                self.aws.client("elbv2").delete_target_group, TargetGroupArn=live.id
            ),
            "ResourceInUse",
        )  # fmt: skip

"""The load balancer: the one thing here that the internet reaches.

Takes a group and subnets from outside, gives its name on the internet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aws_cloud_infra.account.clients import as_tags, patiently, read, remove
from aws_cloud_infra.account.prices import HOURS
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings
from aws_cloud_infra.resources.front.elb import ARN, READS, TAGS, Attributes, chosen, tags_of

_SERVICE = "elasticloadbalancing.amazonaws.com"
_SOON = {"Delay": 5, "MaxAttempts": 120}
"""Every five seconds, for ten minutes."""

IDLE_SECONDS = 60
"""How long it keeps a connection that nobody uses. What stands behind it must keep it for longer: a
request sent on a connection that is just being closed becomes a 502."""

_PROTECTION = "deletion_protection.enabled"
_LOGS = "access_logs.s3.bucket"
_BALANCER: Attributes = {
    "access_logs.s3.enabled": ("true", "false"),
    _LOGS: ("", ""),
    _PROTECTION: ("false", "false"),
    "idle_timeout.timeout_seconds": (str(IDLE_SECONDS), "60"),
    "routing.http.desync_mitigation_mode": ("defensive", "defensive"),
    "routing.http.drop_invalid_header_fields.enabled": ("true", "false"),
    "routing.http2.enabled": ("true", "true"),
}


@dataclass(frozen=True, eq=False)
class LoadBalancer(Resource):
    """An application load balancer with public addresses."""

    group: Resource
    subnets: tuple[Resource, ...]
    logs: Resource
    """The bucket in which each request is written down."""

    kind = "load balancer"
    fixed = frozenset({"scheme", "type"})
    permissions = (
        READS,
        TAGS,
        # AWS asks for these where an account never had a load balancer before.
        Permission(
            ("ec2:DescribeAccountAttributes", "ec2:DescribeAddresses",
             "ec2:DescribeInternetGateways", "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets",
             "ec2:DescribeVpcs"),
        ),
        Permission(
            ("elasticloadbalancing:CreateLoadBalancer", "elasticloadbalancing:SetSecurityGroups",
             "elasticloadbalancing:SetSubnets", "elasticloadbalancing:SetIpAddressType",
             "elasticloadbalancing:ModifyLoadBalancerAttributes",
             "elasticloadbalancing:DeleteLoadBalancer"),
            (f"{ARN}loadbalancer/app/{{name}}/*",),
        ),
        Permission(
            ("iam:CreateServiceLinkedRole",),
            (f"arn:{{partition}}:iam::{{account}}:role/aws-service-role/{_SERVICE}/*",),
            {"StringEquals": {"iam:AWSServiceName": _SERVICE}},
        ),
    )  # fmt: skip

    @property
    def prices(self) -> tuple[tuple[str, float], ...]:
        """The balancer, one unit of capacity all the time, and an address in each subnet."""
        return (
            ("alb hour", HOURS),
            ("alb capacity unit hour", HOURS),
            ("public address hour", HOURS * len(self.subnets)),
        )

    def desired(self, ids: Ids) -> Settings:
        """Open to the internet, closed to malformed requests."""
        return {
            "type": "application",
            "scheme": "internet-facing",
            "address_type": "ipv4",
            "groups": [ids[self.group]],
            "subnets": sorted(ids[subnet] for subnet in self.subnets),
            "attributes": {
                **{name: ours for name, (ours, _) in _BALANCER.items()},
                _LOGS: ids[self.logs],
            },
        }

    def find(self) -> Live | None:
        """Find it by its name. `status` is among the settings until it is active."""
        found = described(self)
        if found is None:
            return None
        arn, state = found["LoadBalancerArn"], found["State"]["Code"]
        answer = read(
            self.aws.client("elbv2").describe_load_balancer_attributes, LoadBalancerArn=arn
        )
        settings: Settings = {
            "type": found["Type"],
            "scheme": found["Scheme"],
            "address_type": found["IpAddressType"],
            "groups": sorted(found.get("SecurityGroups", ())),
            "subnets": sorted(zone["SubnetId"] for zone in found["AvailabilityZones"]),
            "attributes": chosen(answer, _BALANCER),
        }
        impaired = state == "active_impaired"
        if state != "active" and not impaired:
            settings["status"] = state
        return Live(
            arn,
            settings,
            tags_of(self, arn),
            notes=("AWS calls it impaired",) if impaired else (),
            facts={"dns": found["DNSName"], "zone": found["CanonicalHostedZoneId"]},
        )

    def create(self, desired: Settings) -> None:
        """Make it and wait until it is active, which takes some minutes."""
        answer = self.aws.client("elbv2").create_load_balancer(
            Name=self.name,
            Type=desired["type"],
            Scheme=desired["scheme"],
            IpAddressType=desired["address_type"],
            SecurityGroups=desired["groups"],
            Subnets=desired["subnets"],
            Tags=as_tags(self.aws.tags),
        )
        self._wait("load_balancer_available", answer["LoadBalancers"][0]["LoadBalancerArn"])

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Write each setting by its own call, and wait where it is still being made."""
        elbv2 = self.aws.client("elbv2")
        if "status" in changed:
            self._wait("load_balancer_available", live.id)
        if "address_type" in changed:
            elbv2.set_ip_address_type(
                LoadBalancerArn=live.id, IpAddressType=desired["address_type"]
            )
        if "groups" in changed:
            elbv2.set_security_groups(LoadBalancerArn=live.id, SecurityGroups=desired["groups"])
        if "subnets" in changed:
            elbv2.set_subnets(LoadBalancerArn=live.id, Subnets=desired["subnets"])
        if "attributes" in changed:
            patiently(
                lambda: self._write(live, desired["attributes"]),
                "Access Denied for bucket",  # its policy is seconds old
            )

    def _write(self, live: Live, attributes: Mapping[str, str]) -> None:
        self.aws.client("elbv2").modify_load_balancer_attributes(
            LoadBalancerArn=live.id, Attributes=as_tags(attributes)
        )

    def delete(self, live: Live) -> None:
        """Delete it, protected by hand or not: `apply` would take the protection away as well."""
        if live.settings["attributes"][_PROTECTION] == "true":
            remove(lambda: self._write(live, {_PROTECTION: "false"}))
        remove(self.aws.client("elbv2").delete_load_balancer, LoadBalancerArn=live.id)
        self._wait("load_balancers_deleted", live.id)

    def _wait(self, waiter: str, arn: str) -> None:
        self.aws.wait("elbv2", waiter, LoadBalancerArns=[arn], WaiterConfig=_SOON)


def described(balancer: LoadBalancer) -> dict[str, Any] | None:
    """Return what AWS says of a load balancer; None if there is none of its name."""
    answer = read(balancer.aws.client("elbv2").describe_load_balancers, Names=[balancer.name])
    return answer["LoadBalancers"][0] if answer else None

"""The load balancer: the one thing here that the internet reaches, its listeners and its targets.

Takes groups and subnets from outside. Must not forward anywhere but to the one target group.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aws_cloud_infra.aws import as_tags, read, remove
from aws_cloud_infra.prices import HOURS
from aws_cloud_infra.resource import Ids, Live, Permission, Resource, Settings
from aws_cloud_infra.resources.targets import (
    ARN,
    READS,
    Attributes,
    TargetGroup,
    chosen,
    tags_of,
)

__all__ = ["Listener", "LoadBalancer", "TargetGroup"]

TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"
"""TLS 1.2 and 1.3 only."""

_SERVICE = "elasticloadbalancing.amazonaws.com"
_SOON = {"Delay": 5, "MaxAttempts": 120}
"""Every five seconds, for ten minutes."""

_REDIRECT = {
    "Protocol": "HTTPS",
    "Port": "443",
    "Host": "#{host}",
    "Path": "/#{path}",
    "Query": "#{query}",
    "StatusCode": "HTTP_301",
}
_TO_HTTPS = "redirect to HTTPS"
_FORWARD = "forward to "


@dataclass(frozen=True, eq=False)
class LoadBalancer(Resource):
    """An application load balancer with public addresses."""

    group: Resource
    subnets: tuple[Resource, ...]

    kind = "load balancer"
    fixed = frozenset({"scheme", "type"})
    permissions = (
        READS,
        Permission(
            ("elasticloadbalancing:CreateLoadBalancer", "elasticloadbalancing:AddTags",
             "elasticloadbalancing:SetSecurityGroups", "elasticloadbalancing:SetSubnets",
             "elasticloadbalancing:SetIpAddressType",
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
            "attributes": {name: ours for name, (ours, _) in _BALANCER.items()},
        }

    def find(self) -> Live | None:
        """Find it by its name. `status` is among the settings until it is active."""
        found = _balancer(self)
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
            facts={"dns": found["DNSName"]},
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
            self._write(live, desired["attributes"])

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


@dataclass(frozen=True, eq=False)
class Listener(Resource):
    """One port of a load balancer: it forwards to a target group, or sends browsers to HTTPS.

    A load balancer has one listener a port at most, so its port is its name on AWS.
    """

    balancer: LoadBalancer
    port: int
    target: TargetGroup | None
    certificate_arn: str | None = None

    kind = "listener"
    fixed = frozenset({"balancer"})
    permissions = (
        READS,
        Permission(
            ("elasticloadbalancing:CreateListener",), (f"{ARN}loadbalancer/app/{{prefix}}/*",)
        ),
        Permission(
            ("elasticloadbalancing:AddTags", "elasticloadbalancing:ModifyListener",
             "elasticloadbalancing:DeleteListener"),
            (f"{ARN}listener/app/{{prefix}}/*/*",),
        ),
        Permission(
            ("elasticloadbalancing:DeleteRule",), (f"{ARN}listener-rule/app/{{prefix}}/*/*/*",)
        ),
    )  # fmt: skip

    def desired(self, ids: Ids) -> Settings:
        """One thing for all requests: there are no rules beside the default."""
        return {
            "balancer": ids[self.balancer],
            "protocol": "HTTPS" if self.certificate_arn else "HTTP",
            "action": f"{_FORWARD}{ids[self.target]}" if self.target else _TO_HTTPS,
            "tls": {"certificate": self.certificate_arn, "policy": TLS_POLICY}
            if self.certificate_arn
            else {},
            "rules": [],
        }

    def find(self) -> Live | None:
        """Find it by its load balancer's name and its port."""
        balancer = _balancer(self.balancer)
        if balancer is None:
            return None
        listeners: list[dict[str, Any]] | None = read(
            self.aws.pages, service="elbv2", operation="describe_listeners", key="Listeners",
            LoadBalancerArn=balancer["LoadBalancerArn"],
        )  # fmt: skip
        found = next((item for item in listeners or () if item["Port"] == self.port), None)
        if found is None:
            return None
        arn = found["ListenerArn"]
        rules = read(
            self.aws.pages, service="elbv2", operation="describe_rules", key="Rules",
            ListenerArn=arn,
        )  # fmt: skip
        certificates = [item["CertificateArn"] for item in found.get("Certificates", ())]
        tls = {"certificate": ", ".join(certificates), "policy": found.get("SslPolicy")}
        return Live(
            arn,
            {
                "balancer": found["LoadBalancerArn"],
                "protocol": found["Protocol"],
                "action": _action(found["DefaultActions"]),
                "tls": tls if found["Protocol"] == "HTTPS" else {},
                "rules": sorted(rule["RuleArn"] for rule in rules or () if not rule["IsDefault"]),
            },
            tags_of(self, arn),
        )

    def create(self, desired: Settings) -> None:
        """Make it; AWS refuses a second one on the port."""
        self.aws.client("elbv2").create_listener(
            LoadBalancerArn=desired["balancer"],
            Port=self.port,
            **_listener_arguments(desired),
            Tags=as_tags(self.aws.tags),
        )

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Write protocol, certificate and action together, and take added rules away."""
        elbv2 = self.aws.client("elbv2")
        if changed - {"rules"}:
            elbv2.modify_listener(ListenerArn=live.id, **_listener_arguments(desired))
        if "rules" in changed:
            for rule in live.settings["rules"]:
                remove(elbv2.delete_rule, RuleArn=rule)

    def delete(self, live: Live) -> None:
        """Delete it, with its rules."""
        remove(self.aws.client("elbv2").delete_listener, ListenerArn=live.id)


_PROTECTION = "deletion_protection.enabled"
_BALANCER: Attributes = {
    _PROTECTION: ("false", "false"),
    "idle_timeout.timeout_seconds": ("60", "60"),
    "routing.http.desync_mitigation_mode": ("defensive", "defensive"),
    "routing.http.drop_invalid_header_fields.enabled": ("true", "false"),
    "routing.http2.enabled": ("true", "true"),
}


def _balancer(balancer: LoadBalancer) -> dict[str, Any] | None:
    answer = read(balancer.aws.client("elbv2").describe_load_balancers, Names=[balancer.name])
    return answer["LoadBalancers"][0] if answer else None


def _listener_arguments(desired: Settings) -> dict[str, Any]:
    action = desired["action"]
    arguments: dict[str, Any] = {
        "Protocol": desired["protocol"],
        "DefaultActions": [
            {"Type": "redirect", "RedirectConfig": _REDIRECT}
            if action == _TO_HTTPS
            else {"Type": "forward", "TargetGroupArn": action.removeprefix(_FORWARD)}
        ],
    }
    if desired["tls"]:
        arguments["Certificates"] = [{"CertificateArn": desired["tls"]["certificate"]}]
        arguments["SslPolicy"] = desired["tls"]["policy"]
    return arguments


def _action(actions: Iterable[Mapping[str, Any]]) -> str:
    """Return in words what is done with a request; anything but our two actions as it is told."""
    told = list(actions)
    if len(told) == 1 and told[0]["Type"] == "redirect":
        if told[0]["RedirectConfig"] == _REDIRECT:
            return _TO_HTTPS
    elif len(told) == 1 and told[0]["Type"] == "forward":
        config = told[0].get("ForwardConfig", {})
        arns = {group["TargetGroupArn"] for group in config.get("TargetGroups", ())}
        arns |= {told[0]["TargetGroupArn"]} if "TargetGroupArn" in told[0] else set()
        if len(arns) == 1 and not config.get("TargetGroupStickinessConfig", {}).get("Enabled"):
            return f"{_FORWARD}{arns.pop()}"
    return json.dumps(told, sort_keys=True)

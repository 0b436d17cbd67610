"""The ports of the load balancer. Must not forward anywhere but to the one target group."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aws_cloud_infra.account.clients import as_tags, read, remove
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings
from aws_cloud_infra.resources.front.elb import ARN, READS, TAGS, tags_of
from aws_cloud_infra.resources.front.load_balancer import LoadBalancer, described
from aws_cloud_infra.resources.front.target_group import TargetGroup

TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"
"""TLS 1.2 and 1.3 only."""

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
class Listener(Resource):
    """One port of a load balancer: it forwards to a target group, or sends browsers to HTTPS.

    A load balancer has one listener a port at most, so its port is its name on AWS.
    """

    balancer: LoadBalancer
    port: int
    target: TargetGroup | None
    certificate: Resource | str | None = None
    """One that is made here, or the ARN of another."""

    kind = "listener"
    fixed = frozenset({"balancer"})
    permissions = (
        READS,
        TAGS,
        Permission(
            ("elasticloadbalancing:CreateListener",), (f"{ARN}loadbalancer/app/{{prefix}}/*",)
        ),
        Permission(
            ("elasticloadbalancing:ModifyListener", "elasticloadbalancing:DeleteListener"),
            (f"{ARN}listener/app/{{prefix}}/*/*",),
        ),
        Permission(
            ("elasticloadbalancing:DeleteRule",), (f"{ARN}listener-rule/app/{{prefix}}/*/*/*",)
        ),
    )  # fmt: skip

    @property
    def caution(self) -> str:
        """Plain HTTP must be somebody's decision."""
        if self.target is None or self.certificate or self.aws.settings.allow_http:
            return ""
        return (
            "without HTTPS the API key and all answers can be read on the way. Set `domain` and "
            "`hosted_zone_id`, or `certificate_arn`; or `allow_http = true` to have it so."
        )

    def desired(self, ids: Ids) -> Settings:
        """One thing for all requests: there are no rules beside the default."""
        certificate = self.certificate
        if isinstance(certificate, Resource):
            certificate = ids[certificate]
        return {
            "balancer": ids[self.balancer],
            "protocol": "HTTPS" if certificate else "HTTP",
            "action": f"{_FORWARD}{ids[self.target]}" if self.target else _TO_HTTPS,
            "tls": {"certificate": certificate, "policy": TLS_POLICY} if certificate else {},
            "rules": [],
        }

    def find(self) -> Live | None:
        """Find it by its load balancer's name and its port."""
        balancer = described(self.balancer)
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
            **_arguments(desired),
            Tags=as_tags(self.aws.tags),
        )

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Write protocol, certificate and action together, and take added rules away."""
        elbv2 = self.aws.client("elbv2")
        if changed - {"rules"}:
            elbv2.modify_listener(ListenerArn=live.id, **_arguments(desired))
        if "rules" in changed:
            for rule in live.settings["rules"]:
                remove(elbv2.delete_rule, RuleArn=rule)

    def delete(self, live: Live) -> None:
        """Delete it, with its rules."""
        remove(self.aws.client("elbv2").delete_listener, ListenerArn=live.id)


def _arguments(desired: Settings) -> dict[str, Any]:
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

"""Security groups: who may talk to whom, as readable rules such as "tcp 8000 sg-0123".

A rule that is not in the list is taken away, whoever added it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from aws_cloud_infra.account.clients import from_tags, patiently, remove
from aws_cloud_infra.account.errors import NotOurs
from aws_cloud_infra.engine.resource import Ids, Live, Resource, Settings
from aws_cloud_infra.resources.network.ec2 import EVERYWHERE, Ec2Resource, ec2_permissions

_PEERS = (
    ("IpRanges", "CidrIp"),
    ("Ipv6Ranges", "CidrIpv6"),
    ("UserIdGroupPairs", "GroupId"),
    ("PrefixListIds", "PrefixListId"),
)
ALL = "all"
ANYTHING_OUT = ((ALL, EVERYWHERE),)

Peer = Resource | str
Rule = tuple[str, Peer]
"""A protocol with a port, such as "tcp 8000", or ALL; and a group or an address range."""


@dataclass(frozen=True, eq=False)
class SecurityGroup(Ec2Resource):
    """One group; its rules name other groups, never addresses of machines."""

    vpc: Resource
    purpose: str
    ingress: tuple[Rule, ...] = ()
    egress: tuple[Rule, ...] = ()

    kind = "security group"
    type_name = "security-group"
    fixed = frozenset({"vpc", "purpose"})
    permissions = ec2_permissions(
        ("DescribeSecurityGroups",),
        ("CreateSecurityGroup",),
        ("AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress",
         "RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress", "DeleteSecurityGroup"),
    )  # fmt: skip

    def desired(self, ids: Ids) -> Settings:
        """Every rule is a setting of its own."""
        return {
            "vpc": ids[self.vpc],
            "purpose": self.purpose,
            "ingress": _named(self.ingress, ids),
            "egress": _named(self.egress, ids),
        }

    def find(self) -> Live | None:
        """Find it by its tags."""
        found = self.one("describe_security_groups", "SecurityGroups")
        if found is None:
            return None
        return Live(
            found["GroupId"],
            {
                "vpc": found["VpcId"],
                "purpose": found["Description"],
                "ingress": dict.fromkeys(_texts(found["IpPermissions"]), "allowed"),
                "egress": dict.fromkeys(_texts(found["IpPermissionsEgress"]), "allowed"),
            },
            from_tags(found["Tags"]),
        )

    def create(self, desired: Settings) -> None:
        """Make it; AWS lets everything out of a new one and nothing in."""
        try:
            answer = self.aws.client("ec2").create_security_group(
                GroupName=self.name,
                Description=desired["purpose"],
                VpcId=desired["vpc"],
                TagSpecifications=self.new_tags,
            )
        except ClientError as error:
            if "InvalidGroup.Duplicate" in str(error) and self.find() is None:
                raise NotOurs(
                    f"{self}: {desired['vpc']} has a group of this name without our tags. "
                    "Delete or rename it, or give the project or environment another name."
                ) from error
            raise
        self.aws.wait("ec2", "security_group_exists", GroupIds=[answer["GroupId"]])

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Take away the rules that are too many and add those that are missing."""
        ec2 = self.aws.client("ec2")
        for side in ("ingress", "egress"):
            if side not in changed:
                continue
            extra = live.settings[side].keys() - desired[side].keys()
            missing = desired[side].keys() - live.settings[side].keys()
            if extra:
                revoke = getattr(ec2, f"revoke_security_group_{side}")
                revoke(GroupId=live.id, IpPermissions=[_permission(text) for text in sorted(extra)])
            if missing:
                authorize = getattr(ec2, f"authorize_security_group_{side}")
                authorize(
                    GroupId=live.id, IpPermissions=[_permission(text) for text in sorted(missing)]
                )

    def delete(self, live: Live) -> None:
        """Delete it, once nothing uses it."""
        patiently(
            lambda: remove(self.aws.client("ec2").delete_security_group, GroupId=live.id),
            "DependencyViolation",
            minutes=10,
        )


def _named(rules: Iterable[Rule], ids: Ids) -> dict[str, str]:
    return {
        f"{what} {ids[peer] if isinstance(peer, Resource) else peer}": "allowed"
        for what, peer in rules
    }


def _texts(permissions: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for permission in permissions:
        protocol = permission["IpProtocol"]
        what = ALL if protocol == "-1" else protocol
        if "FromPort" in permission and protocol != "-1":
            low, high = permission["FromPort"], permission["ToPort"]
            what += f" {low}" if low == high else f" {low}..{high}"
        for key, name in _PEERS:
            for peer in permission.get(key, ()):
                yield f"{what} {peer[name]}"


def _permission(text: str) -> dict[str, Any]:
    *what, peer = text.split()
    permission: dict[str, Any] = {"IpProtocol": "-1" if what[0] == ALL else what[0]}
    if len(what) > 1:
        low, _, high = what[1].partition("..")
        permission |= {"FromPort": int(low), "ToPort": int(high or low)}
    if peer.startswith("sg-"):
        key, name = _PEERS[2]
    elif peer.startswith("pl-"):
        key, name = _PEERS[3]
    else:
        key, name = _PEERS[1] if ":" in peer else _PEERS[0]
    return {**permission, key: [{name: peer}]}

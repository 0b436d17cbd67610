"""The private network itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from aws_cloud_infra.account.clients import from_tags, patiently, remove
from aws_cloud_infra.engine.resource import Ids, Live, Settings
from aws_cloud_infra.resources.network.ec2 import (
    MINUTES_FOR_INTERFACES,
    Ec2Resource,
    ec2_permissions,
    ranges,
)


@dataclass(frozen=True, eq=False)
class Vpc(Ec2Resource):
    """The network itself."""

    cidr: str

    kind = "VPC"
    type_name = "vpc"
    fixed = frozenset({"cidr"})
    permissions = ec2_permissions(
        ("DescribeVpcs", "DescribeVpcAttribute"),
        ("CreateVpc",),
        ("ModifyVpcAttribute", "DeleteVpc"),
    )
    _attributes: ClassVar[dict[str, str]] = {
        "dns_hostnames": "EnableDnsHostnames",
        "dns_support": "EnableDnsSupport",
    }

    def desired(self, ids: Ids) -> Settings:
        """Names inside of the network are what the database is reached by."""
        return {"cidr": self.cidr, "dns_hostnames": True, "dns_support": True}

    def find(self) -> Live | None:
        """Find it by its tags."""
        found = self.one("describe_vpcs", "Vpcs")
        if found is None:
            return None
        settings: Settings = {"cidr": found["CidrBlock"]}
        for name, attribute in self._attributes.items():
            answer = self.aws.client("ec2").describe_vpc_attribute(
                VpcId=found["VpcId"], Attribute=attribute[0].lower() + attribute[1:]
            )
            settings[name] = answer[attribute]["Value"]
        tags, facts = from_tags(found["Tags"]), {"ranges": ranges(found)}
        return Live(found["VpcId"], settings, tags, facts=facts)

    def create(self, desired: Settings) -> None:
        """Make it and wait until it is available."""
        answer = self.aws.client("ec2").create_vpc(
            CidrBlock=desired["cidr"], TagSpecifications=self.new_tags
        )
        self.aws.wait("ec2", "vpc_available", VpcIds=[answer["Vpc"]["VpcId"]])

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Switch the names on; AWS takes one switch a call."""
        for name in changed:
            self.aws.client("ec2").modify_vpc_attribute(
                VpcId=live.id, **{self._attributes[name]: {"Value": desired[name]}}
            )

    def delete(self, live: Live) -> None:
        """Delete it, once nothing is left in it."""
        patiently(
            lambda: remove(self.aws.client("ec2").delete_vpc, VpcId=live.id),
            "DependencyViolation",
            minutes=MINUTES_FOR_INTERFACES,
        )

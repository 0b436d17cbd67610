"""A part of the network in one zone."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cloud_infra.account.clients import from_tags, patiently, remove
from aws_cloud_infra.engine.resource import Ids, Live, Resource, Settings
from aws_cloud_infra.resources.network.ec2 import (
    MINUTES_FOR_INTERFACES,
    Ec2Resource,
    ec2_permissions,
)


@dataclass(frozen=True, eq=False)
class Subnet(Ec2Resource):
    """A part of the network in one zone."""

    vpc: Resource
    zone: Resource
    cidr: str

    kind = "subnet"
    type_name = "subnet"
    fixed = frozenset({"vpc", "cidr", "zone"})
    permissions = ec2_permissions(
        ("DescribeSubnets",), ("CreateSubnet",), ("ModifySubnetAttribute", "DeleteSubnet")
    )

    def desired(self, ids: Ids) -> Settings:
        """Nothing in it gets a public address unless it asks for one."""
        return {
            "vpc": ids[self.vpc],
            "zone": ids[self.zone],
            "cidr": self.cidr,
            "public_addresses": False,
        }

    def find(self) -> Live | None:
        """Find it by its tags."""
        found = self.one("describe_subnets", "Subnets")
        if found is None:
            return None
        return Live(
            found["SubnetId"],
            {
                "vpc": found["VpcId"],
                "zone": found["AvailabilityZone"],
                "cidr": found["CidrBlock"],
                "public_addresses": found["MapPublicIpOnLaunch"],
            },
            from_tags(found["Tags"]),
        )

    def create(self, desired: Settings) -> None:
        """Make it and wait until it is available."""
        answer = self.aws.client("ec2").create_subnet(
            VpcId=desired["vpc"],
            CidrBlock=desired["cidr"],
            AvailabilityZone=desired["zone"],
            TagSpecifications=self.new_tags,
        )
        self.aws.wait("ec2", "subnet_available", SubnetIds=[answer["Subnet"]["SubnetId"]])

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Switch public addresses."""
        self.aws.client("ec2").modify_subnet_attribute(
            SubnetId=live.id, MapPublicIpOnLaunch={"Value": desired["public_addresses"]}
        )

    def delete(self, live: Live) -> None:
        """Delete it, once nothing is left in it."""
        patiently(
            lambda: remove(self.aws.client("ec2").delete_subnet, SubnetId=live.id),
            "DependencyViolation",
            minutes=MINUTES_FOR_INTERFACES,
        )

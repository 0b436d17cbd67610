"""A network that was there before: only looked up."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cloud_infra.account.clients import read
from aws_cloud_infra.account.errors import AwsRefused
from aws_cloud_infra.engine.resource import Found, Live, Permission
from aws_cloud_infra.resources.network.ec2 import ranges


@dataclass(frozen=True, eq=False)
class ExistingVpc(Found):
    """A VPC that somebody else made and that the settings name."""

    kind = "existing VPC"
    permissions = (Permission(("ec2:DescribeVpcs",)),)

    def find(self) -> Live:
        """Return it. Raises AwsRefused if the region has none of this id."""
        found = read(self.aws.client("ec2").describe_vpcs, VpcIds=[self.name])
        if not found:
            raise AwsRefused(f"There is no {self.name} in {self.aws.region}: correct vpc_id.")
        return Live(self.name, {}, None, facts={"ranges": ranges(found["Vpcs"][0])})

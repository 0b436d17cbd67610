"""A part of a network that was there before: only looked up."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cloud_infra.account.clients import read
from aws_cloud_infra.account.errors import AwsRefused
from aws_cloud_infra.engine.resource import Found, Live, Permission, Resource


@dataclass(frozen=True, eq=False)
class ExistingSubnet(Found):
    """A subnet of an existing VPC."""

    vpc: Resource

    kind = "existing subnet"
    permissions = (Permission(("ec2:DescribeSubnets",)),)

    def find(self) -> Live:
        """Return it. Raises AwsRefused if the VPC has none of this id."""
        answer = read(self.aws.client("ec2").describe_subnets, SubnetIds=[self.name])
        vpcs = [subnet["VpcId"] for subnet in answer["Subnets"]] if answer else []
        if vpcs != [self.vpc.name]:
            raise AwsRefused(
                f"There is no {self.name} in {self.vpc.name}: correct public_subnet_ids and "
                "private_subnet_ids."
            )
        return Live(self.name, {}, None)

"""The availability zones that subnets are in: only looked up."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cloud_infra.account.errors import AwsRefused
from aws_cloud_infra.engine.resource import Found, Live, Permission


@dataclass(frozen=True, eq=False)
class Zone(Found):
    """An availability zone: the one that the settings name, or the first or second that will do.

    It will do where AWS has machines of the type of the MLflow host: some zones never got them.
    """

    index: int

    kind = "availability zone"
    permissions = (
        Permission(("ec2:DescribeAvailabilityZones", "ec2:DescribeInstanceTypeOfferings")),
    )

    def find(self) -> Live:
        """Return the zone. Raises AwsRefused where it may not be used or will not do."""
        zones = self.aws.client("ec2").describe_availability_zones(
            Filters=[{"Name": "zone-type", "Values": ["availability-zone"]},
                     {"Name": "state", "Values": ["available"]}]
        )["AvailabilityZones"]  # fmt: skip
        kind = self.aws.settings.instance_type
        offers = self.aws.pages(
            "ec2", "describe_instance_type_offerings", "InstanceTypeOfferings",
            LocationType="availability-zone",
            Filters=[{"Name": "instance-type", "Values": [kind]}],
        )  # fmt: skip
        usable = {zone["ZoneName"] for zone in zones}
        names = sorted(usable & {offer["Location"] for offer in offers})
        wanted = self.aws.settings.availability_zones or tuple(names[:2])
        if len(wanted) <= self.index or wanted[self.index] not in names:
            raise AwsRefused(
                f"Two availability zones with machines of type {kind} are needed; this account may "
                f"use {', '.join(names) or 'none'} in {self.aws.region}. Set availability_zones to "
                "two of them, or take another instance_type."
            )
        return Live(wanted[self.index], {}, None)

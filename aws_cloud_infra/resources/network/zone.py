"""The availability zones that subnets are in: only looked up."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cloud_infra.account.errors import AwsRefused
from aws_cloud_infra.engine.resource import Found, Live, Permission


@dataclass(frozen=True, eq=False)
class Zone(Found):
    """An availability zone: the one that the settings name, or the first or second there is."""

    index: int

    kind = "availability zone"
    permissions = (Permission(("ec2:DescribeAvailabilityZones",)),)

    def find(self) -> Live:
        """Return the zone. Raises AwsRefused where the account may not use it."""
        zones = self.aws.client("ec2").describe_availability_zones(
            Filters=[{"Name": "zone-type", "Values": ["availability-zone"]},
                     {"Name": "state", "Values": ["available"]}]
        )["AvailabilityZones"]  # fmt: skip
        names = sorted(zone["ZoneName"] for zone in zones)
        wanted = self.aws.settings.availability_zones or tuple(names[:2])
        if len(wanted) <= self.index or wanted[self.index] not in names:
            raise AwsRefused(
                f"Two availability zones are needed; this account may use {', '.join(names)} in "
                f"{self.aws.region}. Set availability_zones to two of them."
            )
        return Live(wanted[self.index], {}, None)

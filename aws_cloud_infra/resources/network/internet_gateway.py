"""The way out of the network."""

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
class InternetGateway(Ec2Resource):
    """The way out."""

    vpc: Resource

    kind = "internet gateway"
    type_name = "internet-gateway"
    permissions = ec2_permissions(
        ("DescribeInternetGateways",),
        ("CreateInternetGateway",),
        ("AttachInternetGateway", "DetachInternetGateway", "DeleteInternetGateway"),
    )

    def desired(self, ids: Ids) -> Settings:
        """It hangs on the VPC."""
        return {"vpc": ids[self.vpc]}

    def find(self) -> Live | None:
        """Find it by its tags."""
        found = self.one("describe_internet_gateways", "InternetGateways")
        if found is None:
            return None
        attached = [item["VpcId"] for item in found["Attachments"]]
        settings = {"vpc": attached[0] if attached else None}
        return Live(found["InternetGatewayId"], settings, from_tags(found["Tags"]))

    def create(self, desired: Settings) -> None:
        """Make it; it hangs nowhere yet."""
        self.aws.client("ec2").create_internet_gateway(TagSpecifications=self.new_tags)

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Move it to the VPC."""
        self._detach(live)
        self.aws.client("ec2").attach_internet_gateway(
            InternetGatewayId=live.id, VpcId=desired["vpc"]
        )

    def _detach(self, live: Live) -> None:
        if live.settings["vpc"]:
            patiently(
                lambda: remove(
                    self.aws.client("ec2").detach_internet_gateway,
                    InternetGatewayId=live.id,
                    VpcId=live.settings["vpc"],
                ),
                "DependencyViolation",
                minutes=MINUTES_FOR_INTERFACES,
            )

    def delete(self, live: Live) -> None:
        """Detach it and delete it."""
        self._detach(live)
        remove(self.aws.client("ec2").delete_internet_gateway, InternetGatewayId=live.id)

"""What all of EC2 shares: things are found by their tags, and written only if they carry ours.

Takes the calls that a kind makes, gives its permissions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from aws_cloud_infra.account.clients import as_tags
from aws_cloud_infra.account.errors import AwsRefused
from aws_cloud_infra.engine.resource import OURS, Permission, Resource

EVERYWHERE = "0.0.0.0/0"
MINUTES_FOR_INTERFACES = 10
"""How long the addresses of deleted load balancers and tasks may take to go away."""

_CREATES = (
    "CreateFlowLogs", "CreateInternetGateway", "CreateRouteTable", "CreateSecurityGroup",
    "CreateSubnet", "CreateVpc", "RunInstances",
)  # fmt: skip
NEW = ("arn:{partition}:ec2:{region}:{account}:*",)
_AS_MADE = {"StringEquals": {"ec2:CreateAction": _CREATES}}
"""So nobody may give our tags to what is there already, and then change it as ours."""


def ec2_permissions(
    reads: Collection[str], creates: Collection[str], changes: Collection[str]
) -> tuple[Permission, ...]:
    """Return permissions for EC2 calls: reading anything, making new things, changing ours."""
    return (
        Permission(tuple(f"ec2:{call}" for call in reads)),
        Permission(tuple(f"ec2:{call}" for call in creates), NEW),
        Permission(("ec2:CreateTags",), NEW, _AS_MADE),
        Permission(tuple(f"ec2:{call}" for call in changes), NEW, OURS),
    )


def ranges(vpc: Mapping[str, Any]) -> str:
    """Return the ranges of addresses of a VPC, as AWS tells it, with commas between."""
    parts = vpc["CidrBlockAssociationSet"]
    there = (item["CidrBlock"] for item in parts if item["CidrBlockState"]["State"] == "associated")
    return ",".join(sorted(there))


@dataclass(frozen=True, eq=False)
class Ec2Resource(Resource):
    """Something of EC2: it has no name of its own, so its tags are its name."""

    type_name: ClassVar[str]
    """As EC2 calls it when tagging."""

    @property
    def new_tags(self) -> list[dict[str, Any]]:
        """The tags for a Create call."""
        tags = as_tags({**self.aws.tags, "Name": self.name})
        return [{"ResourceType": self.type_name, "Tags": tags}]

    def one(self, operation: str, key: str, **filters: list[str]) -> dict[str, Any] | None:
        """Return the one thing with our tags and name. Raises AwsRefused if there are several."""
        wanted = {f"tag:{name}": [value] for name, value in self.aws.tags.items()}
        wanted |= {"tag:Name": [self.name], **filters}
        asked = [{"Name": name, "Values": values} for name, values in wanted.items()]
        called = "Filter" if operation == "describe_flow_logs" else "Filters"
        found = self.aws.pages("ec2", operation, key, **{called: asked})
        if operation == "describe_instances":
            found = [instance for reservation in found for instance in reservation["Instances"]]
        if len(found) > 1:
            raise AwsRefused(
                f"There are {len(found)} of {self}, all with our tags. Delete all but one by hand."
            )
        return found[0] if found else None

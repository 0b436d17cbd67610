"""A zone of names that only one VPC knows. Must not touch a zone that is not ours."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from aws_cloud_infra.account.clients import as_tags, from_tags, patiently, read, remove
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings

ANY = "arn:{partition}:route53:::hostedzone/*"
"""AWS gives a zone its id, and knows no condition on the tags of one."""


@dataclass(frozen=True, eq=False)
class PrivateZone(Resource):
    """A private zone of Route 53; it is its name."""

    vpc: Resource

    kind = "private zone"
    guarded = True
    fixed = frozenset({"vpc"})
    permissions = (
        Permission(("route53:ListHostedZonesByName", "route53:CreateHostedZone")),
        Permission(("ec2:DescribeVpcs", "ec2:DescribeRegions")),
        Permission(
            ("route53:GetHostedZone", "route53:ListTagsForResource",
             "route53:ChangeTagsForResource", "route53:DeleteHostedZone"),
            (ANY,),
        ),
        # Which AWS does for a private zone in the name of who asks.
        Permission(
            ("route53:AssociateVPCWithHostedZone",), (ANY,),
        ),
    )  # fmt: skip

    @property
    def prices(self) -> tuple[tuple[str, float], ...]:
        """One zone."""
        return (("hosted zone", 1),)

    @property
    def _comment(self) -> str:
        """What tells that it is ours: AWS takes tags only after it was made."""
        return f"Made by {self.aws.prefix}"

    def desired(self, ids: Ids) -> Settings:
        """Who may ask it."""
        return {"vpc": ids[self.vpc], "tags": self.aws.tags}

    def find(self) -> Live | None:
        """Find it by its name."""
        route53 = self.aws.client("route53")
        listed = route53.list_hosted_zones_by_name(DNSName=self.name)["HostedZones"]
        for item in listed:
            if item["Name"] != f"{self.name}." or not item["Config"].get("PrivateZone"):
                continue
            name = item["Id"].rpartition("/")[2]
            found = read(route53.get_hosted_zone, Id=name)
            tags = read(route53.list_tags_for_resource, ResourceType="hostedzone", ResourceId=name)
            if found is None or tags is None:
                continue
            is_ours = item["Config"].get("Comment") == self._comment
            carried = from_tags(tags["ResourceTagSet"]["Tags"])
            return Live(
                name,
                {
                    "vpc": " ".join(vpc["VPCId"] for vpc in found["VPCs"]),
                    "tags": {key: carried.get(key) for key in self.aws.tags},
                },
                self.aws.tags if is_ours else carried,
            )
        return None

    def create(self, desired: Settings) -> None:
        """Make it."""
        self.aws.client("route53").create_hosted_zone(
            Name=self.name,
            VPC={"VPCRegion": self.aws.region, "VPCId": desired["vpc"]},
            CallerReference=uuid.uuid4().hex,
            HostedZoneConfig={"Comment": self._comment, "PrivateZone": True},
        )

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Give it its tags."""
        self.aws.client("route53").change_tags_for_resource(
            ResourceType="hostedzone", ResourceId=live.id, AddTags=as_tags(desired["tags"])
        )

    def delete(self, live: Live) -> None:
        """Delete it, once the record in it is gone."""
        patiently(
            lambda: remove(self.aws.client("route53").delete_hosted_zone, Id=live.id),
            "HostedZoneNotEmpty",
        )

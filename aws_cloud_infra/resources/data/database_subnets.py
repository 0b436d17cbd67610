"""The subnets that a database may live in."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cloud_infra.account.clients import as_tags, from_tags, patiently, read, remove
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings


@dataclass(frozen=True, eq=False)
class DatabaseSubnets(Resource):
    """Where a database may live: subnets in two zones."""

    subnets: tuple[Resource, ...]

    kind = "database subnets"
    # They get new ids only with a new network, and no database can follow there.
    fixed = frozenset({"subnets"})
    permissions = (
        Permission(
            ("rds:DescribeDBSubnetGroups", "rds:ListTagsForResource", "rds:CreateDBSubnetGroup",
             "rds:AddTagsToResource", "rds:DeleteDBSubnetGroup"),
            ("arn:{partition}:rds:{region}:{account}:subgrp:{name}",),
        ),
    )  # fmt: skip

    def desired(self, ids: Ids) -> Settings:
        """Its subnets."""
        return {"subnets": sorted(ids[subnet] for subnet in self.subnets)}

    def find(self) -> Live | None:
        """Find it by its name."""
        rds = self.aws.client("rds")
        answer = read(rds.describe_db_subnet_groups, DBSubnetGroupName=self.name)
        if not answer:
            return None
        (found,) = answer["DBSubnetGroups"]
        tags = rds.list_tags_for_resource(ResourceName=found["DBSubnetGroupArn"])["TagList"]
        subnets = sorted(subnet["SubnetIdentifier"] for subnet in found["Subnets"])
        return Live(self.name, {"subnets": subnets}, from_tags(tags))

    def create(self, desired: Settings) -> None:
        """Make it."""
        self.aws.client("rds").create_db_subnet_group(
            DBSubnetGroupName=self.name,
            DBSubnetGroupDescription=f"Private subnets of {self.aws.prefix}",
            SubnetIds=desired["subnets"],
            Tags=as_tags(self.aws.tags),
        )

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Never called: nothing of it can change."""
        raise NotImplementedError(str(self))

    def delete(self, live: Live) -> None:
        """Delete it, once no database is in it."""
        patiently(
            lambda: remove(
                self.aws.client("rds").delete_db_subnet_group, DBSubnetGroupName=self.name
            ),
            "InvalidDBSubnetGroupState",
            minutes=10,
        )

"""Routes, and the subnets that follow them. Leads nowhere that its fields do not say."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from aws_cloud_infra.account.clients import from_tags, read, remove
from aws_cloud_infra.engine.resource import Ids, Live, Resource, Settings
from aws_cloud_infra.resources.network.ec2 import EVERYWHERE, Ec2Resource, ec2_permissions


@dataclass(frozen=True, eq=False)
class RouteTable(Ec2Resource):
    """Where the subnets' packets go: to each other, and to the gateway if there is one."""

    vpc: Resource
    subnets: tuple[Resource, ...]
    gateway: Resource | None = None

    kind = "route table"
    type_name = "route-table"
    fixed = frozenset({"vpc"})
    permissions = ec2_permissions(
        ("DescribeRouteTables",),
        ("CreateRouteTable",),
        ("CreateRoute", "DeleteRoute", "AssociateRouteTable", "ReplaceRouteTableAssociation",
         "DisassociateRouteTable", "DeleteRouteTable"),
    )  # fmt: skip

    def desired(self, ids: Ids) -> Settings:
        """Routes beside the local one, and the subnets that follow them."""
        return {
            "vpc": ids[self.vpc],
            "routes": {EVERYWHERE: ids[self.gateway]} if self.gateway else {},
            "subnets": sorted(ids[subnet] for subnet in self.subnets),
        }

    def find(self) -> Live | None:
        """Find it by its tags."""
        found = self.one("describe_route_tables", "RouteTables")
        if found is None:
            return None
        routes = {
            route.get("DestinationCidrBlock") or route.get("DestinationIpv6CidrBlock"): route.get(
                "GatewayId", "something else"
            )
            for route in found["Routes"]
        }
        return Live(
            found["RouteTableId"],
            {
                "vpc": found["VpcId"],
                "routes": {to: via for to, via in routes.items() if to and via != "local"},
                "subnets": sorted(item["SubnetId"] for item in _associations(found)),
            },
            from_tags(found["Tags"]),
        )

    def create(self, desired: Settings) -> None:
        """Make it; it leads nowhere yet."""
        self.aws.client("ec2").create_route_table(
            VpcId=desired["vpc"], TagSpecifications=self.new_tags
        )

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Bring routes and subnets in line."""
        ec2 = self.aws.client("ec2")
        if "routes" in changed:
            for to, via in live.settings["routes"].items():
                if desired["routes"].get(to) != via:
                    key = "DestinationIpv6CidrBlock" if ":" in to else "DestinationCidrBlock"
                    remove(ec2.delete_route, RouteTableId=live.id, **{key: to})
            for to, via in desired["routes"].items():
                if live.settings["routes"].get(to) != via:
                    ec2.create_route(RouteTableId=live.id, DestinationCidrBlock=to, GatewayId=via)
        if "subnets" in changed:
            for subnet in set(desired["subnets"]) - set(live.settings["subnets"]):
                self._associate(live, subnet)
            self._disassociate(live, spare=desired["subnets"])

    def _associate(self, live: Live, subnet: str) -> None:
        """Let a subnet follow this table, whichever it follows now."""
        ec2 = self.aws.client("ec2")
        tables = ec2.describe_route_tables(
            Filters=[{"Name": "association.subnet-id", "Values": [subnet]}]
        )["RouteTables"]
        for table in tables:
            for item in _associations(table):
                if item["SubnetId"] == subnet:
                    ec2.replace_route_table_association(
                        AssociationId=item["RouteTableAssociationId"], RouteTableId=live.id
                    )
                    return
        ec2.associate_route_table(SubnetId=subnet, RouteTableId=live.id)

    def _disassociate(self, live: Live, spare: Collection[str] = ()) -> None:
        ec2 = self.aws.client("ec2")
        answer = read(ec2.describe_route_tables, RouteTableIds=[live.id])
        for table in answer["RouteTables"] if answer else ():
            for item in _associations(table):
                if item["SubnetId"] not in spare:
                    remove(
                        ec2.disassociate_route_table,
                        AssociationId=item["RouteTableAssociationId"],
                    )

    def delete(self, live: Live) -> None:
        """Let the subnets go, and delete it."""
        self._disassociate(live)
        remove(self.aws.client("ec2").delete_route_table, RouteTableId=live.id)


def _associations(table: dict[str, Any]) -> list[dict[str, Any]]:
    return [item for item in table.get("Associations", ()) if "SubnetId" in item]

"""The private network: VPC, subnets, routes and security groups; made, or found where one exists.

All are found by their tags. Must not open anything that its rules do not say.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar

from aws_cloud_infra.aws import as_tags, from_tags, patiently, read, remove
from aws_cloud_infra.errors import AwsRefused
from aws_cloud_infra.resource import Found, Ids, Live, Permission, Resource, Settings

EVERYWHERE = "0.0.0.0/0"
_MINUTES_FOR_INTERFACES = 10
"""How long the addresses of deleted load balancers and tasks may take to go away."""

NEW = ("arn:{partition}:ec2:{region}:{account}:*/*",)
OURS = {
    "StringEquals": {
        "aws:ResourceTag/Project": "{project}",
        "aws:ResourceTag/Environment": "{environment}",
    }
}
"""What is written after its creation must carry our tags: the policy sees to it, too."""


def ec2_permissions(
    reads: Collection[str], creates: Collection[str], changes: Collection[str]
) -> tuple[Permission, ...]:
    """Return permissions for EC2 calls: reading anything, making new things, changing ours."""
    return (
        Permission(tuple(f"ec2:{call}" for call in reads)),
        Permission(tuple(f"ec2:{call}" for call in (*creates, "CreateTags")), NEW),
        Permission(tuple(f"ec2:{call}" for call in changes), NEW, OURS),
    )


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
        found = self.aws.pages(
            "ec2", operation, key,
            Filters=[{"Name": name, "Values": values} for name, values in wanted.items()],
        )  # fmt: skip
        if operation == "describe_instances":
            found = [instance for reservation in found for instance in reservation["Instances"]]
        if len(found) > 1:
            raise AwsRefused(
                f"There are {len(found)} of {self}, all with our tags. Delete all but one by hand."
            )
        return found[0] if found else None


@dataclass(frozen=True, eq=False)
class Vpc(Ec2Resource):
    """The network itself."""

    cidr: str

    kind = "VPC"
    type_name = "vpc"
    fixed = frozenset({"cidr"})
    permissions = ec2_permissions(
        ("DescribeVpcs", "DescribeVpcAttribute"),
        ("CreateVpc",),
        ("ModifyVpcAttribute", "DeleteVpc"),
    )
    _attributes: ClassVar[dict[str, str]] = {
        "dns_hostnames": "EnableDnsHostnames",
        "dns_support": "EnableDnsSupport",
    }

    def desired(self, ids: Ids) -> Settings:
        """Names inside of the network are what the database is reached by."""
        return {"cidr": self.cidr, "dns_hostnames": True, "dns_support": True}

    def find(self) -> Live | None:
        """Find it by its tags."""
        found = self.one("describe_vpcs", "Vpcs")
        if found is None:
            return None
        settings: Settings = {"cidr": found["CidrBlock"]}
        for name, attribute in self._attributes.items():
            answer = self.aws.client("ec2").describe_vpc_attribute(
                VpcId=found["VpcId"], Attribute=attribute[0].lower() + attribute[1:]
            )
            settings[name] = answer[attribute]["Value"]
        return Live(found["VpcId"], settings, from_tags(found["Tags"]))

    def create(self, desired: Settings) -> None:
        """Make it and wait until it is available."""
        answer = self.aws.client("ec2").create_vpc(
            CidrBlock=desired["cidr"], TagSpecifications=self.new_tags
        )
        self.aws.wait("ec2", "vpc_available", VpcIds=[answer["Vpc"]["VpcId"]])

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Switch the names on; AWS takes one switch a call."""
        for name in changed:
            self.aws.client("ec2").modify_vpc_attribute(
                VpcId=live.id, **{self._attributes[name]: {"Value": desired[name]}}
            )

    def delete(self, live: Live) -> None:
        """Delete it, once nothing is left in it."""
        patiently(
            lambda: remove(self.aws.client("ec2").delete_vpc, VpcId=live.id),
            "DependencyViolation",
            minutes=_MINUTES_FOR_INTERFACES,
        )


@dataclass(frozen=True, eq=False)
class ExistingVpc(Found):
    """A VPC that somebody else made and that the settings name."""

    kind = "existing VPC"
    permissions = (Permission(("ec2:DescribeVpcs",)),)

    def find(self) -> Live:
        """Return it. Raises AwsRefused if the region has none of this id."""
        if not read(self.aws.client("ec2").describe_vpcs, VpcIds=[self.name]):
            raise AwsRefused(f"There is no {self.name} in {self.aws.region}: correct vpc_id.")
        return Live(self.name, {}, None)


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
                minutes=_MINUTES_FOR_INTERFACES,
            )

    def delete(self, live: Live) -> None:
        """Detach it and delete it."""
        self._detach(live)
        remove(self.aws.client("ec2").delete_internet_gateway, InternetGatewayId=live.id)


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
            minutes=_MINUTES_FOR_INTERFACES,
        )


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

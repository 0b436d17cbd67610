"""The network on an emulated account."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import boto3
import pytest

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.errors import AwsRefused
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.plan import plan
from aws_cloud_infra.engine.resource import Live, Resource
from aws_cloud_infra.resources.network.ec2 import EVERYWHERE
from aws_cloud_infra.resources.network.internet_gateway import InternetGateway
from aws_cloud_infra.resources.network.route_table import RouteTable
from aws_cloud_infra.resources.network.security_group import ANYTHING_OUT, SecurityGroup
from aws_cloud_infra.resources.network.subnet import Subnet
from aws_cloud_infra.resources.network.vpc import Vpc
from aws_cloud_infra.resources.network.zone import Zone
from aws_cloud_infra.resources.watching.flow_log import FlowLog
from aws_cloud_infra.stacks import both
from tests.aws.account import Account
from tests.aws.lifecycle import Drift, check_life, quietly


def network(aws: Aws) -> Sequence[Resource]:
    vpc = Vpc(aws, aws.prefix, "10.20.0.0/16")
    zones = [Zone(aws, name, index) for index, name in enumerate(("first", "second"))]
    gateway = InternetGateway(aws, aws.prefix, vpc)
    subnets = [
        Subnet(aws, f"{aws.prefix}-{index}", vpc, zone, f"10.20.{index}.0/24")
        for index, zone in enumerate(zones)
    ]
    routes = RouteTable(aws, f"{aws.prefix}-public", vpc, tuple(subnets), gateway)
    front = SecurityGroup(aws, f"{aws.prefix}-front", vpc, "open", (("tcp 80", EVERYWHERE),))
    back = SecurityGroup(
        aws, f"{aws.prefix}-back", vpc, "closed", (("tcp 8000", front),), ANYTHING_OUT
    )
    return [vpc, *zones, gateway, *subnets, routes, front, back]


def _off(attribute: str):
    return lambda aws, live: aws.client("ec2").modify_vpc_attribute(
        VpcId=live.id, **{attribute: {"Value": False}}
    )


def _open_to_the_world(side: str):
    def change(aws: Aws, live: Live) -> None:
        getattr(aws.client("ec2"), f"authorize_security_group_{side}")(
            GroupId=live.id,
            IpPermissions=[
                {
                    "IpProtocol": "tcp",
                    "FromPort": 22,
                    "ToPort": 23,
                    "IpRanges": [{"CidrIp": EVERYWHERE}],
                }
            ],
        )

    return change


def _shut_in(aws: Aws, live: Live) -> None:
    everything = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": EVERYWHERE}]}
    aws.client("ec2").revoke_security_group_egress(GroupId=live.id, IpPermissions=[everything])


def _wander_off(aws: Aws, live: Live) -> None:
    """Let a subnet follow the VPC's main route table by name."""
    ec2 = aws.client("ec2")
    (table,) = ec2.describe_route_tables(RouteTableIds=[live.id])["RouteTables"]
    (main,) = ec2.describe_route_tables(
        Filters=[
            {"Name": "vpc-id", "Values": [table["VpcId"]]},
            {"Name": "association.main", "Values": ["true"]},
        ]
    )["RouteTables"]
    ec2.replace_route_table_association(
        AssociationId=table["Associations"][0]["RouteTableAssociationId"],
        RouteTableId=main["RouteTableId"],
    )


DRIFTS = [
    Drift(Vpc, "dns_support", _off("EnableDnsSupport")),
    Drift(Vpc, "dns_hostnames", _off("EnableDnsHostnames")),
    Drift(InternetGateway, "vpc", lambda aws, live: aws.client("ec2").detach_internet_gateway(
        InternetGatewayId=live.id, VpcId=live.settings["vpc"])),
    Drift(Subnet, "public_addresses", lambda aws, live: aws.client("ec2").modify_subnet_attribute(
        SubnetId=live.id, MapPublicIpOnLaunch={"Value": True})),
    Drift(RouteTable, "routes", lambda aws, live: aws.client("ec2").delete_route(
        RouteTableId=live.id, DestinationCidrBlock=EVERYWHERE)),
    Drift(RouteTable, "routes", lambda aws, live: aws.client("ec2").create_route(
        RouteTableId=live.id, DestinationCidrBlock="192.168.0.0/16",
        GatewayId=live.settings["routes"][EVERYWHERE])),
    Drift(RouteTable, "subnets", _wander_off),
    Drift(SecurityGroup, "ingress", _open_to_the_world("ingress"), "front"),
    Drift(SecurityGroup, "egress", _open_to_the_world("egress"), "front"),
    Drift(SecurityGroup, "egress", _open_to_the_world("egress"), "back"),
    Drift(SecurityGroup, "egress", _shut_in, "back"),
]  # fmt: skip


def test_the_network_is_made_healed_and_removed(account: Account) -> None:
    check_life(account, network, DRIFTS)


def test_what_writes_down_who_is_turned_away_is_made_healed_and_removed(account: Account) -> None:
    def written(aws: Aws) -> Sequence[Resource]:
        made = both(aws)[0].shared
        return [next(item for item in made if item.kind == kind) for kind in ("VPC", "flow log")]

    network = both(account.aws())[0].shared
    apply(plan([item for item in network if item.kind in {"log group", "role"}]), quietly)
    check_life(account, written, DRIFTS[:2])


def test_a_flow_log_that_aws_does_not_make_or_does_not_write_is_said_so(account: Account) -> None:
    session = account.session()
    said = {"ResourceId": "vpc-1", "Error": {"Code": "400", "Message": "No such role."}}
    session.events.register(
        "after-call.ec2.CreateFlowLogs", lambda parsed, **_: parsed.update(Unsuccessful=[said])
    )
    shared = both(account.aws(session))[0].shared
    (log,) = (item for item in shared if isinstance(item, FlowLog))
    apply(plan([item for item in shared if item.kind == "VPC"]), quietly)
    with pytest.raises(AwsRefused, match=r"flow log sales-forecast-production: No such role\."):
        apply(plan([log.vpc, log]), quietly)
    live = log.find()
    assert live is not None
    assert ("nothing is written: Access error",) == live.notes, "there is no such log group"


def offered_in(session: boto3.Session, *zones: str) -> None:
    """Let AWS have the machine in these zones alone."""

    def shorten(parsed: dict[str, Any], **_: Any) -> None:
        offers = parsed["InstanceTypeOfferings"]
        parsed["InstanceTypeOfferings"] = [item for item in offers if item["Location"] in zones]

    session.events.register("after-call.ec2.DescribeInstanceTypeOfferings", shorten)


def test_a_zone_without_machines_of_the_type_is_passed_over(account: Account) -> None:
    session = account.session()
    offered_in(session, "eu-central-1b", "eu-central-1c")
    zones = [Zone(account.aws(session), str(index), index).find().id for index in range(2)]
    assert ["eu-central-1b", "eu-central-1c"] == zones


def test_zones_that_were_chosen_without_machines_of_the_type_are_refused(account: Account) -> None:
    session = account.session()
    offered_in(session, "eu-central-1b", "eu-central-1c")
    aws = account.aws(session, availability_zones=("eu-central-1a", "eu-central-1b"))
    said = r"of type t3\.small are needed; this account may use eu-central-1b, eu-central-1c in"
    with pytest.raises(AwsRefused, match=said):
        Zone(aws, "first", 0).find()

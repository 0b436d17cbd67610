"""The name of MLflow's host on an emulated account: it stays when the host is another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.errors import NotOurs
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.plan import plan
from aws_cloud_infra.engine.resource import Found, Live, Resource
from aws_cloud_infra.resources.machines.host_name import HostName
from aws_cloud_infra.resources.machines.private_zone import PrivateZone
from tests.aws.account import Account
from tests.aws.lifecycle import Drift, check_life, quietly, what_changes
from tests.aws.resources.ground import Given, die_after_each_write

ZONE = "sales-forecast-production.internal"


@dataclass(frozen=True, eq=False)
class Host(Found):
    address: str = "10.20.0.9"

    kind = "instance"
    permissions = ()

    def find(self) -> Live:
        return Live("i-1", {}, None, facts={"address": self.address})


def named(aws: Aws, address: str = "10.20.0.9") -> Sequence[Resource]:
    (vpc,) = aws.client("ec2").describe_vpcs()["Vpcs"]
    network, host = Given(aws, "vpc", vpc["VpcId"]), Host(aws, "mlflow", address)
    zone = PrivateZone(aws, ZONE, network)
    return [network, host, zone, HostName(aws, f"mlflow.{ZONE}", zone, host)]


def _record(aws: Aws) -> dict[str, Any]:
    (zone,) = aws.client("route53").list_hosted_zones()["HostedZones"]
    records = aws.client("route53").list_resource_record_sets(HostedZoneId=zone["Id"])
    (found,) = (item for item in records["ResourceRecordSets"] if item["Type"] == "A")
    return found


def _write(**changes: Any) -> Callable[[Aws, Live], Any]:
    def change(aws: Aws, live: Live) -> None:
        aws.client("route53").change_resource_record_sets(
            HostedZoneId=live.settings["zone"],
            ChangeBatch={
                "Changes": [{"Action": "UPSERT", "ResourceRecordSet": {**_record(aws), **changes}}]
            },
        )

    return change


DRIFTS = [
    Drift(PrivateZone, "tags", lambda aws, live: aws.client("route53").change_tags_for_resource(
        ResourceType="hostedzone", ResourceId=live.id, RemoveTagKeys=["Project"])),
    Drift(HostName, "address", _write(ResourceRecords=[{"Value": "10.20.0.66"}])),
    Drift(HostName, "seconds", _write(TTL=86400)),
]  # fmt: skip


def test_zone_and_name_are_made_healed_and_removed(account: Account) -> None:
    check_life(account, named, DRIFTS)


def test_only_the_vpc_knows_the_name(account: Account) -> None:
    aws = account.aws()
    apply(plan(named(aws)), quietly)
    (zone,) = aws.client("route53").list_hosted_zones()["HostedZones"]
    found = aws.client("route53").get_hosted_zone(Id=zone["Id"])
    assert found["HostedZone"]["Config"]["PrivateZone"]
    (vpc,) = aws.client("ec2").describe_vpcs()["Vpcs"]
    assert [vpc["VpcId"]] == [item["VPCId"] for item in found["VPCs"]]


def test_the_name_stays_when_the_host_is_another(account: Account) -> None:
    aws = account.aws()
    apply(plan(named(aws)), quietly)
    replaced = named(aws, "10.20.0.77")
    assert {f"host name mlflow.{ZONE}": ["address"]} == what_changes(plan(replaced))
    apply(plan(replaced), quietly)
    assert (f"mlflow.{ZONE}.", [{"Value": "10.20.0.77"}]) == (
        _record(aws)["Name"], _record(aws)["ResourceRecords"]
    )  # fmt: skip


def test_a_zone_of_somebody_else_is_not_touched(account: Account) -> None:
    aws = account.aws()
    (vpc,) = aws.client("ec2").describe_vpcs()["Vpcs"]
    aws.client("route53").create_hosted_zone(
        Name=ZONE,
        VPC={"VPCId": vpc["VpcId"], "VPCRegion": aws.region},
        CallerReference="theirs",
        HostedZoneConfig={"PrivateZone": True},
    )
    with pytest.raises(NotOurs, match=f"private zone {ZONE}"):
        apply(plan(named(aws)), quietly)


def test_a_public_zone_of_the_same_name_is_another(account: Account) -> None:
    aws = account.aws()
    aws.client("route53").create_hosted_zone(Name=ZONE, CallerReference="public")
    apply(plan(named(aws)), quietly)
    zones = aws.client("route53").list_hosted_zones()["HostedZones"]
    assert [False, True] == sorted(zone["Config"]["PrivateZone"] for zone in zones)


def test_runs_that_each_die_after_one_write_make_one_zone(account: Account) -> None:
    assert 2 <= die_after_each_write(account, named)
    zones = account.aws().client("route53").list_hosted_zones()["HostedZones"]
    assert 1 == len(zones)

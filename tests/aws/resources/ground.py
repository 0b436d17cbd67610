"""A network that is already there, for the tests of what stands on one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.plan import plan
from aws_cloud_infra.engine.resource import Found, Live, Resource
from tests.aws.account import Account, Killed, Killer
from tests.aws.lifecycle import quietly


@dataclass(frozen=True, eq=False)
class Given(Found):
    """Something that somebody else made, by its id."""

    id: str

    kind = "given"
    permissions = ()

    def find(self) -> Live:
        return Live(self.id, {}, None)


@dataclass(frozen=True)
class Ground:
    """The network that every account has of itself: a subnet in each of three zones."""

    vpc: Given
    subnets: tuple[Given, Given]
    third: Given
    group: Given
    other_group: Given
    routes: Given
    logs: Given

    @property
    def all(self) -> tuple[Given, ...]:
        return (
            self.vpc,
            *self.subnets,
            self.third,
            self.group,
            self.other_group,
            self.routes,
            self.logs,
        )


def ground(aws: Aws) -> Ground:
    ec2 = aws.client("ec2")
    (vpc,) = ec2.describe_vpcs()["Vpcs"]
    subnets = ec2.describe_subnets()["Subnets"]
    first, second, third = sorted(subnets, key=lambda item: item["AvailabilityZone"])
    (group,) = ec2.describe_security_groups()["SecurityGroups"]
    (routes,) = ec2.describe_route_tables()["RouteTables"]
    other = ec2.create_security_group(
        GroupName="other", Description="other", VpcId=vpc["VpcId"]
    )  # fmt: skip
    ids = {
        "vpc": vpc["VpcId"],
        "first": first["SubnetId"],
        "second": second["SubnetId"],
        "third": third["SubnetId"],
        "group": group["GroupId"],
        "other group": other["GroupId"],
        "routes": routes["RouteTableId"],
        "logs": "access-logs",
    }
    given = {name: Given(aws, name, value) for name, value in ids.items()}
    return Ground(
        given["vpc"],
        (given["first"], given["second"]),
        given["third"],
        given["group"],
        given["other group"],
        given["routes"],
        given["logs"],
    )


def die_after_each_write(account: Account, build: Callable[[Aws], Sequence[Resource]]) -> int:
    """Make resources by processes that each die after one write; return how many died."""
    session = account.session()
    resources = build(account.aws(session))
    return deaths_of(Killer(session), lambda: apply(plan(resources), quietly))


def deaths_of(killer: Killer, attempt: Callable[[], object]) -> int:
    """Try until it is done, each attempt dying after one write; return how many died."""
    deaths = 0
    while True:
        killer.aim(0, "after", writes_only=True)
        try:
            attempt()
        except Killed:
            deaths += 1
            assert deaths < 100, f"never done; the last one died at {killer.died_at}"
        else:
            return deaths

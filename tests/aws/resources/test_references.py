"""Values made of what another resource turns out to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aws_cloud_infra.engine.resource import Found, Ids, Live
from aws_cloud_infra.resources.references import (
    FromFact,
    FromId,
    balancer_dimension,
    resolve,
    target_dimension,
)
from tests.aws.account import Account

ELB = "arn:aws:elasticloadbalancing:eu-central-1:123456789012"


@dataclass(frozen=True, eq=False)
class Stand(Found):
    kind = "stand-in"
    permissions = ()

    def find(self) -> Live:
        return Live(self.name, {}, None)


@dataclass(frozen=True, eq=False)
class User(Stand):
    values: Any = ()


def _ids(live: Live, *resources: Stand) -> Ids:
    ids = Ids()
    for resource in resources:
        ids.know(resource, live)
    return ids


def test_cloudwatch_names_are_cut_out_of_arns(account: Account) -> None:
    balancer = Stand(account.aws(), "front")
    target = Stand(account.aws(), "tasks")

    balancers = _ids(Live(f"{ELB}:loadbalancer/app/front/50dc6c495c0c9188", {}, None), balancer)
    targets = _ids(Live(f"{ELB}:targetgroup/tasks/73e2d6bc24d8a067", {}, None), target)

    assert "app/front/50dc6c495c0c9188" == resolve(balancer_dimension(balancer), balancers)
    assert "targetgroup/tasks/73e2d6bc24d8a067" == resolve(target_dimension(target), targets)


def test_what_does_not_exist_yet_has_a_readable_stand_in(account: Account) -> None:
    host = Stand(account.aws(), "host")

    for value in (balancer_dimension(host), target_dimension(host), FromId(host)):
        assert "(stand-in host, to be made)" == resolve(value, Ids())
    assert "http://(address of stand-in host, to be made):5000" == resolve(
        FromFact(host, "address", "http://{}:5000"), Ids()
    )


def test_references_are_replaced_wherever_they_are(account: Account) -> None:
    host = Stand(account.aws(), "host")
    ids = _ids(Live("i-1", {}, None, facts={"address": "10.0.0.1"}), host)

    value = {"a": [FromId(host), ("b", {"c": FromFact(host, "address", "http://{}:5000")})], "d": 1}

    assert {"a": ["i-1", ["b", {"c": "http://10.0.0.1:5000"}]], "d": 1} == resolve(value, ids)


def test_a_reference_counts_as_a_need_wherever_it_is(account: Account) -> None:
    aws = account.aws()
    first, second, third = (Stand(aws, name) for name in ("first", "second", "third"))

    user = User(aws, "user", ({"a": [FromId(first)]}, FromFact(second, "address"), third))

    assert (first, second, third) == user.needs

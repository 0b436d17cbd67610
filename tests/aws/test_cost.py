"""What a stack costs a month."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from aws_cloud_infra.account import prices
from aws_cloud_infra.engine import cost
from aws_cloud_infra.engine.resource import Found, Live
from aws_cloud_infra.resources.data.secret import Secret
from aws_cloud_infra.resources.watching.alarm import Alarm, Metric
from aws_cloud_infra.resources.watching.log_group import LogGroup
from aws_cloud_infra.resources.watching.topic import Topic
from tests.aws.account import Account

TABLE = tomllib.loads(Path(prices.__file__).with_name("prices.toml").read_text())


@dataclass(frozen=True, eq=False)
class Thing(Found):
    counted: tuple[tuple[str, float], ...] = ()

    kind = "thing"
    permissions = ()

    @property
    def prices(self) -> tuple[tuple[str, float], ...]:
        return self.counted

    def find(self) -> Live:
        return Live(self.name, {}, None)


def _dollars(account: Account, *counted: tuple[str, float]) -> float:
    (line,) = cost.monthly([Thing(account.aws(), "one", counted)])
    return line.dollars


@pytest.mark.parametrize("entry", TABLE["units"])
def test_every_unit_of_the_table_can_be_counted(account: Account, entry: str) -> None:
    assert TABLE["units"][entry] == _dollars(account, (entry, 1))


@pytest.mark.parametrize("service", ["ec2", "rds"])
def test_every_size_of_the_table_can_be_counted_and_chosen(account: Account, service: str) -> None:
    assert tuple(TABLE[service]) == prices.sizes(service)
    for size, price in TABLE[service].items():
        assert pytest.approx(price * prices.HOURS) == _dollars(
            account, (f"{service} {size}", prices.HOURS)
        )


def test_what_one_resource_uses_is_summed(account: Account) -> None:
    always_on = (("fargate cpu hour", 0.25 * 730), ("fargate GB hour", 0.5 * 730))

    assert pytest.approx(0.25 * 730 * 0.04048 + 0.5 * 730 * 0.004445) == _dollars(
        account, *always_on
    )


def test_only_what_costs_something_is_listed_in_the_order_given(account: Account) -> None:
    aws = account.aws()
    topic = Topic(aws, "alarms", None)
    alarm = Alarm(
        aws, "slow", topic, "?", Metric("AWS/EC2", "CPUUtilization", "Average", {}), 90,
        "GreaterThanThreshold", 3, 60, "missing",
    )  # fmt: skip
    secret = Secret(aws, "key", "?", generated=True)

    lines = cost.monthly([secret, topic, LogGroup(aws, "log", 30), alarm])

    assert [
        cost.CostLine("secret key", 0.40),
        cost.CostLine("log group log", 2.50),
        cost.CostLine("alarm slow", 0.10),
    ] == lines


def test_an_entry_that_the_table_lacks_is_an_error(account: Account) -> None:
    for entry in ("gold GB", "ec2 t2.nano"):
        with pytest.raises(KeyError):
            _dollars(account, (entry, 1))


def test_it_says_whose_prices_these_are() -> None:
    assert f"list prices of us-east-1, {TABLE['date']}, in US dollars" == prices.basis()

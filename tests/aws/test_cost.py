"""What a stack costs a month."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from aws_cloud_infra.account import cron, prices
from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.settings import InfraSettings
from aws_cloud_infra.engine import cost
from aws_cloud_infra.engine.resource import Found, Live
from aws_cloud_infra.resources.data.secret import Secret
from aws_cloud_infra.resources.watching.alarm import Alarm, Metric
from aws_cloud_infra.resources.watching.log_group import LogGroup
from aws_cloud_infra.resources.watching.topic import Topic
from aws_cloud_infra.stacks import both
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


@pytest.mark.parametrize("service", ["ec2", "rds", "rds-postgres"])
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


def test_it_says_whose_prices_these_are_and_how_old() -> None:
    year, month = map(int, TABLE["date"].split("-"))
    said = f"list prices of us-east-1, {TABLE['date']}, 17 months old, in US dollars"
    assert said == prices.basis(date(year + 1, month + 5, 28))


FREE = {
    "internet gateway", "route table", "security group", "subnet", "VPC", "availability zone",
    "identity provider", "policy", "role", "instance profile", "target group", "listener",
    "ECS cluster", "container image", "task definition", "scalable target", "schedule group",
    "alarm topic", "budget", "event rule", "queue", "parameter", "database subnets",
    "database parameters", "certificate", "record", "hosted zone", "former names", "flow log",
    "host name", "function", "bucket events", "bucket file", "catalog database", "catalog table",
}  # fmt: skip
"""What AWS takes nothing for, or less than a cent a month at what is done here."""


def test_everything_that_is_billed_is_listed() -> None:
    settings = {"github_repository": "acme/forecasts", "alarm_email": "team@example.com",
                "budget_dollars": 100, "schedules_enabled": True, "region": "eu-central-1",
                "domain": "sales.example.com", "hosted_zone_id": "Z0123456789ABC",
                "delivery_layout": "departments"}  # fmt: skip
    stacks = both(Aws(InfraSettings(**settings), account="123456789012"))
    resources = {item for stack in stacks for item in stack.resources}
    listed = {line.resource for line in cost.monthly(resources)}
    unlisted = {item.kind for item in resources if str(item) not in listed}
    assert set() == unlisted - FREE, "give it prices, or say that it is free"
    billed = {str(item) for item in resources if str(item) in listed and item.kind in FREE}
    assert {"parameter /sales-forecast/production/database-ca"} == billed, "the one of 8 KB"


@pytest.mark.parametrize(
    ("expression", "runs"),
    [
        ("cron(0 6 ? * MON *)", 52.18 / 12),
        ("cron(0 6 ? * 2 *)", 52.18 / 12),
        ("cron(0 6 ? * MON-FRI *)", 5 * 52.18 / 12),
        ("cron(0 6,18 * * ? *)", 2 * 365.25 / 12),
        ("cron(0/15 8-10 * * ? *)", 12 * 365.25 / 12),
        ("cron(0 6 1 * ? *)", 1),
        ("cron(0 6 1 JAN,JUL ? *)", 2 / 12),
        ("cron(0 6 L * ? *)", 1),
        ("cron(0 6 ? * MON#1 *)", 1),
    ],
)
def test_what_runs_by_the_clock_is_counted(expression: str, runs: float) -> None:
    assert pytest.approx(runs, rel=0.01) == cron.runs_a_month(expression)


def test_jobs_cost_as_often_as_they_run() -> None:
    def schedules(**settings: Any) -> dict[str, float]:
        chosen = InfraSettings(region="eu-central-1", **settings)
        stack = both(Aws(chosen, account="123456789012"))[0]
        lines = cost.monthly(stack.own)
        return {line.resource.rsplit("-", 1)[1]: line.dollars for line in lines
                if line.resource.startswith("schedule ")}  # fmt: skip

    assert {} == schedules()
    once = schedules(schedules_enabled=True, weekly_schedule="cron(0 6 1 * ? *)")
    daily = schedules(schedules_enabled=True, weekly_schedule="cron(0 6 * * ? *)")
    hour = 2 * TABLE["units"]["fargate cpu hour"] + 4 * TABLE["units"]["fargate GB hour"]
    assert pytest.approx(hour + TABLE["units"]["public address hour"], rel=0.01) == once["weekly"]
    assert pytest.approx(365.25 / 12 * once["weekly"], rel=0.01) == daily["weekly"]
    assert 0 < once["check"] == daily["check"] < once["weekly"]

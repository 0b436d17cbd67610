"""What wakes somebody up, in both stacks as they are: when, what is done, where it is told of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.settings import InfraSettings
from aws_cloud_infra.engine.resource import Ids, Resource
from aws_cloud_infra.resources.containers.service import Service
from aws_cloud_infra.resources.watching.alarm import Alarm, Formula
from aws_cloud_infra.resources.watching.event_rule import EventRule
from aws_cloud_infra.stacks import both
from tests.aws.account import DELIVERIES

OPERATE = Path(__file__).parents[2] / "docs" / "operate.md"


def resources(**settings: object) -> Mapping[str, Resource]:
    """Return all of both stacks by what it is called."""
    aws = Aws(InfraSettings(region="eu-central-1", **settings), account="123456789012")
    return {str(item): item for stack in both(aws) for item in stack.resources}


def suffix(resource: Resource) -> str:
    return resource.name.removeprefix(f"{resource.aws.prefix}-")


def alarms(**settings: object) -> dict[str, Alarm]:
    found = resources(**settings).values()
    return {suffix(item): item for item in found if isinstance(item, Alarm)}


def test_every_alarm_and_rule_stands_in_the_book_with_what_it_means_and_what_to_do() -> None:
    told = {
        suffix(item)
        for item in resources(**DELIVERIES).values()
        if isinstance(item, Alarm) or (isinstance(item, EventRule) and item.sentence)
    }
    rows = dict(re.findall(r"^\| `…-([\w-]+)` \| (.+) \|$", OPERATE.read_text(), re.MULTILINE))
    assert told == rows.keys()
    assert all(means and do for means, do in (row.split(" | ") for row in rows.values()))


@pytest.mark.parametrize(
    ("name", "errors", "requests", "rings"),
    [
        ("5xx", 4, 4, True),
        ("5xx", 60_000, 60_000, True),
        ("5xx", 5, 60_000, False),
        ("5xx-balancer", 4, None, True),
        ("5xx-balancer", 60_000, 60_000, True),
        ("5xx-balancer", 5, 60_000, False),
    ],
)
def test_a_share_of_errors_rings_in_a_small_shop_as_in_a_large_one(
    name: str, errors: int, requests: int | None, rings: bool
) -> None:
    alarm = alarms()[name]
    assert isinstance(alarm.watched, Formula)
    given = {"errors": errors, "requests": requests}
    filled = {"FILL": lambda value, instead: instead if value is None else value}
    share = eval(alarm.watched.text, filled, given)  # noqa: S307 - it is our own
    assert set(given) == set(alarm.watched.metrics)
    assert rings == (share > alarm.threshold)
    assert 180 == alarm.periods * alarm.period_seconds
    assert ("GreaterThanThreshold", "notBreaching") == (alarm.comparison, alarm.missing)


def test_alarms_of_the_service_are_there_before_it_and_turn_a_release_back() -> None:
    (service,) = (item for item in resources().values() if isinstance(item, Service))
    told = service.desired(Ids())["deploymentConfiguration"]["alarms"]
    assert {"alarmNames": [f"{service.name}-5xx", f"{service.name}-p99"], "enable": True,
            "rollback": True} == told  # fmt: skip
    assert set(told["alarmNames"]) == {item.name for item in service.needs if type(item) is Alarm}


def test_aws_mends_the_host_by_itself_and_says_so() -> None:
    found = alarms()
    for check, action in (("system", "recover"), ("instance", "reboot")):
        topic, *_ = found[f"mlflow-{check}"].needs
        assert [topic.arn, f"arn:aws:automate:eu-central-1:ec2:{action}"] == sorted(
            [topic.arn, *found[f"mlflow-{check}"].does], reverse=True
        )


def test_storage_rings_when_a_twentieth_is_left() -> None:
    alarm = alarms(database_storage_gb=100)["database-storage"]
    assert (5 * 1024**3, "LessThanThreshold") == (alarm.threshold, alarm.comparison)


def test_only_a_database_of_a_size_that_borrows_cpu_is_asked_for_it() -> None:
    assert "database-cpu" in alarms()
    assert "database-cpu" not in alarms(database_class="db.m6g.large")

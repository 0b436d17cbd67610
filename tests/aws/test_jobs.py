"""What runs by the clock: commands that exist, as whom, and what is told of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.settings import InfraSettings
from aws_cloud_infra.engine.resource import Ids
from aws_cloud_infra.mlflow_host.start import LOGINS
from aws_cloud_infra.resources.containers.schedule import Schedule
from aws_cloud_infra.resources.containers.task_definition import TaskDefinition
from aws_cloud_infra.resources.identity.role import Role
from aws_cloud_infra.resources.watching.alarm import Alarm, Formula
from aws_cloud_infra.stacks import both
from sales_forecast.commands.monitor_arguments import parse_monitor
from sales_forecast.evaluation.error_sums import Measures
from sales_forecast.operations.cloudwatch import metrics
from sales_forecast.settings import load_settings
from tests.aws.iam import allows

ROOT = Path(__file__).parents[2]
P = "sales-forecast-production"
TOPIC = f"arn:aws:sns:eu-central-1:123456789012:{P}-alarms"
JUDGED = Measures(9, wape=0.05, bias=-0.02, wmae=1.0, skill=0.2, coverage_80=0.8, coverage_95=0.9,
                  wql=0.0)  # fmt: skip


def resources(kind: type[Any], **settings: object) -> dict[str, Any]:
    """Return what the serving stack has of a kind, by what its name ends with."""
    aws = Aws(InfraSettings(region="eu-central-1", **settings), account="123456789012")
    return {
        item.name.removeprefix(P).removeprefix("-"): item
        for item in both(aws)[0].resources
        if isinstance(item, kind)
    }


def environment(job: str, **settings: object) -> dict[str, str]:
    task = resources(TaskDefinition, **settings)[job]
    told: dict[str, str] = task.desired(Ids())["containers"]["app"]["environment"]
    return told


def test_each_schedule_starts_a_command_that_the_image_has_and_our_parser_takes() -> None:
    of_the_image = re.search(
        r"^COPY (.*monitor\.py.*) \./$", (ROOT / "Dockerfile").read_text(), re.MULTILINE
    )
    assert of_the_image
    asked = {}
    for name, schedule in resources(Schedule).items():
        python, script, *words = schedule.task.command
        assert "python" == python
        assert script in of_the_image[1].split()
        asked[name] = parse_monitor(words, "")
    assert {"weekly": "run", "check": "report"} == {
        name: arguments.command for name, arguments in asked.items()
    }
    assert asked["check"].fail_if_missed


def test_the_check_comes_after_the_weekly_job_in_the_same_week() -> None:
    found = resources(Schedule, schedules_enabled=True)
    assert {"weekly": ("cron(0 6 ? * MON *)", "ENABLED"),
            "check": ("cron(0 6 ? * TUE *)", "ENABLED")} == {
        name: (of["expression"], of["state"])
        for name, schedule in found.items() for of in [schedule.desired(Ids())]
    }  # fmt: skip


def test_the_weekly_job_has_settings_that_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    told = environment("weekly", prediction_retention_days=30)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert (TOPIC, P, 30) == (
        settings.notify_sns_topic_arn,
        settings.cloudwatch_namespace,
        settings.prediction_retention_days,
    )
    assert "eu-central-1" == told["AWS_DEFAULT_REGION"]
    assert {
        "DATABASE_SERVICE_USER", "MLFLOW_TRACKING_USERNAME", "MODEL_URI", "VAR_DIR"
    } == environment("check").keys()  # fmt: skip
    assert LOGINS.keys() >= {environment("check")["DATABASE_SERVICE_USER"]}


@pytest.mark.parametrize("kept", [True, False])
def test_the_service_keeps_answers_or_not(kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "PREDICTION_LEDGER", environment("", prediction_ledger=kept)["PREDICTION_LEDGER"]
    )
    assert kept is load_settings().prediction_ledger


@pytest.mark.parametrize(
    ("action", "resource", "context", "may"),
    [
        ("sns:Publish", TOPIC, {}, True),
        ("sns:Publish", f"{TOPIC}-else", {}, False),
        ("sns:Subscribe", TOPIC, {}, False),
        ("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": P}, True),
        ("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": f"{P}-2"}, False),
        ("cloudwatch:PutMetricData", "*", {}, False),
        ("cloudwatch:PutMetricAlarm", "*", {}, False),
    ],
)
def test_jobs_may_tell_their_topic_and_their_namespace_alone(
    action: str, resource: str, context: dict[str, str], *, may: bool
) -> None:
    roles = resources(Role)
    assert may == allows(roles["job"].statements, action, resource, context)
    assert () == roles["task"].statements, "the service may nothing"


def told() -> dict[tuple[str, ...], float]:
    """Return what the weekly job tells: name and dimensions -> value."""
    return {
        (item["MetricName"], *(of["Value"] for of in item["Dimensions"])): item["Value"]
        for item in metrics({1: JUDGED, 4: JUDGED}, failed=0)
    }


def test_alarms_are_on_what_the_weekly_job_tells() -> None:
    found = resources(Alarm)
    for name in ("worse-than-baseline", "coverage-off"):
        watched = found[name].watched
        for metric in watched.metrics.values() if isinstance(watched, Formula) else (watched,):
            assert environment("weekly")["CLOUDWATCH_NAMESPACE"] == metric.namespace
            assert (metric.name, *metric.dimensions.values()) in told()


@pytest.mark.parametrize(
    ("narrow", "wide", "rings"),
    [(0.8, 0.95, False), (0.94, 0.95, False), (0.96, 0.95, True), (0.64, 0.95, True),
     (0.8, 0.79, True), (0.8, 0.81, False)],
)  # fmt: skip
def test_intervals_that_hold_too_much_or_too_little_ring(
    narrow: float, wide: float, *, rings: bool
) -> None:
    alarm = resources(Alarm)["coverage-off"]
    words = {"MAX": max, "ABS": abs}
    off = eval(alarm.watched.text, words, {"narrow": narrow, "wide": wide})  # noqa: S307 - ours
    assert ("GreaterThanThreshold", "ignore") == (alarm.comparison, alarm.missing)
    assert rings == (off > alarm.threshold)


def test_forecasts_worse_than_the_baseline_ring_until_something_else_is_told() -> None:
    alarm = resources(Alarm)["worse-than-baseline"]
    assert ("LessThanThreshold", 0, "ignore") == (alarm.comparison, alarm.threshold, alarm.missing)

"""Dashboards on an emulated account."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cloud_infra.account.clients import Aws, as_tags
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.changes import Action
from aws_cloud_infra.engine.plan import plan
from aws_cloud_infra.engine.resource import Found, Live, Resource
from aws_cloud_infra.resources.watching.alarm import Alarm, Metric
from aws_cloud_infra.resources.watching.dashboard import Dashboard
from aws_cloud_infra.resources.watching.topic import Topic
from aws_cloud_infra.resources.watching.widgets import service_widgets
from tests.aws.account import Account
from tests.aws.lifecycle import Drift, check_life, quietly

ELB = "arn:aws:elasticloadbalancing:eu-central-1:123456789012"


@dataclass(frozen=True, eq=False)
class Stand(Found):
    id: str

    kind = "stand-in"
    permissions = ()

    def find(self) -> Live:
        return Live(self.id, {}, None)


def dashboard(aws: Aws) -> Sequence[Resource]:
    balancer = Stand(aws, "front", f"{ELB}:loadbalancer/app/front/50dc")
    target = Stand(aws, "tasks", f"{ELB}:targetgroup/tasks/73e2")
    cluster, service = Stand(aws, "cluster", "c"), Stand(aws, "service", "s")
    topic = Topic(aws, f"{aws.prefix}-alarms", None)
    alarm = Alarm(
        aws, f"{aws.prefix}-host", topic, "?",
        Metric("AWS/EC2", "StatusCheckFailed", "Maximum", {}), 1,
        "GreaterThanOrEqualToThreshold", 2, 60, "breaching",
    )  # fmt: skip
    widgets = service_widgets(balancer, target, cluster, service, [alarm])
    return [balancer, target, cluster, service, Dashboard(aws, aws.prefix, widgets)]


def tagged_dashboard(aws: Aws) -> Sequence[Resource]:
    """The same where AWS keeps the tags of dashboards, which the emulator does not."""

    def add(parsed: dict[str, Any], **_: Any) -> None:
        parsed["Tags"] = as_tags(aws.tags)

    aws._session.events.register("after-call.cloudwatch.ListTagsForResource", add)
    return dashboard(aws)


def _body(aws: Aws) -> dict[str, Any]:
    body = aws.client("cloudwatch").get_dashboard(DashboardName=aws.prefix)["DashboardBody"]
    return json.loads(body)


def _edit(change: Callable[[dict[str, Any]], Any]):
    def edit(aws: Aws, _: Live) -> None:
        body = _body(aws)
        change(body)
        aws.client("cloudwatch").put_dashboard(
            DashboardName=aws.prefix, DashboardBody=json.dumps(body)
        )

    return edit


DRIFTS = [
    Drift(Dashboard, "widgets", _edit(lambda body: body["widgets"].pop())),
    Drift(Dashboard, "widgets", _edit(lambda body: body["widgets"].reverse())),
    Drift(Dashboard, "widgets", _edit(lambda body: body["widgets"].append(
        {"type": "text", "properties": {"markdown": "hello"}}))),
    Drift(Dashboard, "widgets.1 Requests a minute", _edit(lambda body: body["widgets"][1].update(
        width=24))),
    Drift(Dashboard, "widgets.1 Requests a minute.properties.region", _edit(
        lambda body: body["widgets"][1]["properties"].update(region="us-east-1"))),
    # With the mark gone as well, it is ours by its tags.
    Drift(Dashboard, "widgets", _edit(lambda body: body["widgets"].clear())),
    Drift(Dashboard, "beside", _edit(lambda body: body.update(start="-P7D"))),
]  # fmt: skip


def test_the_dashboard_is_made_healed_and_removed(account: Account) -> None:
    check_life(account, tagged_dashboard, DRIFTS)


def test_its_widgets_are_valid_for_cloudwatch_and_do_not_overlap(account: Account) -> None:
    aws = account.aws()
    apply(plan(dashboard(aws)), quietly)

    covered: set[tuple[int, int]] = set()
    for widget in _body(aws)["widgets"]:
        assert {"type", "x", "y", "width", "height", "properties"} == set(widget)
        cells = {
            (widget["x"] + column, widget["y"] + row)
            for column in range(widget["width"])
            for row in range(widget["height"])
        }
        assert max(column for column, _ in cells) < 24
        assert not covered & cells
        covered |= cells
        properties = widget["properties"]
        required = {
            "text": {"markdown"},
            "alarm": {"title", "alarms"},
            "metric": {"title", "region", "view", "metrics", "period", "stat"},
        }
        assert required[widget["type"]] <= set(properties)
        for metric in properties.get("metrics", ()):
            *names, options = metric
            assert len(names) % 2 == 0, "namespace, metric, then pairs of dimensions"
            assert all(isinstance(name, str) for name in names)
            assert {"stat", "label"} == set(options)


def test_it_shows_the_real_resources(account: Account) -> None:
    aws = account.aws()
    apply(plan(dashboard(aws)), quietly)

    text = json.dumps(_body(aws))

    for part in (
        '"LoadBalancer", "app/front/50dc"', '"TargetGroup", "targetgroup/tasks/73e2"',
        '"ClusterName", "cluster", "ServiceName", "service"',
        f'"arn:aws:cloudwatch:eu-central-1:123456789012:alarm:{aws.prefix}-host"',
        '"p50"', '"p99"',
    ):  # fmt: skip
        assert part in text


def test_a_dashboard_without_our_mark_is_not_ours(account: Account) -> None:
    aws = account.aws()
    aws.client("cloudwatch").put_dashboard(DashboardName=aws.prefix, DashboardBody="{}")

    *_, change = plan(dashboard(aws))

    assert Action.REFUSE == change.action


def test_one_of_another_region_is_not_ours_either(account: Account) -> None:
    """Dashboards are shared by all regions of an account, also by those of the emulator."""
    there = account.aws(region="us-east-1")
    apply(plan(dashboard(there)), quietly)

    here = account.aws()
    here.client("cloudwatch").put_dashboard(
        DashboardName=here.prefix, DashboardBody=json.dumps(_body(there))
    )

    assert Action.REFUSE == plan(dashboard(here))[-1].action

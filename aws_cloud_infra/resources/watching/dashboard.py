"""What one looks at: widgets in rows.

A dashboard belongs to all regions of an account, so its mark of ownership names the region.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aws_cloud_infra.account.clients import as_tags, from_tags, read, remove
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings
from aws_cloud_infra.resources.references import resolve
from aws_cloud_infra.resources.watching.widgets import Widget

_COLUMNS = 24
_WIDTH, _HEIGHT = 8, 6
_MARK_HEIGHT = 1


@dataclass(frozen=True, eq=False)
class Dashboard(Resource):
    """A dashboard: the widgets in rows, below a line of text that says whose it is."""

    widgets: tuple[Widget, ...]

    kind = "dashboard"
    permissions = (
        Permission(
            ("cloudwatch:GetDashboard", "cloudwatch:ListTagsForResource",
             "cloudwatch:PutDashboard", "cloudwatch:TagResource", "cloudwatch:DeleteDashboards"),
            ("arn:{partition}:cloudwatch::{account}:dashboard/{name}",),
        ),
    )  # fmt: skip

    @property
    def arn(self) -> str:
        """Known before it exists."""
        return self.aws.arn("cloudwatch", f"dashboard/{self.name}", region="")

    @property
    def _mark(self) -> str:
        return f"managed by sales-forecasting: {self.aws.prefix} in {self.aws.region}"

    @property
    def prices(self) -> tuple[tuple[str, float], ...]:
        """One; the first three of an account are free."""
        return (("dashboard", 1),)

    def desired(self, ids: Ids) -> Settings:
        """Every widget is a setting of its own; beside them the body has nothing."""
        mark = {"type": "text", "properties": {"markdown": self._mark}}
        placed = [
            {**mark, "x": 0, "y": 0, "width": _COLUMNS, "height": _MARK_HEIGHT},
            *_in_rows(self.widgets),
        ]
        return {"widgets": _named(resolve(placed, ids)), "beside": {}}

    def find(self) -> Live | None:
        """Find it by its name; ours is what has our mark, or our tags."""
        cloudwatch = self.aws.client("cloudwatch")
        answer = read(cloudwatch.get_dashboard, DashboardName=self.name)
        if answer is None:
            return None
        body = json.loads(answer["DashboardBody"])
        widgets = body.pop("widgets", [])
        marks = [widget.get("properties", {}).get("markdown") for widget in widgets]
        tags = None
        if self._mark not in marks:
            tags = from_tags(cloudwatch.list_tags_for_resource(ResourceARN=self.arn)["Tags"])
        return Live(self.arn, {"widgets": _named(widgets), "beside": body}, tags)

    def create(self, desired: Settings) -> None:
        """Make it whole: dashboards are written in one piece."""
        self._put(desired, Tags=as_tags(self.aws.tags))

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Write it whole."""
        self._put(desired)

    def _put(self, desired: Settings, **more: Any) -> None:
        body = {**desired["beside"], "widgets": list(desired["widgets"].values())}
        self.aws.client("cloudwatch").put_dashboard(
            DashboardName=self.name, DashboardBody=json.dumps(body), **more
        )

    def delete(self, live: Live) -> None:
        """Delete it."""
        remove(self.aws.client("cloudwatch").delete_dashboards, DashboardNames=[self.name])


def _in_rows(widgets: Iterable[Widget]) -> list[dict[str, Any]]:
    columns = _COLUMNS // _WIDTH
    return [
        {
            **widget,
            "x": index % columns * _WIDTH,
            "y": _MARK_HEIGHT + index // columns * _HEIGHT,
            "width": _WIDTH,
            "height": _HEIGHT,
        }
        for index, widget in enumerate(widgets)
    ]


def _named(widgets: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return widgets by their number and title, so that a plan can say which one differs."""
    named = {}
    for index, widget in enumerate(widgets):
        properties = widget.get("properties", {})
        title = properties.get("title") or properties.get("markdown", "").partition(":")[0]
        named[f"{index} {title}"] = widget
    return named

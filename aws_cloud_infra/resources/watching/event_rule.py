"""What is told when something happens: events of AWS that fit a pattern, to a topic or a function.

Takes a pattern, and for a topic the sentence. Asks AWS for nothing by the clock: a schedule does
that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aws_cloud_infra.account.clients import as_tags, from_tags, read, remove
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings


@dataclass(frozen=True, eq=False)
class EventRule(Resource):
    """A rule on the events of this account's own services."""

    target: Resource
    """A topic, or a function that lets this rule call it."""
    purpose: str
    pattern: Mapping[str, Any]
    """In EventBridge's own language."""
    told: Mapping[str, str] = field(default_factory=dict)
    """Names to paths into the event."""
    sentence: str = ""
    """What a topic gets, with such names in <>; what an event lacks is left out."""

    kind = "event rule"
    permissions = (
        Permission(
            ("events:DescribeRule", "events:ListTagsForResource", "events:ListTargetsByRule",
             "events:PutRule", "events:TagResource", "events:PutTargets", "events:RemoveTargets",
             "events:DeleteRule"),
            ("arn:{partition}:events:{region}:{account}:rule/{name}",),
        ),
    )  # fmt: skip

    def desired(self, ids: Ids) -> Settings:
        """What it looks for and whom it tells."""
        told = {
            "InputTransformer": {
                "InputPathsMap": dict(self.told),
                "InputTemplate": json.dumps(self.sentence),
            }
        }
        return {
            "purpose": self.purpose,
            "state": "ENABLED",
            "pattern": dict(self.pattern),
            "schedule": None,
            "targets": {
                "topic" if self.sentence else "function": {
                    "Arn": ids[self.target],
                    **(told if self.sentence else {}),
                }
            },
        }

    def find(self) -> Live | None:
        """Find it by its name."""
        events = self.aws.client("events")
        rule = read(events.describe_rule, Name=self.name)
        tags = rule and read(events.list_tags_for_resource, ResourceARN=rule["Arn"])
        targets = tags and read(events.list_targets_by_rule, Rule=self.name)
        if not targets:
            return None
        return Live(
            rule["Arn"],
            {
                "purpose": rule.get("Description", ""),
                "state": rule["State"],
                "pattern": json.loads(rule.get("EventPattern") or "{}"),
                "schedule": rule.get("ScheduleExpression") or None,
                "targets": {item.pop("Id"): item for item in targets["Targets"]},
            },
            from_tags(tags["Tags"]),
        )

    def create(self, desired: Settings) -> None:
        """Make it; it tells nobody yet."""
        self._put(desired, Tags=as_tags(self.aws.tags))

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Write the rule whole, then whom it tells."""
        events = self.aws.client("events")
        if changed - {"targets"}:
            self._put(desired)
        if "targets" in changed:
            others = sorted(live.settings["targets"].keys() - desired["targets"].keys())
            if others:
                events.remove_targets(Rule=self.name, Ids=others)
            events.put_targets(
                Rule=self.name,
                Targets=[{"Id": name, **item} for name, item in desired["targets"].items()],
            )

    def _put(self, desired: Settings, **more: Any) -> None:
        self.aws.client("events").put_rule(
            Name=self.name,
            Description=desired["purpose"],
            State=desired["state"],
            EventPattern=json.dumps(desired["pattern"]),
            **more,
        )

    def delete(self, live: Live) -> None:
        """Delete it; AWS wants its targets gone first."""
        events = self.aws.client("events")
        targets = sorted(live.settings["targets"])
        if targets:
            remove(events.remove_targets, Rule=self.name, Ids=targets)
        remove(events.delete_rule, Name=self.name)

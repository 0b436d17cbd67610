"""What is shown of changes: lines for people, mappings for programs. Prints nothing itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from aws_cloud_infra.engine.changes import Action, Change
from aws_cloud_infra.engine.resource import Within

_SIGNS = {
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.DELETE: "-",
    Action.REFUSE: "!",
    Action.LEAVE: "=",
}
STATES = {
    Action.CREATE: "missing",
    Action.UPDATE: "differs",
    Action.KEEP: "as it should be",
    Action.REFUSE: "refused",
    Action.LEAVE: "differs",
    Action.DELETE: "retired",
}
_WIDEST = 120


def lines(change: Change) -> Iterator[str]:
    """Yield what to show of a change; nothing for what stays as it is without a reason."""
    if change.action is Action.KEEP:
        if change.reason:
            yield f"  = {change.resource}: stays, {change.reason}"
        return
    yield f"  {_SIGNS[change.action]} {change.resource}"
    if change.action is Action.CREATE:
        for name, value in change.desired.items():
            yield f"        {name}: {_brief(value)}"
        return
    for item in change.differences:
        yield f"        {item.setting}: {_brief(item.old)} -> {_brief(item.new)}"


def as_json(change: Change) -> dict[str, Any]:
    """Return a change as programs read it, whole."""
    return {
        "kind": change.resource.kind,
        "name": change.resource.name,
        "action": change.action,
        "id": change.live.id if change.live else None,
        "differences": [
            {"setting": item.setting, "old": item.old, "new": item.new}
            for item in change.differences
        ],
        "reason": change.reason,
    }


def _brief(value: Any) -> str:
    """Return a value on one line; what is too long is in the JSON."""
    if value is None or value == "":
        return "none"
    text = str(value) if isinstance(value, str | Within) else json.dumps(value, default=str)
    return text if len(text) <= _WIDEST else f"{text[:_WIDEST]}..."

"""How it stands with a service, read out of what ECS says of it.

Takes the description of a service, gives words and sentences. Calls nothing of AWS itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from aws_cloud_infra.account.patience import pause

_EVENTS = 3
_SECONDS_TO_SETTLE, _SECONDS_BETWEEN_LOOKS = 1200.0, 5.0


def primary(service: Mapping[str, Any]) -> dict[str, Any]:
    """Return the deployment that ECS works towards."""
    return next(
        (item for item in service.get("deployments", ()) if item["status"] == "PRIMARY"), {}
    )


def settled(look: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """Look until ECS has made up its mind, for twenty minutes; return the deployment that stays.

    Where a service has alarms, ECS waits for them to stay silent after its tasks are healthy.
    """
    deadline = time.monotonic() + _SECONDS_TO_SETTLE
    while (latest := primary(look())).get("rolloutState") == "IN_PROGRESS":
        if time.monotonic() > deadline:
            return {}
        pause(_SECONDS_BETWEEN_LOOKS, "ECS watches the alarms")
    return latest


def rollout(service: Mapping[str, Any]) -> str:
    """Return IN_PROGRESS or FAILED where tasks are wanted and that is how it stands; else ""."""
    state = primary(service).get("rolloutState", "")
    return state if service["desiredCount"] and state in {"IN_PROGRESS", "FAILED"} else ""


def said(service: Mapping[str, Any]) -> str:
    """Return what ECS says about its latest deployment."""
    reason = primary(service).get("rolloutStateReason")
    events = [event["message"] for event in service.get("events", ())[:_EVENTS]]
    return " ".join(["ECS says, newest first:", *events, *([reason] if reason else [])])


def notes(service: Mapping[str, Any]) -> tuple[str, ...]:
    """Return how many tasks run, and which deployments failed."""
    wanted = service["desiredCount"]
    count = f"runs {service['runningCount']} of {wanted} tasks"
    failed = (
        f"a deployment failed: {item.get('rolloutStateReason', 'ECS does not say why')}"
        for item in service.get("deployments", ())
        if item.get("rolloutState") == "FAILED"
    )
    return count if wanted else "no tasks: none are wanted until an image is pushed", *failed

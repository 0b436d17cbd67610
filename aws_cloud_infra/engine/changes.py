"""What is to be done with resources, as data: a plan is a list of changes.

Takes the settings that are wanted and those that are there, gives the differences between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from aws_cloud_infra.engine.resource import Live, Resource, Settings


class Action(StrEnum):
    """What is to be done with a resource."""

    CREATE = "create"
    UPDATE = "update"
    KEEP = "keep"
    DELETE = "delete"
    REFUSE = "refuse"
    LEAVE = "leave to a person"


@dataclass(frozen=True)
class Difference:
    """One setting that is not as it should be; `old` is None where it is not there."""

    setting: str
    old: Any
    new: Any


@dataclass(frozen=True)
class Change:
    """What is to be done with one resource, and why."""

    resource: Resource
    action: Action
    live: Live | None
    differences: tuple[Difference, ...] = ()
    reason: str = ""
    desired: Settings = field(default_factory=dict)


class Report:
    """Hears how changes go along. This one keeps it to itself."""

    def begins(self, change: Change) -> None:
        """Hear that a change begins."""

    def waits(self, change: Change, why: str) -> None:
        """Hear that AWS has not settled yet what it needs."""

    def done(self, change: Change, seconds: float) -> None:
        """Hear that it is done."""


def differences(desired: Settings, live: Settings) -> tuple[Difference, ...]:
    """Compare setting by setting; a setting on either side alone differs, too."""
    wanted, found = dict(_flat(desired)), dict(_flat(live))
    return tuple(
        Difference(name, found.get(name), wanted.get(name))
        for name in sorted(wanted.keys() | found.keys())
        if wanted.get(name) != found.get(name)
    )


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value

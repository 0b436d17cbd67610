"""Resources that are planned, applied and destroyed together, in the order that they need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from aws_cloud_infra.engine.resource import Live, Resource


class Part(NamedTuple):
    """A part of a stack: what it is made of, and what else it may have been made of before."""

    made: tuple[Resource, ...]
    retired: tuple[Resource, ...]

    @classmethod
    def of(cls, made: Iterable[Resource], ever: Iterable[Resource]) -> Part:
        """Return what is made of `made`, and of `ever` in earlier releases or by other settings."""
        kept = dict.fromkeys(made)
        return cls(tuple(kept), tuple(item for item in dict.fromkeys(ever) if item not in kept))


@dataclass(frozen=True)
class Stack:
    """Resources by what they are for. The shared ones are needed by another stack as well."""

    name: str
    shared: tuple[Resource, ...]
    own: tuple[Resource, ...]
    outputs: Callable[[Mapping[Resource, Live]], dict[str, str]] = lambda _: {}
    retired: tuple[Resource, ...] = ()
    """What earlier releases or other settings made: `apply` and `destroy` delete it."""
    rights: tuple[Mapping[str, Any], ...] = ()
    """Statements for who works with it, beside those for who makes it."""
    answers: Callable[[Mapping[Resource, Live], Callable[[str], None]], None] = lambda *_: None
    """Returns when what was made does what it is for, and says meanwhile why it does not yet."""

    @property
    def resources(self) -> tuple[Resource, ...]:
        """All of them, what is needed before what needs it."""
        return tuple(in_order((*self.shared, *self.own)))


def in_order(resources: Iterable[Resource]) -> list[Resource]:
    """Return resources with what is needed before what needs it, else as they come."""
    given = {resource: resource for resource in resources}
    ordered: dict[Resource, None] = {}

    def add(resource: Resource) -> None:
        for needed in resource.needs:
            if needed in given and needed not in ordered:
                add(given[needed])
        ordered.setdefault(resource)

    for resource in given:
        add(resource)
    return list(ordered)

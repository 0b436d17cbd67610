"""What every AWS resource here is: found by name or tag, compared as plain settings, written.

A class takes an `Aws` and other resources (its fields), and must not read anything but by its
own name or tag: so an empty account can be planned in one pass. `find` only reads; `create`
makes the bare, tagged thing in one call and waits with AWS's own waiter; `configure` changes
what can change and may be repeated; `delete` counts as done what is already gone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from aws_cloud_infra.account.clients import Aws

Settings = dict[str, Any]
"""Setting names to values: text, numbers, booleans, lists, and mappings of these."""


@dataclass(frozen=True)
class Live:
    """What AWS has. `settings` has the form of `desired`, so that equal means nothing to do."""

    id: str
    """What other resources refer to: an ARN, an id, or a name."""
    settings: Settings
    tags: Mapping[str, str] | None
    """None where the kind has none of its own: it then belongs to a tagged parent."""
    notes: tuple[str, ...] = ()
    """What `status` should say about it, in sentences."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What AWS decided and others want to know, such as an address."""


@dataclass(frozen=True)
class Permission:
    """IAM actions and what they may touch: ARN patterns with {region}, {account}, {prefix}...

    A pattern with {role} stands for one a role that the resource needs.
    """

    actions: tuple[str, ...]
    resources: tuple[str, ...] = ("*",)
    condition: Mapping[str, Mapping[str, str | tuple[str, ...]]] | None = field(
        default=None, hash=False
    )


OURS, TO_BE_OURS = (
    {"StringEquals": {f"aws:{of}Tag/Project": "{project}",
                      f"aws:{of}Tag/Environment": "{environment}"}}
    for of in ("Resource", "Request")
)  # fmt: skip
"""Conditions of a permission: what it touches carries our tags, or is given them."""


@dataclass(frozen=True)
class Within:
    """A setting that something else moves, between two bounds: any number of these is right."""

    low: int
    high: int

    def __eq__(self, other: object) -> bool:
        if isinstance(other, int):
            return self.low <= other <= self.high
        return isinstance(other, Within) and (self.low, self.high) == (other.low, other.high)

    def __hash__(self) -> int:
        raise TypeError("equal to several numbers, so it has no hash")

    def __str__(self) -> str:
        return str(self.low) if self.low == self.high else f"{self.low} to {self.high}"


class Ids:
    """What is known so far of each resource; a readable stand-in for what does not exist yet."""

    def __init__(self) -> None:
        self._known: dict[Resource, Live] = {}

    def know(self, resource: Resource, live: Live) -> None:
        """Remember a resource."""
        self._known[resource] = live

    def __getitem__(self, resource: Resource) -> str:
        live = self._known.get(resource)
        return live.id if live else f"({resource}, to be made)"

    def fact(self, resource: Resource, name: str) -> str:
        """Return one of the facts of a resource."""
        live = self._known.get(resource)
        return live.facts[name] if live else f"({name} of {resource}, to be made)"


@dataclass(frozen=True, eq=False)
class Resource(ABC):
    """One thing on AWS. Its fields that are resources are what it needs to exist before it."""

    aws: Aws
    name: str

    kind: ClassVar[str]
    """As people call it: "load balancer"."""
    permissions: ClassVar[tuple[Permission, ...]]
    """What the verbs need for this kind, and no more."""
    protected: ClassVar[bool] = False
    """Whether it holds data, which `destroy` spares unless told otherwise."""
    guarded: ClassVar[bool] = False
    """Whether the pipeline may only look at it, as it gives rights or holds data."""
    renewed: ClassVar[bool] = False
    """Whether every change gives it another id."""
    only_found: ClassVar[bool] = False
    """Whether it is never made here, only looked up."""
    fixed: ClassVar[frozenset[str]] = frozenset()
    """Settings that AWS fixes at creation."""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    def __eq__(self, other: object) -> bool:
        """Two that describe the same thing are equal, however each stack describes it."""
        return isinstance(other, Resource) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    @property
    def needs(self) -> tuple[Resource, ...]:
        """The resources among the fields, also those inside of tuples and mappings."""
        return tuple(_resources(getattr(self, item.name) for item in fields(self)))

    @property
    def prices(self) -> tuple[tuple[str, float], ...]:
        """What it costs a month: (entry of the price table, units a month)."""
        return ()

    @property
    def caution(self) -> str:
        """What a person must agree to before it is made; "" if nothing."""
        return ""

    @abstractmethod
    def desired(self, ids: Ids) -> Settings:
        """Return every setting that is ours to decide; references by id."""

    @abstractmethod
    def find(self) -> Live | None:
        """Return what there is of this name, whoever made it. Only reads."""

    @abstractmethod
    def create(self, desired: Settings) -> None:
        """Make it, with our tags in the same call; return when it can be used."""

    @abstractmethod
    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Write the settings named in `changed` (top-level names)."""

    @abstractmethod
    def delete(self, live: Live) -> None:
        """Delete it; return when it is gone."""

    def is_ours(self, live: Live) -> bool:
        """Return whether it carries our tags; of one without any see `stands_in_ours`."""
        return live.tags is None or self.aws.owns(live.tags)

    def not_ours(self, live: Live) -> str:
        """Return why what is there of this name may not be touched, and what to do."""
        missing = dict(self.aws.tags.items() - (live.tags or {}).items())
        return (
            f"{self} ({live.id}) is not ours: it lacks the tags {missing}. Give the project or "
            "environment another name, or tag it so if it may be changed."
        )

    def former(self, live: Live) -> tuple[Resource, ...]:
        """Return what earlier settings made under names that only AWS knows any more."""
        return ()

    def spared(self, live: Live) -> str:
        """Return why `destroy` must leave it; "" if it need not."""
        return ""


@dataclass(frozen=True, eq=False)
class Found(Resource):
    """Something that is never made here. Its `find` always finds, or raises what to do."""

    only_found: ClassVar[bool] = True

    def desired(self, ids: Ids) -> Settings:
        """Nothing of it is ours to decide."""
        return {}

    def create(self, desired: Settings) -> None:
        """Never called: `find` does not return None."""
        raise NotImplementedError(str(self))

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Never called: nothing of it is desired."""
        raise NotImplementedError(str(self))

    def delete(self, live: Live) -> None:
        """Never called: `destroy` leaves what was only found."""
        raise NotImplementedError(str(self))


def former(resources: Iterable[Resource], found: Mapping[Resource, Live | None]) -> list[Resource]:
    """Return all that earlier settings made in the place of resources, as AWS tells."""
    return [
        item
        for resource in resources
        if (live := found[resource])
        for item in resource.former(live)
    ]


def stands_in_ours(resource: Resource, found: Mapping[Resource, Live | None]) -> bool:
    """Return whether it is ours; what has no tags is, if all that it needs and that is there is.

    So a table that somebody else has in a database of his is none of ours, whatever its name.
    """
    live = found.get(resource)
    if live is None or resource.only_found:
        return True
    return resource.is_ours(live) and (
        live.tags is not None or all(stands_in_ours(needed, found) for needed in resource.needs)
    )


def _resources(values: Any) -> Iterator[Resource]:
    for value in values:
        if isinstance(value, Resource):
            yield value
        elif isinstance(value, tuple | list):
            yield from _resources(value)
        elif isinstance(value, Mapping):
            yield from _resources(value.values())

"""Plan, apply and destroy: three small verbs over a list of resources.

`plan` reads and compares and may not write; `apply` is the only one that creates and changes;
`plan_destroy` and `destroy` go the other way. There is no state file: AWS is the state, so a run
that died anywhere is healed by the next. Must not know any kind of resource by name.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from enum import StrEnum
from graphlib import TopologicalSorter
from typing import Any, TypeVar

from aws_cloud_infra import policy
from aws_cloud_infra.errors import AWS_ERRORS, AwsRefused, CannotChange, NotOurs, translate
from aws_cloud_infra.resource import Ids, Live, Resource, Settings

SIDE_BY_SIDE = 8
"""How many resources are read or written at a time."""
_SECONDS_TO_APPEAR = 60


class Action(StrEnum):
    """What is to be done with a resource."""

    CREATE = "create"
    UPDATE = "update"
    KEEP = "keep"
    DELETE = "delete"
    REFUSE = "refuse"


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


@dataclass(frozen=True)
class Stack:
    """Resources by what they are for. The shared ones are needed by another stack as well."""

    name: str
    shared: tuple[Resource, ...]
    own: tuple[Resource, ...]
    outputs: Callable[[Mapping[Resource, Live]], dict[str, str]] = lambda _: {}

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


_Result = TypeVar("_Result")

Report = Callable[[Change, float | None], None]
"""Called with None when a change begins, and with its seconds when it is done."""


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


def find_all(resources: Sequence[Resource]) -> dict[Resource, Live | None]:
    """Read what there is of each."""
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return dict(zip(resources, pool.map(_guarded(_find), resources), strict=True))


def _find(resource: Resource) -> Live | None:
    return resource.find()


def plan(resources: Sequence[Resource]) -> list[Change]:
    """Return what is to be done with each resource, in creation order. Reads only."""
    found = find_all(resources)
    ids = Ids()
    changes = []
    for resource in in_order(resources):
        live = found[resource]
        change = _compare(resource, live, resource.desired(ids))
        changes.append(change)
        if live and not (change.action is Action.UPDATE and resource.renewed):
            ids.know(resource, live)
    return changes


def _compare(resource: Resource, live: Live | None, desired: Settings) -> Change:
    if live is None:
        return Change(resource, Action.CREATE, None, differences(desired, {}), desired=desired)
    if live.tags is not None and not _is_ours(resource, live):
        missing = dict(resource.aws.tags.items() - live.tags.items())
        return Change(
            resource, Action.REFUSE, live, (),
            f"{resource} ({live.id}) is not ours: it lacks the tags {missing}. Give the project "
            "or environment another name, or tag it so if it may be changed.",
        )  # fmt: skip
    changed = differences(desired, live.settings)
    stuck = [item for item in changed if item.setting.split(".")[0] in resource.fixed]
    if stuck:
        said = "; ".join(f"{item.setting} is {item.old}, not {item.new}" for item in stuck)
        return Change(
            resource, Action.REFUSE, live, changed,
            f"{resource} ({live.id}) cannot be changed in place: {said}. Put the setting back, or "
            "destroy it (and what needs it) first.",
        )  # fmt: skip
    return Change(resource, Action.UPDATE if changed else Action.KEEP, live, changed)


def refuse_what_is_refused(changes: Iterable[Change]) -> None:
    """Raise NotOurs or CannotChange, with every reason, if a change is refused."""
    refused = [change for change in changes if change.action is Action.REFUSE]
    if refused:
        kind = CannotChange if any(change.differences for change in refused) else NotOurs
        raise kind("\n".join(change.reason for change in refused))


def apply(changes: Sequence[Change], report: Report) -> dict[Resource, Live]:
    """Carry a plan out, independent resources side by side; return what there is then.

    Raises before anything is written if a change is refused. If AWS refuses something midway,
    what is under way is finished and the first refusal raised; applying again goes on from there.
    """
    refuse_what_is_refused(changes)
    by_resource = {change.resource: change for change in changes}
    ids = Ids()
    lives: dict[Resource, Live] = {}

    def carry_out(resource: Resource) -> None:
        change = by_resource[resource]
        busy = change.action is not Action.KEEP
        started = time.monotonic()
        if busy:
            report(change, None)
        lives[resource] = _bring_about(resource, change.live, resource.desired(ids))
        ids.know(resource, lives[resource])
        if busy:
            report(change, time.monotonic() - started)

    _run({item: set(item.needs) & by_resource.keys() for item in by_resource}, carry_out)
    return lives


def _bring_about(resource: Resource, live: Live | None, desired: Settings) -> Live:
    if live is None:
        resource.create(desired)
        live = _appeared(resource)
    changed = differences(desired, live.settings)
    if changed:
        resource.configure(live, desired, {item.setting.split(".")[0] for item in changed})
        live = _appeared(resource)
    return live


def _appeared(resource: Resource) -> Live:
    """Return what was just written; AWS may take a moment to show it."""
    deadline = time.monotonic() + _SECONDS_TO_APPEAR
    pause = 0.2
    while (live := resource.find()) is None:
        if time.monotonic() > deadline:
            raise AwsRefused(
                f"{resource} was created, but AWS does not show it after {_SECONDS_TO_APPEAR} s. "
                "Run it again."
            )
        time.sleep(pause)
        pause *= 2
    return live


def plan_destroy(stack: Stack, other: Stack, *, include_data: bool) -> list[Change]:
    """Return what is to be deleted of a stack, last made first. Reads only.

    Shared things stay as long as the other stack is there, or data that was spared needs them;
    data stays unless it is included; what is not ours is not touched.
    """
    found = find_all(tuple(dict.fromkeys((*stack.resources, *other.own))))
    reasons: dict[Resource, str] = {}
    for resource in other.own:
        if found[resource] and resource.protected:
            _keep(resource, f"data of the {other.name} stack needs it", reasons)
    if any(
        _is_alive(resource, found[resource]) for resource in other.own if resource not in reasons
    ):
        for resource in stack.shared:
            reasons[resource] = f"the {other.name} stack uses it"
    for resource in stack.resources:
        live = found[resource]
        if live and not _is_ours(resource, live):
            reasons[resource] = "it is not ours"
        elif live and resource.protected and not include_data:
            _keep(resource, "it holds data, or data needs it: --include-data", reasons)
        elif live and (reason := resource.spared(live)):
            reasons[resource] = reason
    return [
        Change(resource, Action.KEEP if resource in reasons else Action.DELETE, live,
               reason=reasons.get(resource, ""))
        for resource in reversed(stack.resources)
        if (live := found[resource]) and not resource.only_found
    ]  # fmt: skip


def _is_ours(resource: Resource, live: Live) -> bool:
    return live.tags is None or resource.aws.owns(live.tags)


def _is_alive(resource: Resource, live: Live | None) -> bool:
    """Return whether it is there, ours, and would be deleted with its stack."""
    if live is None or resource.only_found:
        return False
    return _is_ours(resource, live) and not resource.spared(live)


def _keep(resource: Resource, reason: str, reasons: dict[Resource, str]) -> None:
    if resource not in reasons:
        reasons[resource] = reason
        for needed in resource.needs:
            _keep(needed, reason, reasons)


def destroy(changes: Sequence[Change], report: Report) -> None:
    """Delete what the plan says, nothing before what needs it is gone."""
    going = {change.resource: change for change in changes if change.action is Action.DELETE}
    waits_for: dict[Resource, set[Resource]] = {resource: set() for resource in going}
    for resource in going:
        for needed in _all_needs(resource):
            if needed in waits_for:
                waits_for[needed].add(resource)

    def carry_out(resource: Resource) -> None:
        change = going[resource]
        started = time.monotonic()
        report(change, None)
        if change.live:
            resource.delete(change.live)
        report(change, time.monotonic() - started)

    _run(waits_for, carry_out)


def _all_needs(resource: Resource) -> Iterator[Resource]:
    for needed in resource.needs:
        yield needed
        yield from _all_needs(needed)


def _run(waits_for: Mapping[Resource, set[Resource]], do: Callable[[Resource], None]) -> None:
    """Call `do` once for each resource as soon as it waits for nothing; raise the first error."""
    order = TopologicalSorter(waits_for)
    order.prepare()
    running: dict[Future[None], Resource] = {}
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        while order.is_active():
            for resource in order.get_ready():
                running[pool.submit(_guarded(do), resource)] = resource
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()
                order.done(running.pop(future))


def _guarded(do: Callable[[Resource], _Result]) -> Callable[[Resource], _Result]:
    """Say which resource it was when AWS refuses something."""

    def guarded(resource: Resource) -> _Result:
        try:
            return do(resource)
        except AWS_ERRORS as error:
            raise translate(
                error, str(resource), lambda call: policy.allowing(resource, call)
            ) from error

    return guarded

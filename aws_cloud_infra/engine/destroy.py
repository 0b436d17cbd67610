"""A stack taken away: first what is to go and what stays, then the deleting itself.

Takes both stacks, as one may need what the other made. Deletes nothing that is not ours.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from aws_cloud_infra.account.patience import patience
from aws_cloud_infra.engine.changes import Action, Change, Report
from aws_cloud_infra.engine.lost_answers import going_on
from aws_cloud_infra.engine.resource import Live, Resource, former, stands_in_ours
from aws_cloud_infra.engine.side_by_side import find_all, run
from aws_cloud_infra.engine.stack import Stack


def plan_destroy(stack: Stack, other: Stack, *, include_data: bool) -> list[Change]:
    """Return what is to be deleted of a stack, last made first. Reads only.

    Shared things stay as long as the other stack is there, or data that was spared needs them;
    data stays unless it is included; what is not ours is not touched.
    """
    every = (*stack.resources, *stack.retired)
    found = find_all(tuple(dict.fromkeys((*every, *other.own))))
    more = former(stack.resources, found)
    every += tuple(more)
    found |= find_all(more)
    reasons: dict[Resource, str] = {}
    for resource in other.own:
        if found[resource] and resource.protected:
            _keep(resource, f"data of the {other.name} stack needs it", reasons)
    if any(
        _is_alive(resource, found[resource]) for resource in other.own if resource not in reasons
    ):
        for resource in stack.shared:
            reasons[resource] = f"the {other.name} stack uses it"
    for resource in every:
        live = found[resource]
        if live and not stands_in_ours(resource, found):
            reasons[resource] = "it is not ours"
        elif live and resource.protected and not include_data:
            _keep(resource, "it holds data, or data needs it: --include-data", reasons)
        elif live and (reason := resource.spared(live)):
            reasons[resource] = reason
    return [
        Change(resource, Action.KEEP if resource in reasons else Action.DELETE, live,
               reason=reasons.get(resource, ""))
        for resource in reversed(every)
        if (live := found[resource]) and not resource.only_found
    ]  # fmt: skip


def _is_alive(resource: Resource, live: Live | None) -> bool:
    """Return whether it is there, ours, and would be deleted with its stack."""
    if live is None or resource.only_found:
        return False
    return resource.is_ours(live) and not resource.spared(live)


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
        report.begins(change)
        with patience(0, lambda why: report.waits(change, why)):
            going_on(resource, change.live, lambda live: live and resource.delete(live))
        report.done(change, time.monotonic() - started)

    run(waits_for, carry_out)


def _all_needs(resource: Resource) -> Iterator[Resource]:
    for needed in resource.needs:
        yield needed
        yield from _all_needs(needed)

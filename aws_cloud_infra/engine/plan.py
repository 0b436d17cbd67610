"""What would make resources as they should be. Reads and compares, and may not write."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aws_cloud_infra.account.errors import CannotChange, ForAPerson, NotOurs
from aws_cloud_infra.engine.changes import Action, Change, differences
from aws_cloud_infra.engine.resource import Ids, Live, Resource, Settings, former, stands_in_ours
from aws_cloud_infra.engine.side_by_side import find_all
from aws_cloud_infra.engine.stack import Stack, in_order


def plan_stack(stack: Stack) -> list[Change]:
    """Return what is to be done with a stack, what it has retired last. Reads only.

    To delete is a person's, so the pipeline does not look for what is retired.
    """
    changes = plan(stack.resources)
    found = {change.resource: change.live for change in changes}
    retired = (*stack.retired, *former(stack.resources, found))
    if not retired or retired[0].aws.is_pipeline:
        return changes
    found |= find_all(retired)
    return [*changes, *(
        Change(item, Action.DELETE, live)
        for item in retired
        if (live := found[item]) and stands_in_ours(item, found)
        and not item.protected and not item.spared(live)
    )]  # fmt: skip


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
    if live is None and _is_left_to_a_person(resource):
        return Change(
            resource, Action.REFUSE, live, (),
            f"{resource} is missing, and the pipeline may not make it: run this with your own "
            "login.",
        )  # fmt: skip
    if live is None:
        return Change(resource, Action.CREATE, None, differences(desired, {}), desired=desired)
    if live.tags is not None and not resource.is_ours(live):
        return Change(resource, Action.REFUSE, live, (), resource.not_ours(live))
    changed = differences(desired, live.settings)
    stuck = [item for item in changed if item.setting.split(".")[0] in resource.fixed]
    if stuck:
        said = "; ".join(f"{item.setting} is {item.old}, not {item.new}" for item in stuck)
        return Change(
            resource, Action.REFUSE, live, changed,
            f"{resource} ({live.id}) cannot be changed in place: {said}. Put the setting back, or "
            "destroy it (and what needs it) first.",
        )  # fmt: skip
    if changed and _is_left_to_a_person(resource):
        return Change(resource, Action.LEAVE, live, changed)
    return Change(resource, Action.UPDATE if changed else Action.KEEP, live, changed)


def _is_left_to_a_person(resource: Resource) -> bool:
    return resource.guarded and resource.aws.is_pipeline


def refuse_what_is_refused(changes: Iterable[Change]) -> None:
    """Raise NotOurs, CannotChange or ForAPerson, with every reason, if a change is refused."""
    refused = [change for change in changes if change.action is Action.REFUSE]
    if refused:
        first = refused[0]
        kind = CannotChange if first.differences else NotOurs if first.live else ForAPerson
        raise kind("\n".join(change.reason for change in refused))

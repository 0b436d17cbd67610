"""A plan carried out: the one verb that creates and changes, and deletes what was retired.

Takes changes, gives what there is then.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from aws_cloud_infra.account.errors import AwsRefused
from aws_cloud_infra.account.patience import A_FEW, PAUSES, patience
from aws_cloud_infra.engine.changes import Action, Change, Report, differences
from aws_cloud_infra.engine.destroy import destroy
from aws_cloud_infra.engine.lost_answers import going_on, seen
from aws_cloud_infra.engine.plan import refuse_what_is_refused
from aws_cloud_infra.engine.resource import Ids, Live, Resource, Settings
from aws_cloud_infra.engine.side_by_side import run


def apply(changes: Sequence[Change], report: Report) -> dict[Resource, Live]:
    """Carry a plan out, independent resources side by side; return what there is then.

    Raises before anything is written if a change is refused. If AWS refuses something midway,
    what is under way is finished and the first refusal raised; applying again goes on from there.
    """
    refuse_what_is_refused(changes)
    by_resource = {item.resource: item for item in changes if item.action is not Action.DELETE}
    ids = Ids()
    lives: dict[Resource, Live] = {}
    young: set[Resource] = set()

    def carry_out(resource: Resource) -> None:
        change = by_resource[resource]
        if change.action is Action.LEAVE and change.live:
            lives[resource] = change.live
            ids.know(resource, change.live)
            return
        busy = change.action is not Action.KEEP
        fresh = change.action is Action.CREATE or not young.isdisjoint(resource.needs)
        started = time.monotonic()
        if busy:
            report.begins(change)
        with patience(len(PAUSES) if fresh else A_FEW, lambda why: report.waits(change, why)):
            lives[resource] = going_on(
                resource,
                change.live,
                lambda live: _bring_about(resource, live, resource.desired(ids)),
            )
        ids.know(resource, lives[resource])
        if busy or fresh:
            young.add(resource)
        if busy:
            report.done(change, time.monotonic() - started)

    run({item: set(item.needs) & by_resource.keys() for item in by_resource}, carry_out)
    destroy(changes, report)
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
    live = seen(resource)
    if live is None:
        raise AwsRefused(
            f"{resource} was created, but AWS still does not show it. Run it again in a minute."
        )
    return live

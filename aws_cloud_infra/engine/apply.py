"""A plan carried out: the one verb that creates and changes.

Takes changes, gives what there is then.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from aws_cloud_infra.account.errors import AwsRefused
from aws_cloud_infra.engine.changes import Action, Change, Report, differences
from aws_cloud_infra.engine.plan import refuse_what_is_refused
from aws_cloud_infra.engine.resource import Ids, Live, Resource, Settings
from aws_cloud_infra.engine.side_by_side import run

_SECONDS_TO_APPEAR = 60


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

    run({item: set(item.needs) & by_resource.keys() for item in by_resource}, carry_out)
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

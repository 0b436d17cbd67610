"""A resource of which AWS refused something that may be done: an answer was lost on its way.

Takes what to do with what there is; does it again with what there is then, as the next run would.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from aws_cloud_infra.account.errors import AWS_ERRORS
from aws_cloud_infra.account.patience import may_be_done, tries
from aws_cloud_infra.engine.resource import Live, Resource

_MOST = 4
"""How often one resource is gone on with: few make more than three calls."""

_Result = TypeVar("_Result")


def going_on(
    resource: Resource, live: Live | None, do: Callable[[Live | None], _Result]
) -> _Result:
    """Return what `do` returns. Raises what AWS refuses; does nothing with what is not ours."""
    for left in reversed(range(_MOST)):
        try:
            return do(live)
        except AWS_ERRORS as error:
            if not left or not may_be_done(error):
                raise
            live = seen(resource)
            if live is not None and not resource.is_ours(live):
                raise
    raise AssertionError


def seen(resource: Resource) -> Live | None:
    """Return what there is, as soon as AWS shows it; None if it does not for a while."""
    for _ in tries(f"AWS does not show {resource} yet"):
        if (live := resource.find()) is not None:
            return live
    return None

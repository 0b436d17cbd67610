"""Several resources at a time: all side by side, or each as soon as what it waits for is done.

Takes resources and what to do with one, gives what that returns. What AWS refuses is raised as
one of our errors, which names the resource and the permission that it lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter
from typing import TypeVar

from aws_cloud_infra.account.errors import AWS_ERRORS, translate
from aws_cloud_infra.account.patience import A_FEW, patience
from aws_cloud_infra.engine import policy
from aws_cloud_infra.engine.resource import Live, Resource

SIDE_BY_SIDE = 8
"""How many resources are read or written at a time."""

_Result = TypeVar("_Result")


def find_all(resources: Sequence[Resource]) -> dict[Resource, Live | None]:
    """Read what there is of each."""
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return dict(zip(resources, pool.map(_guarded(_find), resources), strict=True))


def _find(resource: Resource) -> Live | None:
    with patience(A_FEW):
        return resource.find()


def run(waits_for: Mapping[Resource, set[Resource]], do: Callable[[Resource], None]) -> None:
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

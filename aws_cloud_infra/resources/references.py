"""Values made of what another resource turns out to be: its id or one of its facts.

Both are tuples with the resource in them, so that a field which holds them, at any depth, counts
as a need of it. What does not exist yet is shown by its readable stand-in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from aws_cloud_infra.engine.resource import Ids, Resource


def unchanged(text: str) -> str:
    """Return the text."""
    return text


class FromId(NamedTuple):
    """A part of the id of a resource, cut out by a function that passes stand-ins through."""

    resource: Resource
    part: Callable[[str], str] = unchanged


class FromFact(NamedTuple):
    """A text with a fact of a resource in the place of its `{}`."""

    resource: Resource
    fact: str
    text: str = "{}"


def resolve(value: Any, ids: Ids) -> Any:
    """Return a structure with every `FromId` and `FromFact` in it replaced by its text."""
    if isinstance(value, FromId):
        return value.part(ids[value.resource])
    if isinstance(value, FromFact):
        return value.text.format(ids.fact(value.resource, value.fact))
    if isinstance(value, Mapping):
        return {key: resolve(item, ids) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [resolve(item, ids) for item in value]
    return value


def balancer_dimension(balancer: Resource) -> FromId:
    """Return what CloudWatch calls a load balancer: "app/name/123", cut out of its ARN."""
    return FromId(balancer, lambda arn: arn.partition(":loadbalancer/")[2] or arn)


def target_dimension(target_group: Resource) -> FromId:
    """Return what CloudWatch calls a target group: "targetgroup/name/123", out of its ARN."""
    return FromId(target_group, lambda arn: arn.rpartition(":")[2])

"""The least IAM policy that the verbs need, from what each kind of resource says it calls.

Takes resources, gives statements and documents, for a person or for the pipeline.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aws_cloud_infra.engine import lease
from aws_cloud_infra.engine.actions import RENAMED, destroys, makes
from aws_cloud_infra.engine.resource import Permission, Resource

_READS = ("Describe", "Get", "Head", "List")

LETTERS = 6_144
"""What IAM takes in a policy, white space not counted."""

_Scope = dict[str, Any]
_ALWAYS = (Permission(("sts:GetCallerIdentity",)), lease.PERMISSION)


def statements(
    resources: Iterable[Resource], retired: Iterable[Resource] = (), *, pipeline: bool = False
) -> list[dict[str, Any]]:
    """Return what allows all verbs over these resources, and to delete what is retired.

    `pipeline`: all but `destroy`, and what gives rights or holds data may only be looked at. What
    is done to things of our own names stands in one statement a service: an action does nothing to
    things of another kind, and IAM counts the letters of a policy.
    """
    made = dict.fromkeys(resources)

    def is_granted(resource: Resource, action: str) -> bool:
        if resource not in made:
            return not makes(action)
        return not pipeline or _is_for_the_pipeline(resource, action)

    grouped: dict[str, _Statement] = {}
    for resource in dict.fromkeys((*made, *retired)):
        for permission in (*_ALWAYS, *resource.permissions):
            wanted = {
                item for item in permission.actions
                if permission in _ALWAYS or is_granted(resource, item)
            }  # fmt: skip
            scope = _scope(permission, resource)
            if not wanted or not scope["Resource"]:
                continue
            own = "Condition" not in scope and all(_is_ours(item) for item in permission.resources)
            service = permission.actions[0].split(":")[0]
            key = f" {service}" if own else json.dumps(scope, sort_keys=True)
            grouped.setdefault(key, _Statement(scope)).add(wanted, scope["Resource"])
    return [grouped[key].document() for key in sorted(grouped)]


def parts(statements: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return policy documents that hold all statements, each small enough to be attached."""
    made: list[dict[str, Any]] = []
    for statement in statements:
        fits = (item for item in made if _letters([*item["Statement"], statement]) <= LETTERS)
        into = next(fits, None)
        if into is None:
            made.append(into := {"Version": "2012-10-17", "Statement": []})
        into["Statement"].append(statement)
    return made


def _letters(statements: list[Mapping[str, Any]]) -> int:
    whole = {"Version": "2012-10-17", "Statement": statements}
    return len(json.dumps(whole, separators=(",", ":")))


def _is_for_the_pipeline(resource: Resource, action: str) -> bool:
    """Return whether the pipeline may do it; handing on a role that is there changes no right."""
    if resource.guarded:
        return action == "iam:PassRole" or action.split(":")[1].startswith(_READS)
    return not destroys(action)


@dataclass
class _Statement:
    """A statement in the making."""

    scope: Mapping[str, Any]
    actions: set[str] = field(default_factory=set)
    resources: set[str] = field(default_factory=set)

    def add(self, actions: Iterable[str], resources: Iterable[str]) -> None:
        self.actions.update(actions)
        self.resources.update(resources)

    def document(self) -> dict[str, Any]:
        return {
            "Effect": "Allow",
            **self.scope,
            "Action": sorted(self.actions),
            "Resource": _one_or_all(self.resources),
        }


def _is_ours(pattern: str) -> bool:
    """Return whether all that a pattern stands for carries our name."""
    return any(name in pattern for name in ("{name}", "{prefix}", "{catalog}"))


def _one_or_all(items: Iterable[str]) -> str | list[str]:
    ordered = sorted(items)
    return ordered[0] if len(ordered) == 1 else ordered


def allowing(resource: Resource, call: str) -> dict[str, Any] | None:
    """Return the statement of our policy that allows a resource's call, such as "CreateCluster"."""
    names = {call} | {to.split(":")[1] for name, to in RENAMED.items() if name.endswith(f":{call}")}
    for permission in resource.permissions:
        for granted in permission.actions:
            if granted.split(":")[1] in names:
                scope = _scope(permission, resource)
                scope["Resource"] = _one_or_all(scope["Resource"])
                return {"Effect": "Allow", "Action": granted, **scope}
    return None


def _placeholders(resource: Resource) -> dict[str, str]:
    aws = resource.aws
    zones = [item.name for item in (resource, *resource.needs) if item.kind == "hosted zone"]
    return {
        "partition": aws.partition,
        "region": aws.region,
        "account": aws.account,
        "project": aws.settings.project,
        "environment": aws.settings.environment,
        "prefix": aws.prefix,
        "catalog": aws.catalog,
        "zone": zones[0] if zones else "",
        "name": _family(
            resource.name, aws.prefix, f"/{aws.settings.project}/{aws.settings.environment}/"
        ),
    }


def _family(name: str, prefix: str, path: str) -> str:
    """Return a pattern for a name and its sisters, but for nothing of another environment."""
    if name.startswith(f"{prefix}-"):
        return f"{prefix}-*"
    return f"{path}*" if name.startswith(path) else name


def _scope(permission: Permission, resource: Resource) -> _Scope:
    """Return what a permission stands for; `{role}` in it for each role that the resource needs."""
    names = _placeholders(resource)
    roles = [item.name for item in resource.needs if item.kind == "role"]
    scope: _Scope = {
        "Resource": [
            pattern.format(**names, role=role)
            for pattern in permission.resources
            for role in (roles if "{role}" in pattern else ("",))
        ]
    }
    if permission.condition:
        scope["Condition"] = {
            test: {key: _filled(value, names) for key, value in values.items()}
            for test, values in permission.condition.items()
        }
    return scope


def _filled(value: str | Sequence[str], names: Mapping[str, str]) -> str | list[str]:
    if isinstance(value, str):
        return value.format(**names)
    return [item.format(**names) for item in value]

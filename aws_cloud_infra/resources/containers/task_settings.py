"""Settings of a task definition, from the form in which AWS tells them to the form its call takes.

Must not show the value of an environment variable that is not ours: it may be a secret.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from aws_cloud_infra.engine.resource import Settings

_TELLS_NOTHING = {
    "compatibilities", "deleteRequestedAt", "deregisteredAt", "family", "registeredAt",
    "registeredBy", "requiresAttributes", "revision", "taskDefinitionArn",
}  # fmt: skip
"""What AWS says of a revision beside its content."""
_NAMED = {"environment": "value", "secrets": "valueFrom"}
_HIDDEN = "(set by somebody else)"


def told(definition: Mapping[str, Any], ours: Collection[str]) -> Settings:
    """Return what AWS tells in the form of `desired`, without what it fills in by itself.

    `ours` are the names of environment variables whose values may be shown.
    """
    content = {key: value for key, value in definition.items() if key not in _TELLS_NOTHING}
    settings: Settings = _pruned(content)
    containers = settings.pop("containerDefinitions", [])
    settings["containers"] = {
        item.pop("name"): _container_settings(item, ours) for item in containers
    }
    settings["volumes"] = _by(settings.get("volumes", ()), "name")
    return settings


def _container_settings(container: Settings, ours: Collection[str]) -> Settings:
    settings = dict(container)
    for name, value in _NAMED.items():
        if name in settings:
            settings[name] = {item["name"]: item.get(value, "") for item in settings[name]}
    if "environment" in settings:
        settings["environment"] = {
            name: value if name in ours else _HIDDEN
            for name, value in settings["environment"].items()
        }
    if "mountPoints" in settings:
        settings["mountPoints"] = _by(settings["mountPoints"], "sourceVolume")
    if settings.get("versionConsistency") == "enabled":
        del settings["versionConsistency"]  # what AWS takes by itself
    return settings


def _pruned(value: Any) -> Any:
    """Return an answer without what says nothing: None, False, 0, "" and what is empty."""
    if isinstance(value, Mapping):
        items = {key: _pruned(item) for key, item in value.items()}
        return {key: item for key, item in items.items() if item}
    if isinstance(value, list):
        return [_pruned(item) for item in value]
    return value


def _by(items: Sequence[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    return sorted(items, key=lambda item: str(item.get(key)))


def as_arguments(desired: Settings) -> dict[str, Any]:
    """Return settings as the call wants them."""
    arguments = {key: value for key, value in desired.items() if key != "status"}
    definitions = []
    for name, container in arguments.pop("containers").items():
        lists = {
            key: [{"name": item, value: text} for item, text in container[key].items()]
            for key, value in _NAMED.items()
            if key in container
        }
        definitions.append({"name": name, **container, **lists})
    return {**arguments, "containerDefinitions": definitions}

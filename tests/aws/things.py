"""Resources of a cloud that is a dictionary: for what plan, apply and destroy do with any kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.settings import InfraSettings
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings

AWS = Aws(InfraSettings(region="eu-central-1"), account="123456789012")


@dataclass
class Cloud:
    """What exists, and in which order it was written."""

    there: dict[str, dict[str, Any]] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Thing(Resource):
    """It has a size and a shape, and may stand on other things; its shape cannot change."""

    cloud: Cloud
    size: int = 1
    on: tuple[Resource, ...] = ()
    shape: str = "round"

    kind = "thing"
    fixed = frozenset({"shape"})
    permissions = (Permission(("things:Make",), ("arn:{partition}:things:::{name}",)),)

    def desired(self, ids: Ids) -> Settings:
        return {"size": self.size, "shape": self.shape, "on": {p.name: ids[p] for p in self.on}}

    def find(self) -> Live | None:
        found = self.cloud.there.get(self.name)
        if found is None:
            return None
        return Live(f"id-{self.name}", found["settings"], found["tags"])

    def create(self, desired: Settings) -> None:
        assert self.name not in self.cloud.there, "made twice"
        self.cloud.written.append(f"make {self.name}")
        # As many services do: what is made is bare, and is brought in line afterwards.
        settings = {**desired, "size": 0}
        self.cloud.there[self.name] = {"settings": settings, "tags": self.aws.tags}

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        self.cloud.written.append(f"set {' '.join(sorted(changed))} of {self.name}")
        self.cloud.there[self.name]["settings"] = desired

    def delete(self, live: Live) -> None:
        self.cloud.written.append(f"delete {self.name}")
        for other in self.cloud.there.values():
            assert self.name not in other["settings"]["on"], "something stands on it"
        del self.cloud.there[self.name]


@dataclass(frozen=True, eq=False)
class Treasure(Thing):
    """A thing that holds data."""

    kind = "treasure"
    protected = True

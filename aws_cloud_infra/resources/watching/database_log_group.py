"""Where RDS sends a log of a database. Takes a name that RDS fixes, gives a group that forgets.

RDS makes such a group by itself, without tags and kept for ever. One that it made already belongs
to the database of that name, so it is taken over: it gets our tags, and goes with the stack.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from aws_cloud_infra.engine.resource import Ids, Live, Permission, Settings
from aws_cloud_infra.resources.watching.log_group import LogGroup


@dataclass(frozen=True, eq=False)
class DatabaseLogGroup(LogGroup):
    """A log group that RDS may have made before us."""

    gb_a_month: float = 0.1

    permissions = (
        LogGroup.permissions[0],
        Permission(
            LogGroup.permissions[1].actions,
            ("arn:{partition}:logs:{region}:{account}:log-group:/aws/rds/instance/{prefix}/*",),
        ),
    )

    def desired(self, ids: Ids) -> Settings:
        """How long it remembers, and whose it is."""
        return {**super().desired(ids), "tags": self.aws.tags}

    def find(self) -> Live | None:
        """Find it by its name; of its tags, ours count."""
        live = super().find()
        if live is None or live.tags is None:
            return live
        tags = {name: live.tags.get(name) for name in self.aws.tags}
        return replace(live, settings={**live.settings, "tags": tags})

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Set the days, and take it over."""
        if "days" in changed:
            super().configure(live, desired, changed)
        if "tags" in changed:
            self.aws.client("logs").tag_resource(resourceArn=live.id, tags=desired["tags"])

    def is_ours(self, live: Live) -> bool:
        """Return that it is: if the database is not, that one is refused."""
        return True

    def spared(self, live: Live) -> str:
        """Return why `destroy` leaves one that nobody has taken over: RDS made it."""
        return "" if super().is_ours(live) else "RDS made it, and no `apply` has taken it over"

"""A group of schedules. Schedules have no tags: they belong to their group, which has."""

from __future__ import annotations

import time
from dataclasses import dataclass

from aws_cloud_infra.account.clients import as_tags, from_tags, patiently, read, remove
from aws_cloud_infra.account.errors import AwsRefused
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings

_MINUTES_TO_DELETE = 10


@dataclass(frozen=True, eq=False)
class ScheduleGroup(Resource):
    """A group of schedules: what carries their tags."""

    kind = "schedule group"
    permissions = (
        Permission(
            ("scheduler:GetScheduleGroup", "scheduler:ListTagsForResource",
             "scheduler:CreateScheduleGroup", "scheduler:TagResource",
             "scheduler:DeleteScheduleGroup"),
            ("arn:{partition}:scheduler:{region}:{account}:schedule-group/{name}",),
        ),
    )  # fmt: skip

    def desired(self, ids: Ids) -> Settings:
        """It has a name and nothing else."""
        return {}

    def find(self) -> Live | None:
        """Find it by its name; one that AWS is deleting is gone."""
        scheduler = self.aws.client("scheduler")
        group = read(scheduler.get_schedule_group, Name=self.name)
        if group is None or group["State"] == "DELETING":
            return None
        tags = read(scheduler.list_tags_for_resource, ResourceArn=group["Arn"])
        return tags and Live(group["Arn"], {}, from_tags(tags.get("Tags")))

    def create(self, desired: Settings) -> None:
        """Make it; AWS refuses while one of this name is still being deleted."""
        patiently(
            self.aws.client("scheduler").create_schedule_group,
            "ConflictException",
            minutes=_MINUTES_TO_DELETE,
            Name=self.name,
            Tags=as_tags(self.aws.tags),
        )

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Nothing of it can change."""

    def delete(self, live: Live) -> None:
        """Delete it, with whatever schedule somebody put into it; there is no waiter for it."""
        scheduler = self.aws.client("scheduler")
        remove(scheduler.delete_schedule_group, Name=self.name)
        deadline = time.monotonic() + 60 * _MINUTES_TO_DELETE
        pause = 0.2
        while read(scheduler.get_schedule_group, Name=self.name) is not None:
            if time.monotonic() > deadline:
                raise AwsRefused(
                    f"{self} is still being deleted after {_MINUTES_TO_DELETE} minutes. "
                    "Look at it in the AWS console, then run it again."
                )
            time.sleep(pause)
            pause = min(2 * pause, 5)

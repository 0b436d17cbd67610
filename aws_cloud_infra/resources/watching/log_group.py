"""Where the logs go. Takes a name and a number of days, gives a group that forgets after them."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cloud_infra.account.clients import read, remove
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings


@dataclass(frozen=True, eq=False)
class LogGroup(Resource):
    """A log group; AWS would keep its logs for ever if nothing were said."""

    days: int
    gb_a_month: float = 5
    """A guess, for what it costs."""

    kind = "log group"
    permissions = (
        Permission(("logs:DescribeLogGroups",)),  # AWS lets no group be named here
        Permission(
            ("logs:ListTagsForResource", "logs:CreateLogGroup", "logs:TagResource",
             "logs:PutRetentionPolicy", "logs:DeleteLogGroup"),
            ("arn:{partition}:logs:{region}:{account}:log-group:{name}",
             "arn:{partition}:logs:{region}:{account}:log-group:{name}:*"),
        ),
    )  # fmt: skip

    @property
    def arn(self) -> str:
        """Known before it exists; its streams are `:*` behind it."""
        return self.aws.arn("logs", f"log-group:{self.name}")

    @property
    def prices(self) -> tuple[tuple[str, float], ...]:
        """What is written into it."""
        return (("logs GB", self.gb_a_month),)

    def desired(self, ids: Ids) -> Settings:
        """How long it remembers."""
        return {"days": self.days}

    def find(self) -> Live | None:
        """Find it by its name."""
        groups = self.aws.pages(
            "logs", "describe_log_groups", "logGroups", logGroupNamePrefix=self.name
        )
        for group in groups:
            if group["logGroupName"] != self.name:
                continue
            arn = group["arn"].removesuffix(":*")
            answer = read(self.aws.client("logs").list_tags_for_resource, resourceArn=arn)
            # AWS leaves the days out where logs are kept for ever.
            return answer and Live(arn, {"days": group.get("retentionInDays")}, answer["tags"])
        return None

    def create(self, desired: Settings) -> None:
        """Make it; it keeps everything until it is configured."""
        self.aws.client("logs").create_log_group(logGroupName=self.name, tags=self.aws.tags)

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Set the days."""
        self.aws.client("logs").put_retention_policy(
            logGroupName=self.name, retentionInDays=desired["days"]
        )

    def delete(self, live: Live) -> None:
        """Delete it and all logs in it."""
        remove(self.aws.client("logs").delete_log_group, logGroupName=self.name)

"""Where a schedule puts what it could not start. Takes a name; nothing here reads it but people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aws_cloud_infra.account.clients import patiently, read, remove
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings

_DAYS = 14
"""As long as SQS can keep a message."""


@dataclass(frozen=True, eq=False)
class Queue(Resource):
    """A queue that keeps what nobody took for two weeks."""

    kind = "queue"
    permissions = (
        Permission(
            ("sqs:GetQueueUrl", "sqs:GetQueueAttributes", "sqs:ListQueueTags", "sqs:CreateQueue",
             "sqs:TagQueue", "sqs:SetQueueAttributes", "sqs:DeleteQueue"),
            ("arn:{partition}:sqs:{region}:{account}:{name}",),
        ),
    )  # fmt: skip

    @property
    def arn(self) -> str:
        """Known before it exists."""
        return self.aws.arn("sqs", self.name)

    def desired(self, ids: Ids) -> Settings:
        """How long it keeps, that it is encrypted, and that only roles of this account enter."""
        return {
            "MessageRetentionPeriod": str(_DAYS * 24 * 3600),
            "SqsManagedSseEnabled": "true",
            "Policy": "",
        }

    def find(self) -> Live | None:
        """Find it by its name."""
        url = self._url()
        if not url:
            return None
        sqs = self.aws.client("sqs")
        found = read(sqs.get_queue_attributes, QueueUrl=url, AttributeNames=["All"])
        tags = read(sqs.list_queue_tags, QueueUrl=url)
        if found is None or tags is None:
            return None
        attributes = found["Attributes"]
        waiting = int(attributes.get("ApproximateNumberOfMessages", 0))
        return Live(
            self.arn,
            {name: attributes.get(name, "") for name in self.desired(Ids())},
            tags.get("Tags", {}),
            notes=(f"holds {waiting} that could not be started",) if waiting else (),
        )

    def _url(self) -> str:
        """Return what its calls want in the place of its name; "" if it is not there."""
        answer = read(self.aws.client("sqs").get_queue_url, QueueName=self.name)
        return str(answer["QueueUrl"]) if answer else ""

    def create(self, desired: Settings) -> None:
        """Make it; SQS gives a name that was deleted back after a minute."""
        patiently(
            self.aws.client("sqs").create_queue,
            "QueueDeletedRecently",
            QueueName=self.name,
            Attributes={name: value for name, value in desired.items() if value},
            tags=self.aws.tags,
        )

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Write what changed."""
        self._call("set_queue_attributes", Attributes={name: desired[name] for name in changed})

    def _call(self, operation: str, **arguments: Any) -> None:
        if url := self._url():
            remove(getattr(self.aws.client("sqs"), operation), QueueUrl=url, **arguments)

    def delete(self, live: Live) -> None:
        """Delete it with what is in it."""
        self._call("delete_queue")

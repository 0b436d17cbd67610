"""Whom a bucket calls when a file arrives. Takes a function, which must let the bucket call it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aws_cloud_infra.account.clients import read
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings
from aws_cloud_infra.resources.batch.function import Function
from aws_cloud_infra.resources.data.bucket import Bucket

_KINDS = ("LambdaFunctionConfigurations", "QueueConfigurations", "TopicConfigurations")


@dataclass(frozen=True, eq=False)
class BucketEvents(Resource):
    """All that a bucket tells anybody; what a hand added is taken away."""

    bucket: Bucket
    function: Function
    begins: str
    """How the keys of files begin that it is called for,"""
    ends: str
    """and how they end."""

    kind = "bucket events"
    guarded = True
    permissions = (
        Permission(
            ("s3:GetBucketNotification", "s3:PutBucketNotification"),
            ("arn:{partition}:s3:::{name}",),
        ),
    )

    def desired(self, ids: Ids) -> Settings:
        """Which files it calls the function for, and that it calls nobody else."""
        called = {
            "target": ids[self.function],
            "events": ["s3:ObjectCreated:*"],
            "filter": {"prefix": self.begins, "suffix": self.ends},
        }
        return {"called": {self.function.name: called}}

    def find(self) -> Live | None:
        """Find it by the name of the bucket; one that calls nobody has none."""
        answer = read(
            self.aws.client("s3").get_bucket_notification_configuration, Bucket=self.bucket.name
        )
        called = {
            item["Id"]: _told(item) for kind in _KINDS for item in (answer or {}).get(kind, ())
        }
        return Live(self.bucket.name, {"called": called}, None) if called else None

    def create(self, desired: Settings) -> None:
        """Write it whole, as AWS takes it in no other way; AWS tries whether it may call."""
        self._write({
            "LambdaFunctionConfigurations": [
                {
                    "Id": name,
                    "LambdaFunctionArn": item["target"],
                    "Events": item["events"],
                    "Filter": {"Key": {"FilterRules": [
                        {"Name": rule, "Value": value} for rule, value in item["filter"].items()
                    ]}},
                }
                for name, item in desired["called"].items()
            ]
        })  # fmt: skip

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Write it whole."""
        self.create(desired)

    def spared(self, live: Live) -> str:
        """Leave it where somebody else alone is told: it has no tags that would say whose it is."""
        ours = self.function.name in live.settings["called"]
        return "" if ours else f"it does not call {self.function}"

    def delete(self, live: Live) -> None:
        """Let it call nobody."""
        self._write({})

    def _write(self, configuration: dict[str, Any]) -> None:
        self.aws.client("s3").put_bucket_notification_configuration(
            Bucket=self.bucket.name, NotificationConfiguration=configuration
        )


def _told(item: dict[str, Any]) -> Settings:
    rules = item.get("Filter", {}).get("Key", {}).get("FilterRules", ())
    (target,) = (value for name, value in item.items() if name.endswith("Arn"))
    return {
        "target": target,
        "events": sorted(item["Events"]),
        "filter": {rule["Name"].lower(): rule["Value"] for rule in rules},
    }

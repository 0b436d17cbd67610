"""A file of ours in a bucket, such as the script that a job of Glue runs. Takes its content."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from dataclasses import dataclass, field

from aws_cloud_infra.account.clients import read, remove
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings
from aws_cloud_infra.resources.data.bucket import Bucket


@dataclass(frozen=True, eq=False)
class BucketFile(Resource):
    """One file, named by its key; what a hand has put in its place is replaced."""

    bucket: Bucket
    content: bytes = field(repr=False)

    kind = "bucket file"
    permissions = (
        Permission(
            ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
            ("arn:{partition}:s3:::{prefix}-mlflow-{account}/{name}",),
            # Alone, or what may be done to buckets would be done to these, and the other way round.
            {"StringEquals": {"aws:ResourceAccount": "{account}"}},
        ),
    )

    def desired(self, ids: Ids) -> Settings:
        """What is in it."""
        return {"sha256": b64encode(hashlib.sha256(self.content).digest()).decode()}

    def find(self) -> Live | None:
        """Find it by its key."""
        answer = read(
            self.aws.client("s3").head_object,
            Bucket=self.bucket.name, Key=self.name, ChecksumMode="ENABLED",
        )  # fmt: skip
        return answer and Live(
            f"s3://{self.bucket.name}/{self.name}", {"sha256": answer.get("ChecksumSHA256")}, None
        )

    def create(self, desired: Settings) -> None:
        """Put it there."""
        self.aws.client("s3").put_object(
            Bucket=self.bucket.name, Key=self.name, Body=self.content, ChecksumAlgorithm="SHA256"
        )

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Put it there once more; older ones stay for as long as the bucket keeps versions."""
        self.create(desired)

    def delete(self, live: Live) -> None:
        """Delete it."""
        remove(self.aws.client("s3").delete_object, Bucket=self.bucket.name, Key=self.name)

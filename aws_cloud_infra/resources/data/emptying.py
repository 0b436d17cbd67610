"""A bucket emptied, which S3 wants before it deletes one. Must not touch one that is not ours."""

from __future__ import annotations

from aws_cloud_infra.account.clients import read, remove
from aws_cloud_infra.account.errors import AwsRefused
from aws_cloud_infra.engine.resource import Resource

_PAGE = 1000
"""Versions that AWS deletes in one call."""


def empty(bucket: Resource, below: str = "") -> None:
    """Delete all versions and unfinished uploads of a bucket, or of what is below a key.

    Page by page, so that a run that dies goes on where it was.
    """
    s3 = bucket.aws.client("s3")
    while page := read(s3.list_object_versions, Bucket=bucket.name, Prefix=below, MaxKeys=_PAGE):
        found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        if not found:
            break
        answer = s3.delete_objects(
            Bucket=bucket.name,
            Delete={
                "Quiet": True,
                "Objects": [{key: one[key] for key in ("Key", "VersionId")} for one in found],
            },
        )
        if errors := answer.get("Errors"):
            raise AwsRefused(
                f"{bucket}: {len(errors)} of {len(found)} versions cannot be deleted; the first "
                f"is {errors[0].get('Key')}: {errors[0].get('Message')}."
            )
    while page := read(s3.list_multipart_uploads, Bucket=bucket.name, Prefix=below):
        if not page.get("Uploads"):
            break
        for upload in page["Uploads"]:
            remove(
                s3.abort_multipart_upload,
                Bucket=bucket.name,
                Key=upload["Key"],
                UploadId=upload["UploadId"],
            )

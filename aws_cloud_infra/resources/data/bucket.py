"""A bucket, such as the one for MLflow's artifacts: private, encrypted, versioned, over TLS only.

Takes a name that is unique in the world, gives a bucket. Must not touch one that is not ours.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from aws_cloud_infra.account.clients import as_tags, patiently, read, remove
from aws_cloud_infra.account.documents import Document, policy
from aws_cloud_infra.account.errors import AwsRefused, NotOurs
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings
from aws_cloud_infra.resources.data.bucket_settings import described
from aws_cloud_infra.resources.data.emptying import empty

_FIRST_REGION = "us-east-1"
"""Named by leaving the location out, when asking and when answering."""
_OLD_VERSIONS_DAYS = 90
_UNFINISHED_UPLOADS_DAYS = 7
_GUESSED_GB = 20

_NO_PUBLIC_ACCESS = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}
_LIFECYCLE = {
    "old-versions": {
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": _OLD_VERSIONS_DAYS},
    },
    "unfinished-uploads": {
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": _UNFINISHED_UPLOADS_DAYS},
    },
}


@dataclass(frozen=True, eq=False)
class Bucket(Resource):
    """A bucket. Nobody reads or writes it but who our roles' policies name."""

    kind = "bucket"
    protected = True
    guarded = True
    permissions = (
        Permission(
            ("s3:ListBucket", "s3:GetBucketTagging", "s3:GetBucketVersioning",
             "s3:GetEncryptionConfiguration", "s3:GetBucketPublicAccessBlock",
             "s3:GetBucketOwnershipControls",
             "s3:GetLifecycleConfiguration", "s3:GetBucketPolicy", "s3:ListBucketVersions",
             "s3:ListBucketMultipartUploads", "s3:CreateBucket", "s3:TagResource",
             "s3:PutBucketTagging", "s3:PutBucketVersioning", "s3:PutEncryptionConfiguration",
             "s3:PutBucketPublicAccessBlock", "s3:PutBucketOwnershipControls",
             "s3:PutLifecycleConfiguration", "s3:PutBucketPolicy", "s3:DeleteBucket"),
            ("arn:{partition}:s3:::{name}",),
        ),
        Permission(
            ("s3:DeleteObject", "s3:DeleteObjectVersion", "s3:AbortMultipartUpload"),
            ("arn:{partition}:s3:::{name}/*",),
        ),
    )  # fmt: skip

    @property
    def arn(self) -> str:
        """Known before it exists."""
        return f"arn:{self.aws.partition}:s3:::{self.name}"

    @property
    def prices(self) -> tuple[tuple[str, float], ...]:
        """What it holds is a guess."""
        return (("s3 GB", _GUESSED_GB),)

    def desired(self, ids: Ids) -> Settings:
        """Everything that decides who gets at the artifacts and how long they stay."""
        return {
            "tags": self.aws.tags,
            "public_access_block": _NO_PUBLIC_ACCESS,
            "ownership": "BucketOwnerEnforced",
            "encryption": {"algorithm": "AES256", "bucket_key": True},
            "versioning": "Enabled",
            "lifecycle": self.lifecycle,
            "policy": policy(
                {
                    "Sid": "OverTlsOnly",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "s3:*",
                    "Resource": [self.arn, f"{self.arn}/*"],
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                },
                *self.lets_in,
            ),
        }

    @property
    def lifecycle(self) -> Settings:
        """Rules by their names: what goes by itself."""
        return _LIFECYCLE

    @property
    def lets_in(self) -> tuple[Document, ...]:
        """Statements for those who are not of this account."""
        return ()

    def find(self) -> Live | None:
        """Find it by its name.

        Raises NotOurs where another account has a bucket of this name, and AwsRefused where it is
        in another region.
        """
        if not self._exists():
            return None
        settings, tags = described(self.aws, self.name)
        return Live(
            self.name,
            settings,
            # Without any tags and with nothing in it, it is half made: tags are its second call
            # where AWS ignores those in the first one.
            None if not tags and self._is_empty() else tags,
        )

    def _exists(self) -> bool:
        s3 = self.aws.client("s3")
        try:
            answer = read(s3.head_bucket, Bucket=self.name, ExpectedBucketOwner=self.aws.account)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in {"403", "AccessDenied"}:
                raise NotOurs(
                    f"{self} in {self.aws.region} is out of reach: either another account has a "
                    "bucket of this name (then give the project or environment another name), or "
                    "the credentials may not call s3:ListBucket on it."
                ) from error
            raise
        # boto3 follows a bucket into its region by itself, without a word.
        region = answer and answer.get("BucketRegion", self.aws.region)
        if region and region != self.aws.region:
            raise AwsRefused(
                f"{self} exists in {region}, not in {self.aws.region}: deploy to {region}, or give "
                "the project or environment another name."
            )
        return answer is not None

    def _is_empty(self) -> bool:
        page = self.aws.client("s3").list_object_versions(Bucket=self.name, MaxKeys=1)
        return not page.get("Versions") and not page.get("DeleteMarkers")

    def create(self, desired: Settings) -> None:
        """Make it: AWS's defaults since 2023 are private and encrypted already."""
        configuration: dict[str, Any] = {"Tags": as_tags(desired["tags"])}
        if self.aws.region != _FIRST_REGION:
            configuration["LocationConstraint"] = self.aws.region
        patiently(
            self.aws.client("s3").create_bucket,
            "OperationAborted",  # AWS still deletes the last one of this name
            Bucket=self.name,
            ObjectOwnership=desired["ownership"],
            CreateBucketConfiguration=configuration,
        )
        self.aws.wait("s3", "bucket_exists", Bucket=self.name)

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Write what differs: first whose it is, then who may not reach it, the policy last.

        The order matters to a run that dies midway, and the policy may lock out a caller that
        comes without TLS.
        """
        s3 = self.aws.client("s3")
        encryption = desired["encryption"]
        by_default = {"SSEAlgorithm": encryption["algorithm"]}
        rules = [{"ID": name, **rule} for name, rule in desired["lifecycle"].items()]
        writes: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
            "tags": (
                s3.put_bucket_tagging,
                {"Tagging": {"TagSet": as_tags({**(live.tags or {}), **desired["tags"]})}},
            ),
            "public_access_block": (
                s3.put_public_access_block,
                {"PublicAccessBlockConfiguration": desired["public_access_block"]},
            ),
            "ownership": (
                s3.put_bucket_ownership_controls,
                {"OwnershipControls": {"Rules": [{"ObjectOwnership": desired["ownership"]}]}},
            ),
            "encryption": (
                s3.put_bucket_encryption,
                {"ServerSideEncryptionConfiguration": {"Rules": [
                    {"ApplyServerSideEncryptionByDefault": by_default,
                     "BucketKeyEnabled": encryption["bucket_key"]}
                ]}},
            ),
            "versioning": (
                s3.put_bucket_versioning,
                {"VersioningConfiguration": {"Status": desired["versioning"]}},
            ),
            "lifecycle": (
                s3.put_bucket_lifecycle_configuration,
                {"LifecycleConfiguration": {"Rules": rules}},
            ),
            "policy": (s3.put_bucket_policy, {"Policy": json.dumps(desired["policy"])}),
        }  # fmt: skip
        for name, (write, arguments) in writes.items():
            if name in changed:
                write(Bucket=self.name, **arguments)

    def delete(self, live: Live) -> None:
        """Empty it, all versions and unfinished uploads, and delete it."""
        s3 = self.aws.client("s3")
        # One that is half made was empty: if it is not so any more, AWS refuses to delete it.
        if live.tags is not None:
            empty(self)
        remove(s3.delete_bucket, Bucket=self.name)
        self.aws.wait("s3", "bucket_not_exists", Bucket=self.name)

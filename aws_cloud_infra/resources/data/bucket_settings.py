"""What S3 tells of a bucket, in the form of the settings that are wanted. Only reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from aws_cloud_infra.account.clients import Aws, from_tags, read
from aws_cloud_infra.account.documents import canonical
from aws_cloud_infra.engine.resource import Settings


def described(aws: Aws, name: str) -> tuple[Settings, dict[str, str]]:
    """Return the settings and the tags of a bucket; what it lacks is empty."""
    s3 = aws.client("s3")
    answer = _setting(s3.get_bucket_tagging, Bucket=name)
    tags = from_tags(answer.get("TagSet"))
    encryption = _first(
        _setting(s3.get_bucket_encryption, Bucket=name)
        .get("ServerSideEncryptionConfiguration", {})
        .get("Rules")
    )
    ownership = _first(
        _setting(s3.get_bucket_ownership_controls, Bucket=name)
        .get("OwnershipControls", {})
        .get("Rules")
    )
    block = _setting(s3.get_public_access_block, Bucket=name)
    lifecycle = _setting(s3.get_bucket_lifecycle_configuration, Bucket=name)
    document = _setting(s3.get_bucket_policy, Bucket=name).get("Policy")
    settings: Settings = {
        "tags": {key: tags.get(key) for key in aws.tags},
        "public_access_block": block.get("PublicAccessBlockConfiguration", {}),
        "ownership": ownership.get("ObjectOwnership"),
        "encryption": {
            "algorithm": encryption.get("ApplyServerSideEncryptionByDefault", {}).get(
                "SSEAlgorithm"
            ),
            "bucket_key": encryption.get("BucketKeyEnabled", False),
        },
        "versioning": s3.get_bucket_versioning(Bucket=name).get("Status"),
        "lifecycle": dict(_rules(lifecycle.get("Rules", ()))),
        "policy": canonical(document) if document else {},
    }
    return settings, tags


def _setting(call: Callable[..., Any], **arguments: Any) -> dict[str, Any]:
    """Return the answer of a reading call; empty where the bucket has no such setting."""
    try:
        return read(call, **arguments) or {}
    except ClientError as error:
        # Two of the calls end their "not found" with "Error", unlike everything else.
        if str(error.response.get("Error", {}).get("Code")).endswith("NotFoundError"):
            return {}
        raise


def _first(rules: list[dict[str, Any]] | None) -> dict[str, Any]:
    return rules[0] if rules else {}


def _rules(rules: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield lifecycle rules by their names; an empty filter is one of an empty prefix."""
    for rule in rules:
        what = {key: value for key, value in rule.items() if key != "ID"}
        yield rule.get("ID", "unnamed"), {**what, "Filter": what.get("Filter") or {"Prefix": ""}}

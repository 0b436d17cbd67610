"""The newest image of a kind in the repository: only looked up, by what its tag begins with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aws_cloud_infra.account.clients import read
from aws_cloud_infra.engine.resource import Found, Live, Permission
from aws_cloud_infra.resources.containers.repository import Repository

_NOTHING_YET = "none"
"""Stands where the tag or digest of an image would."""


def is_pushed(image_id: str) -> bool:
    """Return whether the id of an `Image` names an image that can be pulled."""
    return "@sha256:" in image_id


@dataclass(frozen=True, eq=False)
class Image(Found):
    """The newest pushed image whose tag starts with a prefix, by its digest; or none yet."""

    repository: Repository
    tag_prefix: str

    kind = "container image"
    permissions = (
        Permission(
            ("ecr:DescribeImages",),
            ("arn:{partition}:ecr:{region}:{account}:repository/{prefix}",),
        ),
    )

    def find(self) -> Live:
        """Return the newest one; an id of its own form if there is none (see `is_pushed`)."""
        uri = self.repository.uri
        pushed = read(
            self.aws.pages,
            service="ecr",
            operation="describe_images",
            key="imageDetails",
            repositoryName=self.repository.name,
            filter={"tagStatus": "TAGGED"},
        )
        images = [image for image in pushed or () if self._is_meant(image)]
        if not images:
            note = f"no image pushed yet: push one tagged {self.tag_prefix}... to {uri}"
            return Live(f"{uri}:{_NOTHING_YET}", {}, None, (note,))
        newest = max(images, key=lambda image: (image["imagePushedAt"], image["imageDigest"]))
        return Live(f"{uri}@{newest['imageDigest']}", {}, None)

    def _is_meant(self, image: dict[str, Any]) -> bool:
        """Return whether it has such a tag and was not moved to the archive, out of reach."""
        return image.get("imageStatus", "ACTIVE") == "ACTIVE" and any(
            tag.startswith(self.tag_prefix) for tag in image.get("imageTags", ())
        )

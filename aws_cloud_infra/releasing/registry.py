"""The images in the container registry, by their tags: uploaded, scanned, tagged, untagged.

Takes the account at hand and what the local Docker has, gives what AWS knows of an image. An image
that could not run or be scanned does not get in. Knows nothing of candidates and releases, and
never prints: see `images`.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from typing import Any

from aws_cloud_infra.account.clients import Aws, read
from aws_cloud_infra.releasing.gate import Finding, Refused, from_ecr
from aws_cloud_infra.releasing.tools import run
from aws_cloud_infra.resources.containers.repository import Repository

_SCANNED = {"COMPLETE", "ACTIVE"}  # the second where the account has enhanced scanning
_SCANNING = {"PENDING", "IN_PROGRESS"}
_SECONDS_TO_SCAN = 600.0
_SECONDS_BETWEEN_LOOKS = 5.0
_SINGLE = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)
"""Forms of a manifest of one image; of an index of several, AWS scans none."""
_PLATFORM = "linux/amd64"
"""What tasks run on."""
_BUILD = f"docker build --platform {_PLATFORM} --provenance=false --sbom=false"
_AN_INDEX = f"a list of images, which AWS does not scan. Build it anew as one: `{_BUILD}`"


class Registry:
    """The images of one repository, by their tags."""

    def __init__(self, aws: Aws) -> None:
        self.repository = Repository(aws, aws.prefix)
        self._aws = aws
        self._ecr = aws.client("ecr")

    def find(self, tag: str) -> dict[str, Any] | None:
        """Return what AWS knows of an image, or None."""
        name, wanted = self.repository.name, [{"imageTag": tag}]
        answer = read(self._ecr.describe_images, repositoryName=name, imageIds=wanted)
        return answer["imageDetails"][0] if answer else None

    def released(self, kind: str) -> list[dict[str, Any]]:
        """Return the images that `infra.py apply` may deploy as `serve-...` or `train-...`."""
        images = self._aws.pages(
            "ecr", "describe_images", "imageDetails",
            repositoryName=self.repository.name, filter={"tagStatus": "TAGGED"},
        )  # fmt: skip
        return [image for image in images if tag_of(image, kind)]

    def log_in(self) -> None:
        """Let Docker push; the password is good for twelve hours."""
        (given,) = self._ecr.get_authorization_token()["authorizationData"]
        user, password = base64.b64decode(given["authorizationToken"]).decode().split(":", 1)
        host = self.repository.uri.split("/", maxsplit=1)[0]
        run("docker", "login", "--username", user, "--password-stdin", host, given=password)

    def upload(self, local: str, tag: str) -> None:
        """Push a local image under a tag. Raises Refused for one that could not run there."""
        _check(local)
        remote = f"{self.repository.uri}:{tag}"
        run("docker", "tag", local, remote)
        run("docker", "push", "--quiet", remote)
        if self.is_index(tag):
            self.remove(tag)
            raise Refused(f"{local} was pushed as {_AN_INDEX}. It is taken away again.")

    def is_index(self, tag: str) -> bool:
        """Return whether what has a tag is a list of images, which AWS does not scan."""
        form = (self.find(tag) or {}).get("imageManifestMediaType", _SINGLE[0])
        return form not in _SINGLE

    def findings(self, tag: str) -> list[Finding]:
        """Wait for the scan of an image; return all it found.

        One that cannot be scanned is taken away, so that another can be pushed in its place.
        """
        deadline = time.monotonic() + _SECONDS_TO_SCAN
        asked = {"repositoryName": self.repository.name, "imageId": {"imageTag": tag}}
        while True:
            answer = read(self._ecr.describe_image_scan_findings, **asked)
            scan = answer["imageScanStatus"] if answer else {"status": "PENDING"}
            if scan["status"] in _SCANNED:
                break
            if scan["status"] not in _SCANNING:
                said = scan.get("description", "AWS does not say why")
                self.remove(tag)
                raise Refused(
                    f"{tag} cannot be scanned ({scan['status']}): {said}. It is taken away again: "
                    "mend it, and push it anew."
                )
            if time.monotonic() > deadline:
                raise Refused(
                    f"{tag} is not scanned after {_SECONDS_TO_SCAN / 60:.0f} minutes "
                    f"({scan['status']}). Run it again: it goes on where it stopped."
                )
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        pages = self._ecr.get_paginator("describe_image_scan_findings").paginate(**asked)
        return [found for page in pages for found in from_ecr(page["imageScanFindings"])]

    def add(self, tag: str, to: str) -> None:
        """Give the image that has one tag another one as well."""
        name = self.repository.name
        answer = self._ecr.batch_get_image(
            repositoryName=name, imageIds=[{"imageTag": to}], acceptedMediaTypes=list(_SINGLE)
        )
        if not answer["images"]:
            reason = answer["failures"][0]["failureReason"]
            raise Refused(f"{to} cannot be given the tag {tag}: {reason}.")
        (image,) = answer["images"]
        self._ecr.put_image(
            repositoryName=name,
            imageManifest=image["imageManifest"],
            imageManifestMediaType=image["imageManifestMediaType"],
            imageTag=tag,
        )

    def remove(self, tag: str) -> None:
        """Take a tag away; the image stays as long as it has another one."""
        name = self.repository.name
        self._ecr.batch_delete_image(repositoryName=name, imageIds=[{"imageTag": tag}])


def tag_of(image: Mapping[str, Any], kind: str) -> str:
    """Return the first tag of an image that starts with `kind`, or nothing."""
    return next((tag for tag in image.get("imageTags", ()) if tag.startswith(kind)), "")


def _check(local: str) -> None:
    """Raise Refused for a local image that tasks cannot run, or that AWS would not scan."""
    (found,) = json.loads(run("docker", "image", "inspect", local, heard=True))
    platform = f"{found['Os']}/{found['Architecture']}"
    if platform != _PLATFORM:
        raise Refused(
            f"{local} is for {platform}, and tasks run on {_PLATFORM}. Build it anew: `{_BUILD}`."
        )
    # Told by the Docker that keeps images as containerd does; others have no index here.
    if found.get("Descriptor", {}).get("mediaType", _SINGLE[0]) not in _SINGLE:
        raise Refused(f"{local} is {_AN_INDEX}.")

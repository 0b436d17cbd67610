"""The images in the container registry, by their tags: uploaded, scanned, tagged, untagged.

Takes the account at hand and what the local Docker has, gives what AWS knows of an image. Knows
nothing of candidates and releases, and never prints: see `images`.
"""

from __future__ import annotations

import base64
import subprocess
import time
from collections.abc import Iterator, Mapping
from typing import Any

from aws_cloud_infra.account.clients import Aws, read
from aws_cloud_infra.account.errors import InfraError
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


class Refused(InfraError):
    """An image that may not be deployed, or a release that does not answer."""

    code = "release_refused"


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
        _docker("login", "--username", user, "--password-stdin", host, given=password)

    def upload(self, local: str, tag: str) -> None:
        """Push a local image under a tag."""
        remote = f"{self.repository.uri}:{tag}"
        _docker("tag", local, remote)
        _docker("push", "--quiet", remote)

    def findings(self, tag: str) -> list[tuple[str, str]]:
        """Wait for the scan of an image; return the severity and name of all it found."""
        deadline = time.monotonic() + _SECONDS_TO_SCAN
        asked = {"repositoryName": self.repository.name, "imageId": {"imageTag": tag}}
        while True:
            answer = read(self._ecr.describe_image_scan_findings, **asked)
            scan = answer["imageScanStatus"] if answer else {"status": "PENDING"}
            if scan["status"] in _SCANNED:
                break
            if scan["status"] not in _SCANNING:
                said = scan.get("description", "AWS does not say why")
                raise Refused(f"{tag} cannot be scanned ({scan['status']}): {said}.")
            if time.monotonic() > deadline:
                raise Refused(
                    f"{tag} is not scanned after {_SECONDS_TO_SCAN / 60:.0f} minutes "
                    f"({scan['status']}). Run it again: it goes on where it stopped."
                )
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        pages = self._ecr.get_paginator("describe_image_scan_findings").paginate(**asked)
        return [found for page in pages for found in _found(page["imageScanFindings"])]

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


def _found(page: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield severity and name of what a scan found, basic or enhanced."""
    for item in page.get("findings", ()):
        yield item["severity"], item["name"]
    for item in page.get("enhancedFindings", ()):
        details = item.get("packageVulnerabilityDetails", {})
        yield item["severity"], details.get("vulnerabilityId", item["findingArn"])


def _docker(*arguments: str, given: str | None = None) -> None:
    try:
        subprocess.run(["docker", *arguments], input=given, text=True, check=True)  # noqa: S603, S607
    except FileNotFoundError:
        raise Refused("There is no `docker` here. Install Docker, and run it again.") from None
    except subprocess.CalledProcessError as error:
        raise Refused(f"`docker {arguments[0]}` failed (exit code {error.returncode}).") from None

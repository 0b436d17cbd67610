"""A commit made what runs, as the pipeline does it: built, pushed, scanned, deployed, asked.

Takes the account at hand and how the stack is applied. What does not answer is taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.errors import InfraError
from aws_cloud_infra.operating.job import NotDone
from aws_cloud_infra.releasing.check import ATTEMPTS, check
from aws_cloud_infra.releasing.images import push, withdraw
from aws_cloud_infra.releasing.tools import need, run
from aws_cloud_infra.resources.containers.repository import Repository

ROOT = Path(__file__).resolve().parents[2]
_ONE_IMAGE = ("--platform", "linux/amd64", "--provenance=false", "--sbom=false")
"""An image of Fargate's processor and no index of several, which AWS does not scan."""


def release(
    aws: Aws,
    apply: Callable[[], int],
    url: str | None,
    accepted: Sequence[str] = (),
    reports: Sequence[Path] = (),
) -> int:
    """Release the commit at hand; return the exit code of `apply`. Raises NotDone, Refused.

    `url`: where the service is asked, if not at the load balancer. `accepted` and `reports`: see
    `push`.
    """
    if aws.settings.certificate_arn and not url:
        raise NotDone("`certificate_arn` is set: say by --url for which name it is.")
    commit = _commit()
    need("docker")
    if Repository(aws, aws.prefix).find() is None and (code := apply()):
        return code
    images = {f"{target}-{commit}": f"sales-forecast:{target}" for target in ("serve", "train")}
    for tag, image in images.items():
        target, revision = tag.split("-")[0], f"REVISION={commit}"
        print(f"building {image} of {commit}", flush=True)
        run("docker", "build", "--target", target, *_ONE_IMAGE, "--build-arg", revision,
            "--tag", image, ".", folder=ROOT, heard=True)  # fmt: skip
    push(aws, images, accepted, reports)
    try:
        if code := apply():
            return code
        check(aws, url, ATTEMPTS)
    except InfraError:
        withdraw(aws, list(images))
        apply()
        raise
    return 0


def _commit() -> str:
    if run("git", "status", "--porcelain", "--untracked-files=no", folder=ROOT, heard=True):
        raise NotDone("There are changes that no commit has: commit them first, for an image is "
                      "named by its commit.")  # fmt: skip
    return run("git", "rev-parse", "--short=12", "HEAD", folder=ROOT, heard=True).strip()

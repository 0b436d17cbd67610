"""A commit made what runs, as the pipeline does it: built, pushed, scanned, deployed, asked.

Takes the account at hand and how the stack is applied. What does not answer is taken back.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.errors import InfraError
from aws_cloud_infra.operating.job import NotDone
from aws_cloud_infra.releasing.check import check
from aws_cloud_infra.releasing.images import push, withdraw
from aws_cloud_infra.resources.containers.repository import Repository

ROOT = Path(__file__).resolve().parents[2]
_ONE_IMAGE = ("--platform", "linux/amd64", "--provenance=false", "--sbom=false")
"""An image of Fargate's processor and no index of several, which AWS does not scan."""
_ATTEMPTS = 30
_NOT_HERE = "There is no `{}` here. Install it, and run it again."


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
    if shutil.which("docker") is None:
        raise NotDone(_NOT_HERE.format("docker"))
    if Repository(aws, aws.prefix).find() is None and (code := apply()):
        return code
    images = {f"{target}-{commit}": f"sales-forecast:{target}" for target in ("serve", "train")}
    for tag, image in images.items():
        target, revision = tag.split("-")[0], f"REVISION={commit}"
        print(f"building {image} of {commit}", flush=True)
        _run("docker", "build", "--target", target, *_ONE_IMAGE, "--build-arg", revision,
             "--tag", image, ".")  # fmt: skip
    push(aws, images, accepted, reports)
    try:
        if code := apply():
            return code
        check(aws, url, _ATTEMPTS)
    except InfraError:
        withdraw(aws, list(images))
        apply()
        raise
    return 0


def _commit() -> str:
    if _run("git", "status", "--porcelain", "--untracked-files=no"):
        raise NotDone("There are changes that no commit has: commit them first, for an image is "
                      "named by its commit.")  # fmt: skip
    return _run("git", "rev-parse", "--short=12", "HEAD").strip()


def _run(*command: str) -> str:
    """Run a command in the project's folder; return what it printed."""
    try:
        done = subprocess.run(  # noqa: S603
            command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
        )
    except FileNotFoundError:
        raise NotDone(_NOT_HERE.format(command[0])) from None
    except subprocess.CalledProcessError as error:
        words = " ".join(command[:2])
        raise NotDone(f"`{words}` failed (exit code {error.returncode}).") from None
    return done.stdout

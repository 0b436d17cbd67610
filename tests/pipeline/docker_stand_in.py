"""In place of Docker: images are files, a container is a process, a push goes to the emulator.

Takes the commands that the workflow and `release.py` use, and no others. What is scanned gets the
findings in `findings.json`, if there are any.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
STATE = Path(os.environ["DOCKER_STATE"])


def main(arguments: list[str]) -> None:
    match arguments:
        case ["build", "--target", target, *_, "--build-arg", argument, "--tag", name, "."]:
            assert f" AS {target}\n" in Path("Dockerfile").read_text()
            local(name).write_text(f"{target} {argument}")
        case ["run", "--detach", "--name", name, *_, "--publish", "127.0.0.1::8000", image]:
            assert local(image).exists()
            start(name)
        case ["port", name, "8000"]:
            sys.stdout.write(f"127.0.0.1:{(STATE / f'{name}.port').read_text()}\n")
        case ["logs", name]:
            sys.stdout.write(f"what {name} logged\n")
        case ["rm", "--force", name]:
            os.kill(int((STATE / f"{name}.pid").read_text()), signal.SIGKILL)
        case ["login", "--username", "AWS", "--password-stdin", host]:
            assert sys.stdin.read().endswith("-auth-token")
            (STATE / host).touch()
        case ["image", "inspect", name]:
            built = {"Os": "linux", "Architecture": "amd64"}
            told = STATE / "inspect.json"
            built |= json.loads(told.read_text()) if told.exists() else {}
            sys.stdout.write(json.dumps([{**built, "RepoTags": [local(name).stem]}]))
        case ["tag", name, remote]:
            shutil.copy(local(name), local(remote))
        case ["push", "--quiet", remote]:
            assert (STATE / remote.split("/")[0]).exists(), "nobody logged in"
            push(remote)
        case _:
            sys.exit(f"docker: {arguments} is not known here")


def local(name: str) -> Path:
    return STATE / f"{quote(name, safe='')}.image"


def start(name: str) -> None:
    """Start the service as the image does: without a model, a database and a key."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "main.py", "--port", str(port)],
        env={**os.environ, "VAR_DIR": str(STATE / name), "MODEL_URI": str(STATE / "champion"),
             "DATABASE_URL": f"sqlite:///{STATE}/{name}.db"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    (STATE / f"{name}.port").write_text(str(port))
    (STATE / f"{name}.pid").write_text(str(process.pid))


def push(remote: str) -> None:
    """Put an image into the emulator's registry, which scans none of itself."""
    import boto3  # noqa: PLC0415 - takes a second, and most commands do without
    import httpx  # noqa: PLC0415

    repository, tag = remote.split("/", 1)[1].rsplit(":", 1)
    layer = f"sha256:{hashlib.sha256(local(remote).read_bytes()).hexdigest()}"
    form = STATE / "form"
    manifest = {
        "mediaType": form.read_text() if form.exists() else MANIFEST,
        "layers": [{"digest": layer, "size": 1}],
    }
    ecr = boto3.client("ecr", region_name=os.environ["AWS_REGION"])
    image = ecr.put_image(
        repositoryName=repository, imageManifest=json.dumps(manifest), imageTag=tag
    )["image"]
    digest = image["imageId"]["imageDigest"]
    ecr.start_image_scan(repositoryName=repository, imageId={"imageDigest": digest})
    findings = STATE / "findings.json"
    if findings.exists():
        found = json.loads(findings.read_text())
        result = {
            "registryId": image["registryId"], "repositoryName": repository,
            "imageId": {"imageDigest": digest}, "imageScanStatus": {"status": "COMPLETE"},
            "imageScanFindings": {"findings": found, "findingSeverityCounts": {}},
        }  # fmt: skip
        url = f"{os.environ['AWS_ENDPOINT_URL']}/moto-api/static/ecr/scan-finding-results"
        httpx.post(
            url, json={"results": [result], "region": ecr.meta.region_name}
        ).raise_for_status()


if __name__ == "__main__":
    main(sys.argv[1:])

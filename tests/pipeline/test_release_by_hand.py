"""`infra.py release`: a commit of this machine is built, deployed and asked, or taken back."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn

from aws_cloud_infra import infra
from aws_cloud_infra.commands.main import main
from aws_cloud_infra.operating import release
from sales_forecast.service.app import create_app
from tests.aws.account import Account
from tests.fakes import FakePredictor, LiveStub
from tests.pipeline.deployed_world import World, docker_in, world

Run = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parents[2]
NAME = "sales-forecast-production"


@pytest.fixture
def there(server: Account) -> Iterator[World]:
    """An empty account before a service that answers."""
    server.reset()
    with (
        world(server) as there,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        app = create_app(LiveStub(FakePredictor()))
        service = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=service.run, kwargs={"sockets": [listener]})
        thread.start()
        there.service_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        yield there
        service.should_exit = True
        thread.join()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    shutil.copy(ROOT / "Dockerfile", folder)
    git(folder, "init", "--quiet")
    commit(folder, "a first one")
    monkeypatch.setattr(release, "ROOT", folder)
    return folder


@pytest.fixture
def run(
    there: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Run:
    for name, value in (there.environment() | docker_in(tmp_path / "docker")).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("INFRA_ALLOW_HTTP", "true")
    monkeypatch.setattr(release, "ATTEMPTS", 1)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(infra.build, ["release", *arguments], operates=True)
        said = capfd.readouterr()
        return code, said.out, said.err

    return run


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.com")
    done = subprocess.run(["git", *who, *words], cwd=folder, capture_output=True, check=True)
    return done.stdout.decode().strip()


def commit(folder: Path, message: str) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(folder, "rev-parse", "--short=12", "HEAD")


def deployed(there: World) -> tuple[str, set[str]]:
    """Return the digest of the image that runs, and the tags that count."""
    session = there.account.session()
    (service,) = session.client("ecs").describe_services(cluster=NAME, services=[NAME])["services"]
    images = session.client("ecr").describe_images(repositoryName=NAME)["imageDetails"]
    tags = {tag for image in images for tag in image["imageTags"]}
    return (
        there.image_of(service["taskDefinition"]).rsplit("@", 1)[-1],
        {tag for tag in tags if not tag.startswith("candidate-")},
    )


def without_remedy(folder: Path, name: str) -> str:
    """Let AWS find something critical without saying more; return what Grype says of it."""
    found = {"name": name, "severity": "CRITICAL"}
    (folder / "docker" / "findings.json").write_text(json.dumps([found]))
    known = {"id": name, "severity": "Critical", "fix": {"state": "wont-fix"}}
    (folder / "grype.json").write_text(json.dumps({"matches": [{"vulnerability": known}]}))
    return str(folder / "grype.json")


def test_a_commit_is_released_into_an_empty_account_and_one_that_fails_is_taken_back(
    run: Run, there: World, repository: Path, tmp_path: Path
) -> None:
    first = git(repository, "rev-parse", "--short=12", "HEAD")
    code, out, err = run("--yes", "--report", without_remedy(tmp_path, "CVE-2025-0001"))
    assert 0 == code, err
    assert "let pass, no mended version: CVE-2025-0001" in out
    assert f"serve-{first}: released" in out
    assert "serves model fake-1" in out
    runs, tags = deployed(there)
    assert {f"serve-{first}", f"train-{first}"} == tags

    (repository / "Dockerfile").write_text("# changed\n")
    code, _, err = run("--yes")
    assert (1, True) == (code, err.startswith("There are changes that no commit has"))

    (tmp_path / "docker" / "findings.json").unlink()
    shutil.copy(ROOT / "Dockerfile", repository)
    second = commit(repository, "a second one")
    there.service_url = "http://127.0.0.1:9"
    code, out, err = run("--yes")
    assert 1 == code
    assert "does not answer as it should" in err
    assert f"serve-{second}: withdrawn" in out
    assert (runs, tags) == deployed(there)


def test_without_docker_it_is_said_and_nothing_is_made(
    run: Run, there: World, repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "git").symlink_to(str(shutil.which("git")))
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = "There is no `docker` here. Install it, and run it again.\n"
    assert (1, "", missing) == run("--yes")
    session = there.account.session()
    assert [] == session.client("ecr").describe_repositories()["repositories"]

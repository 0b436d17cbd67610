"""The images, as far as they can be judged without an engine.

What enters the serving image is put together here as the Dockerfile says, and run with nothing
but the packages of its lock.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path

import httpx
import pytest
from packaging.requirements import Requirement

from aws_cloud_infra.resources.containers.task_definition import USER, WRITABLE
from tests.dockerfile import IMAGES, ROOT, STAGES, enters, sources, steps
from tests.service.conftest import FORECAST
from tests.service.deployment import Deployment

TIMEOUT = 30

COPIED = sorted({source for stage in STAGES for source, _ in sources(stage)})


@pytest.mark.parametrize("source", COPIED)
def test_what_is_copied_is_there_and_let_in(source: str) -> None:
    assert (ROOT / source).exists()
    assert enters(source)


def test_nothing_enters_but_what_is_copied() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert sorted(line[1:] for line in lines if line.startswith("!")) == COPIED


@pytest.mark.parametrize(
    "path",
    [".env", ".git/config", "var/sales.db", "data/Walmart_Sales.csv", "requirements/dev.txt",
     "aws_cloud_infra/infra.py", "tests/test_container.py", "sales_forecast/__pycache__/a.pyc",
     "sales_forecast/service/__pycache__/a.pyc"],
)  # fmt: skip
def test_data_secrets_history_and_tests_stay_outside(path: str) -> None:
    assert not enters(path)


def test_the_service_is_what_is_built_where_no_target_is_named() -> None:
    assert list(STAGES)[-1] == "serve"


def test_all_stages_run_one_python_that_the_locks_are_made_for() -> None:
    (python,) = {steps(stage, "FROM")[0].rest.split()[0] for stage in STAGES}
    assert re.fullmatch(r"python:3\.1[123]-slim-trixie", python)


@pytest.mark.parametrize("image", IMAGES)
def test_packages_are_those_of_the_lock_by_hash(image: str) -> None:
    (copied,) = [s.rest for s in steps(image, "COPY") if s.rest.startswith("--from")]
    assert copied == f"--from={image}-packages /packages /usr/local"
    for install, lock in zip(steps(f"{image}-packages", "RUN"), ("pip", image), strict=True):
        words = set(install.rest.partition(" && ")[0].split())
        assert {"--require-hashes", "--no-deps", f"/{lock}.txt"} <= words
        assert set() == {"-q", "-qq", "--quiet"} & words, "it shows what it does"


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_runs_as_a_user_without_rights_that_owns_what_fargate_mounts(image: str) -> None:
    assert [step.rest for step in steps(image, "USER")] == [USER]
    (volumes,) = steps(image, "VOLUME")
    assert set(volumes.words) == set(WRITABLE.values())
    made = STAGES[image][: STAGES[image].index(volumes)]
    (owned,) = [step.rest for step in made if step.instruction == "RUN"]
    uid = USER.partition(":")[0]
    assert f"useradd --uid {uid} --user-group" in owned
    assert set(owned.rpartition("chown app:app ")[2].split()) == set(WRITABLE.values())


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_starts_a_program_and_no_shell(image: str) -> None:
    (start_it,) = steps(image, "CMD")
    python, script = start_it.words
    assert python == "python"
    assert (script, "./") in sources(image)


# What enters the serving image, run.


def link_packages(lock: Path, folder: Path) -> None:
    """Link what a lock names, as it is installed here, into a folder of its own."""
    folder.mkdir()
    for line in re.findall(r"^[a-z].*(?= \\$)", lock.read_text(), re.MULTILINE):
        package = Requirement(line)
        if package.marker is None or package.marker.evaluate():
            installed = distribution(package.name)
            names = {file.parts[0] for file in installed.files or ()} - {"..", "__pycache__"}
            assert names, f"{package.name} does not say what its files are"
            for name in names:
                if not (folder / name).exists():  # some share a namespace
                    (folder / name).symlink_to(Path(str(installed.locate_file(name))))


def without_pycache(folder: str, names: list[str]) -> list[str]:
    inside = Path(folder).relative_to(ROOT)
    return [name for name in names if not enters(str(inside / name))]


class Image:
    """The files of an image in a folder, its packages in another, and nothing else."""

    def __init__(self, name: str, folder: Path) -> None:
        self.app, packages = folder / "app", folder / "packages"
        self.app.mkdir()
        for source, destination in sources(name):
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, self.app / destination, ignore=without_pycache)
            else:
                shutil.copy(ROOT / source, self.app / destination)
        link_packages(ROOT / "requirements" / f"{name}.txt", packages)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = str(probe.getsockname()[1])
        self._environment = {
            **{k: v for step in steps(name, "ENV") for k, v in map(pair, step.rest.split())},
            "HOST": "127.0.0.1",
            "PORT": self.port,
            "REFRESH_SECONDS": "0.1",
            "PYTHONPATH": str(packages),
        }

    def start(self, words: list[str]) -> subprocess.Popen[bytes]:
        """Start a command of the image. `-S`: the packages installed here are not seen."""
        assert words[0] == "python"
        return subprocess.Popen(
            [sys.executable, "-S", *words[1:]], cwd=self.app, env=self._environment
        )

    def run(self, words: list[str]) -> int:
        with self.start(words) as process:
            return process.wait(TIMEOUT)

    @contextmanager
    def served(self) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
        with (
            self.start(steps("serve", "CMD")[0].words) as process,
            httpx.Client(base_url=f"http://127.0.0.1:{self.port}") as client,
        ):
            try:
                eventually(lambda: process.poll() is not None or get(client, "/health") != 0)
                assert process.poll() is None
                assert get(client, "/health") == httpx.codes.OK
                yield process, client
            finally:
                process.kill()


def pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def get(client: httpx.Client, path: str) -> int:
    try:
        return client.get(path).status_code
    except httpx.ConnectError:
        return 0


def eventually(holds: Callable[[], bool]) -> None:
    """Ask again and again; each answer takes a while."""
    deadline = time.monotonic() + TIMEOUT
    while not holds():
        assert time.monotonic() < deadline, "not in time"


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return Image("serve", tmp_path_factory.mktemp("image"))


def test_what_is_compiled_while_building_imports(serve: Image) -> None:
    (compiled,) = [s for s in steps("serve", "RUN") if s.rest.startswith("[")]
    assert serve.run(compiled.words) == 0


def test_nothing_of_this_environment_is_seen_in_it(serve: Image) -> None:
    assert serve.run(["python", "-c", "import pandas"]) == 1


def test_training_and_mlflow_with_its_artifacts_on_s3_have_what_they_import(tmp_path: Path) -> None:
    used = "train, database_loader, sales_forecast.training.promote, mlflow.server, boto3, pymysql"
    assert Image("train", tmp_path).run(["python", "-W", "ignore", "-c", f"import {used}"]) == 0


def test_it_starts_with_nothing_and_serves_as_soon_as_there_is_something(serve: Image) -> None:
    (health,) = steps("serve", "HEALTHCHECK")
    with serve.served() as (process, client):
        nothing = client.get("/ready")
        assert nothing.status_code == httpx.codes.SERVICE_UNAVAILABLE
        assert "There is no model bundle at var/champion" in nothing.json()["error"]["message"]
        assert serve.run(health.words) == 0

        deployment = Deployment(serve.app / "var")
        deployment.load()
        deployment.publish("")
        eventually(lambda: get(client, "/ready") == httpx.codes.OK)
        assert len(client.post("/forecast_sales", json=FORECAST).json()) == FORECAST["steps"]

        process.terminate()
        assert process.wait(TIMEOUT) == 0
    assert serve.run(health.words) == 1

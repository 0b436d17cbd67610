"""The steps of the workflow, really run: in a clean copy, against an emulated account."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.aws.account import Account
from tests.aws.mlflow_log import will_answer
from tests.pipeline.deployed_world import World, docker_in, world
from tests.pipeline.workflow_runner import Runner, Step, evaluate, failed, read_workflow
from tests.service.deployment import Deployment

ROOT = Path(__file__).parents[2]
JOBS = read_workflow(ROOT / "workflows" / "main.yml")["jobs"]
NAME = "sales-forecast-production"
REPOSITORY = "acme/forecasts"
TOOLS = ("bash", "curl", "jq", "make")


def commit(number: int) -> str:
    return f"{number:040x}"


class Site:
    """A repository of GitHub's, its account, and what is deployed there."""

    def __init__(self, folder: Path, environment: dict[str, str], there: World) -> None:
        self.folder = folder
        self.state = folder / "docker"
        self.environment = environment
        self.world = there
        self.session = there.account.session()

    variables: Mapping[str, str] = {
        "AWS_REGION": "eu-central-1", "AWS_ROLE_ARN": "arn", "INFRA_MAX_TASKS": "3",
    }  # fmt: skip

    def runner(self, sha: str, **overrides: str) -> Runner:
        known = {
            "vars": self.variables,
            "github": {"ref": "refs/heads/main", "sha": sha, "repository": REPOSITORY},
            "matrix": {"python": "3.13"},
        }
        return Runner(
            self.folder / "repository", {**self.environment, "GITHUB_SHA": sha}, known, overrides
        )

    def release(self, sha: str) -> list[Step]:
        return self.runner(sha).run(JOBS["build-and-deploy"])

    def scans_find(self, *names: str) -> None:
        """Let the scanner, which is an action, report critical findings that have a remedy."""
        found = [
            {"vulnerability": {"id": name, "severity": "Critical", "fix": {"state": "fixed"}}}
            for name in names
        ]
        for image in ("serve", "train"):
            file = self.folder / "repository" / f"{image}.json"
            file.write_text(json.dumps({"matches": found}))

    def start_service(self) -> None:
        """Start what the load balancer stands before, with the key that the account has made."""
        secrets = self.session.client("secretsmanager")
        key = secrets.get_secret_value(SecretId=f"{NAME}-api-key")["SecretString"]
        folder = self.folder / "deployed"
        folder.mkdir()
        deployment = Deployment(folder)
        deployment.load()
        deployment.publish("a first model")
        deployment.environment["API_KEY"] = key
        self._served = deployment.served()
        _, said = self._served.__enter__()
        self.world.service_url = next(w for w in said.split() if w.startswith("http")).rstrip(".,/")

    def stop_service(self) -> None:
        self._served.__exit__(None, None, None)

    def deployed(self) -> str:
        """Return the digest of the image that runs."""
        ecs = self.session.client("ecs")
        (service,) = ecs.describe_services(cluster=NAME, services=[NAME])["services"]
        return self.world.image_of(service["taskDefinition"]).rsplit("@", 1)[-1]

    def images(self) -> dict[str, str]:
        """Return the digest of every tag."""
        pages = self.session.client("ecr").describe_images(repositoryName=NAME)["imageDetails"]
        return {tag: image["imageDigest"] for image in pages for tag in image["imageTags"]}


@pytest.fixture(scope="module")
def site(server: Account, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An account in which the workflow has run once, from nothing."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"the steps of the workflow need {', '.join(missing)}: install them")
    folder = tmp_path_factory.mktemp("github")
    copy_repository(folder / "repository")
    server.reset()
    with world(server) as there:
        will_answer(server)
        made = Site(folder, {**there.environment(), **docker_in(folder / "docker")}, there)
        made.scans_find()
        assert {} == failed(made.runner(commit(1)).run(JOBS["deploy-infra"]))
        made.start_service()
        try:
            first = made.release(commit(1))
            assert {} == failed(first)
            yield made
        finally:
            made.stop_service()


def copy_repository(to: Path) -> None:
    """Copy what is no secret, no data and no cache; the environment stays what it is."""
    ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text().split()]
    shutil.copytree(ROOT, to, ignore=shutil.ignore_patterns(".git", *ignored), symlinks=True)
    (to / ".venv").symlink_to(sys.prefix)
    os.utime(to / "requirements" / "dev.txt", (0, 0))  # installed already


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_every_command_of_the_test_job_but_make_test_and_what_it_asks_for_is_run_here(
    site: Site, free_port: int
) -> None:
    commands = [step["run"] for step in JOBS["test"]["steps"] if "run" in step]
    installs, tests = commands[:2]
    assert installs.startswith("sudo apt-get update ")
    assert "make test" == tests
    runner = site.runner(commit(1), AWS_ENDPOINT_URL=f"http://127.0.0.1:{free_port}")
    steps = runner.run(JOBS["test"], but=[installs, tests])
    assert {} == failed(steps)
    assert [installs, tests] == [
        step.run for step in steps if step.outcome == "left out" and step.run
    ]
    assert "    + load balancer sales-forecast-production\n" in runner.summary
    assert "    + database sales-forecast-production\n" in runner.summary


def test_a_scan_that_finds_what_has_a_remedy_fails_before_anything_is_deployed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = [step for step in JOBS["test"]["steps"] if step.get("name") == "Judge what was found"]
    site.scans_find("CVE-2025-0001")
    try:
        (said,) = failed(site.runner(commit(1)).run({"steps": judge})).values()
        accepted = {**site.variables, "ACCEPTED_FINDINGS": "CVE-2025-0001"}
        monkeypatch.setattr(site, "variables", accepted)
        assert {} == failed(site.runner(commit(1)).run({"steps": judge}))
    finally:
        site.scans_find()
    assert "CVE-2025-0001 in serve.json, CVE-2025-0001 in train.json. There is a mended" in said


def test_the_first_run_deploys_the_image_of_its_commit_by_digest(site: Site) -> None:
    images = site.images()
    for kind in ("serve", "train"):
        tag = f"{kind}-{commit(1)}"
        assert images[tag] == images[f"candidate-{tag}"]
    assert site.deployed().startswith("sha256:")
    ecs = site.session.client("ecs")
    weekly = ecs.describe_task_definition(taskDefinition=f"{NAME}-weekly")["taskDefinition"]
    assert images[f"train-{commit(1)}"] in weekly["containerDefinitions"][0]["image"]
    scaling = site.session.client("application-autoscaling")
    (target,) = scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]
    assert 3 == target["MaxCapacity"], "INFRA_MAX_TASKS of the variables"


def test_the_service_was_asked_with_its_key_which_nobody_saw(site: Site) -> None:
    summary = site.runner(commit(1)).summary
    assert "serves model " in summary
    assert "forecast_sales" in summary
    secrets = site.session.client("secretsmanager")
    key = secrets.get_secret_value(SecretId=f"{NAME}-api-key")["SecretString"]
    assert key not in summary


def test_a_second_run_of_the_same_commit_changes_nothing(site: Site) -> None:
    before, deployed = site.images(), site.deployed()
    newest = next(tag for tag, digest in before.items() if digest == deployed)
    sha = newest.rsplit("-", 1)[1]
    infra = site.runner(sha).run(JOBS["deploy-infra"])
    again = site.release(sha)
    assert ({}, {}) == (failed(infra), failed(again))
    assert (before, deployed) == (site.images(), site.deployed())
    (push,) = [step for step in again if step.name == "Push, scan, release"]
    assert ": pushed" not in push.said


def test_a_critical_finding_stops_the_release_and_leaves_nothing_to_deploy(site: Site) -> None:
    before = site.deployed()
    finding = {"name": "CVE-2025-0001", "severity": "CRITICAL"}
    (site.state / "findings.json").write_text(json.dumps([finding]))
    try:
        steps = site.release(commit(2))
    finally:
        (site.state / "findings.json").unlink()
    assert ["Push, scan, release"] == list(failed(steps))
    assert f"CVE-2025-0001 in candidate-serve-{commit(2)}" in failed(steps)["Push, scan, release"]
    assert {f"candidate-serve-{commit(2)}", f"candidate-train-{commit(2)}"} == {
        tag for tag in site.images() if tag.endswith(commit(2))
    }
    assert "skipped" == steps[-1].outcome
    apply = [step for step in JOBS["deploy-infra"]["steps"] if "infra.py apply" in str(step)]
    assert {} == failed(site.runner(commit(2)).run({"steps": apply}))
    assert before == site.deployed()


def test_a_variable_that_is_no_setting_fails_before_anything_is_changed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "variables", {**site.variables, "INFRA_MAX_TASK": "3"})
    steps = site.runner(commit(1)).run(JOBS["deploy-infra"])
    ((step, said),) = failed(steps).items()
    assert "Plan MLflow" == step
    assert "INFRA_MAX_TASK: there is no such setting." in said
    assert {"skipped"} == {item.outcome for item in steps if item.name.startswith("Apply")}


@pytest.mark.parametrize("broken", ["tasks", "answers"])
def test_a_release_that_does_not_work_fails_and_the_one_before_comes_back(
    site: Site, broken: str
) -> None:
    before, sha = site.deployed(), commit(3 if broken == "tasks" else 4)
    url = site.world.service_url
    if broken == "tasks":
        site.world.sick.add(digest_of(site, f"serve REVISION={sha}"))
    else:
        site.world.service_url = f"{url}/elsewhere"
    try:
        steps = site.release(sha)
    finally:
        site.world.service_url = url
    ((step, said),) = failed(steps).items()
    assert ("Deploy" if broken == "tasks" else "Ask the service") == step
    assert ("rolled back" if broken == "tasks" else "does not answer as it should") in said
    assert ("Back to the release before", "success") == (steps[-1].name, steps[-1].outcome)
    assert before == site.deployed()
    assert f"candidate-serve-{sha}" in site.images()
    assert f"serve-{sha}" not in site.images()


def digest_of(site: Site, content: str) -> str:
    """Return the digest that the emulator will give to an image."""
    import hashlib  # noqa: PLC0415

    layer = f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"
    return f"sha256:{hashlib.sha256(layer.encode()).hexdigest()}"


def test_a_service_that_cannot_start_fails_the_job_before_anything_is_pushed(site: Site) -> None:
    main = site.folder / "repository" / "main.py"
    good = main.read_text()
    main.write_text("raise SystemExit(1)\n")
    runner = site.runner(commit(5))
    quick = json.loads(json.dumps(JOBS["build-and-deploy"]).replace("--retry 30", "--retry 1"))
    try:
        steps = runner.run(quick)
    finally:
        main.write_text(good)
    ((step, said),) = failed(steps).items()
    assert "Without a model it lives, and says what it lacks" == step
    assert "what smoke logged" in said
    assert [] == [tag for tag in site.images() if tag.endswith(commit(5))]


@pytest.mark.parametrize(
    ("ref", "region", "deploys"),
    [
        ("refs/heads/main", "eu-central-1", True),
        ("refs/heads/main", "", False),
        ("refs/heads/topic", "eu-central-1", False),
        ("refs/pull/7/merge", "eu-central-1", False),
    ],
)
def test_only_main_deploys_and_only_where_a_region_is_set(
    ref: str, region: str, deploys: bool
) -> None:
    known = {"github": {"ref": ref}, "vars": {"AWS_REGION": region} if region else {}}
    assert deploys is bool(evaluate(JOBS["deploy-infra"]["if"], known))
    assert "test" == JOBS["deploy-infra"]["needs"]
    assert "deploy-infra" == JOBS["build-and-deploy"]["needs"]


@pytest.mark.parametrize(
    ("role", "key", "outcome", "says"),
    [
        ("", "", "failure", "::error::AWS_REGION is set, but not who logs in"),
        ("", "AKIA", "success", "::warning::Logging in with a key that never expires."),
        ("arn", "", "success", ""),
    ],
)
def test_who_logs_in_to_aws_is_said_before_anything_is_done(
    tmp_path: Path, role: str, key: str, outcome: str, says: str
) -> None:
    job: dict[str, Any] = JOBS["deploy-infra"]
    steps = [step for step in job["steps"] if step.get("name") == "Who logs in to AWS"]
    known = {"vars": {"AWS_ROLE_ARN": role}, "secrets": {"AWS_ACCESS_KEY_ID": key}}
    (done,) = Runner(tmp_path, {"PATH": os.environ["PATH"]}, known).run({"steps": steps})
    assert outcome == done.outcome
    assert done.said.startswith(says)
    assert bool(says) is bool(done.said)

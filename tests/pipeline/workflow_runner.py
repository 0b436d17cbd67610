"""Runs the jobs of a workflow as GitHub does, as far as this one needs: `run` steps and `if`."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")
_MARKED = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_NAME = re.compile(r"\b(?:vars|secrets|github|matrix|steps)(?:\.[\w-]+)+")


def read_workflow(file: Path) -> dict[str, Any]:
    """Return a workflow; YAML takes its key `on` for a truth value."""
    return yaml.safe_load(file.read_text())


def evaluate(expression: str, known: Mapping[str, Any], *, failed: bool = False) -> Any:
    """Return the value of an expression of GitHub's; a name that is not known is empty there."""

    def value(match: re.Match[str]) -> str:
        found: Any = known
        for part in match[0].split("."):
            found = found.get(part, "") if isinstance(found, Mapping) else ""
        return repr(found)

    python = _NAME.sub(value, expression.replace("&&", " and ").replace("||", " or "))
    calls = {
        "failure": lambda: failed,
        "toJSON": json.dumps,
        **{name: content for name, content in known.items() if name == "vars"},
    }
    return eval(python.strip(), {"__builtins__": {}}, calls)  # noqa: S307 - of our own workflow


def fill(text: Any, known: Mapping[str, Any]) -> str:
    """Return a text with its `${{ }}` replaced."""
    return _MARKED.sub(lambda match: str(evaluate(match[1], known)), str(text))


@dataclass(frozen=True)
class Step:
    """What became of a step; `said` is what it printed."""

    name: str
    run: str
    outcome: str
    said: str = ""


@dataclass
class Runner:
    """A machine of GitHub's: a folder with the repository, and what its steps are told."""

    folder: Path
    environment: Mapping[str, str]
    known: Mapping[str, Any] = field(default_factory=dict)
    overrides: Mapping[str, str] = field(default_factory=dict)
    """What a step is told in place of what it says itself: a port that is free."""

    def run(self, job: Mapping[str, Any], but: Sequence[str] = ()) -> list[Step]:
        """Run the steps of a job, but those whose command is in `but`; actions are skipped."""
        files = {name: self.folder / f"{name}.txt" for name in ("GITHUB_ENV", "GITHUB_OUTPUT")}
        for file in files.values():
            file.write_text("")
        steps: list[Step] = []
        outcomes: dict[str, dict[str, str]] = {}
        for step in job["steps"]:
            failed = any(item.outcome == "failure" for item in steps)
            known = {**self.known, "steps": outcomes}
            condition = step.get("if", "true").replace("true", "True")
            wanted = evaluate(condition, known, failed=failed)
            if (failed and "failure()" not in condition) or not wanted:
                done = self._named(step, "skipped")
            elif "uses" in step or step["run"] in but:
                done = self._named(step, "left out")
            else:
                told = {
                    **self.environment,
                    **{name: str(path) for name, path in files.items()},
                    "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"),
                    **{name: fill(text, known) for name, text in job.get("env", {}).items()},
                    **dict(
                        line.split("=", 1) for line in files["GITHUB_ENV"].read_text().splitlines()
                    ),
                    **{name: fill(text, known) for name, text in step.get("env", {}).items()},
                    **self.overrides,
                }
                done = self._execute(step, fill(step["run"], known), told)
            outcomes[step.get("id", f"step {len(steps)}")] = {"outcome": done.outcome}
            steps.append(done)
        return steps

    @property
    def summary(self) -> str:
        return (self.folder / "summary.md").read_text()

    def _named(self, step: Mapping[str, Any], outcome: str, said: str = "") -> Step:
        return Step(step.get("name", ""), step.get("run", ""), outcome, said)

    def _execute(self, step: Mapping[str, Any], script: str, told: Mapping[str, str]) -> Step:
        process = subprocess.Popen(
            [*_BASH, script], cwd=self.folder, env=told, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        said, _ = process.communicate(timeout=300)
        with suppress(ProcessLookupError):  # what the step has left behind
            os.killpg(process.pid, signal.SIGTERM)
        return self._named(step, "failure" if process.returncode else "success", said)


def failed(steps: Sequence[Step]) -> dict[str, str]:
    """Return the steps that failed, each with what it printed."""
    return {step.name: step.said for step in steps if step.outcome == "failure"}

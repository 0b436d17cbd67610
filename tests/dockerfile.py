"""The Dockerfile and `.dockerignore`, read: as much of their language as they use."""

from __future__ import annotations

import json
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
IMAGES = ("serve", "train")


class Step(NamedTuple):
    instruction: str
    rest: str

    @property
    def words(self) -> list[str]:
        """The command in exec form. Fails for any other form."""
        words: list[str] = json.loads(self.rest[self.rest.index("[") :])
        return words


def read_stages() -> dict[str, list[Step]]:
    """Return the steps of each stage by its name, those of the stage it begins with first."""
    stages: dict[str, list[Step]] = {}
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    for line in text.splitlines():
        step = Step(*line.split(maxsplit=1)) if line and not line.startswith("#") else None
        if step and step.instruction == "FROM":
            image, _, name = step.rest.split()
            steps = stages[name] = [*stages.get(image, [step])]
        elif step:
            steps.append(step)
    return stages


STAGES = read_stages()


def steps(stage: str, instruction: str) -> list[Step]:
    return [step for step in STAGES[stage] if step.instruction == instruction]


def sources(stage: str) -> list[tuple[str, str]]:
    """Return what a stage copies from the repository: source, destination."""
    return [
        (source, words[-1])
        for words in (step.rest.split() for step in steps(stage, "COPY"))
        if not words[0].startswith("--from")
        for source in words[:-1]
    ]


def enters(path: str) -> bool:
    """Return whether `.dockerignore` lets a path in: the last line that matches it decides."""
    let_in = True
    candidates = [PurePosixPath(path), *PurePosixPath(path).parents][:-1]
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if line.startswith("#"):
            continue
        anywhere = pattern.startswith("**/")
        if any(
            fnmatch(part.name, pattern[3:]) if anywhere else fnmatch(str(part), pattern)
            for part in candidates
        ):
            let_in = line.startswith("!")
    return let_in

"""What stands beside the package calls commands that the package has."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "pipelines"
FILES = [*FOLDER.rglob("*.yml"), *FOLDER.rglob("*.py"), ROOT / "docs" / "pipelines.md"]
COMMAND = re.compile(r"python (\w+\.py\b[^\"'`&\n]*)")
COMMANDS = sorted({
    command.strip() for file in FILES for command in COMMAND.findall(file.read_text())
})  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_one_that_our_parsers_know(command: str) -> None:
    done = subprocess.run(
        [sys.executable, *shlex.split(command)],
        cwd=ROOT, env={**os.environ, "DATABASE_URL": "nowhere"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    # Wrong usage would be 2, before any setting is read.
    assert 1 == done.returncode, done.stderr
    assert re.search(r"DATABASE_URL|FILE", done.stderr)


def test_each_part_names_a_test_that_is_there_and_the_variable_that_starts_it() -> None:
    text = (ROOT / "docs" / "pipelines.md").read_text()
    table = re.search(r"^\| part \|.*\n\| ---.*\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert table
    rows = table[1].splitlines()
    assert len(rows) > 10
    for row in rows:
        last = row.rstrip(" |").rpartition(" | ")[2]
        tests = re.findall(r"tests/[\w/.]*", last)
        assert tests, f"no test: {row}"
        assert all((ROOT / test).exists() for test in tests), row
        for variable, test in re.findall(r"([A-Z]+)=1 pytest (tests/\S+\.py)", last):
            assert f'"{variable}"' in (ROOT / test).read_text(), row


def test_every_test_that_a_page_names_is_there() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    named = {
        (page.name, test)
        for page in pages
        for test in re.findall(r"\btests/[\w/]+\.py\b", page.read_text())
    }
    assert set() == {(page, test) for page, test in named if not (ROOT / test).exists()}


def test_nothing_of_the_package_is_imported_there() -> None:
    for file in FOLDER.rglob("*.py"):
        assert not re.search(
            r"^\s*(?:import|from) sales_forecast\b", file.read_text(), re.MULTILINE
        )

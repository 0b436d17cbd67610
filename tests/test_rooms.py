"""The rooms of the package: `make check` refuses an import that runs up, and the like."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "sales_forecast"
FLOORS, CIRCLES, REQUESTS = (
    "rooms: imports run down only",
    "rooms: modules of a room go in no circle",
    "rooms: what answers requests",
)
PLANTED = [
    (
        "data/panel.py",
        f"from {PACKAGE}.models.base import too_short",
        "rooms: imports run down only",
    ),
    ("bundles/manifest.py", f"import {PACKAGE}.evaluation.metrics", FLOORS),
    ("service/live.py", f"import {PACKAGE}.training.gate", FLOORS),
    ("newroom/__init__.py", "", FLOORS),
    ("data/panel.py", f"import {PACKAGE}.data.rows", CIRCLES),
    ("service/routes.py", "import pandas", REQUESTS),
    ("service/routes.py", f"import {PACKAGE}.models.trees", REQUESTS),
]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a folder with the package and its rules, to be spoilt."""
    shutil.copytree(
        ROOT / PACKAGE, tmp_path / PACKAGE, ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def linted(folder: Path) -> subprocess.CompletedProcess[str]:
    command = "from importlinter.cli import lint_imports_command as c; c(['--no-cache'])"
    return subprocess.run(
        [sys.executable, "-c", command], cwd=folder, capture_output=True, text=True, check=False
    )


def test_the_package_keeps_its_rules(copy):
    done = linted(copy)
    assert 0 == done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(("file", "line", "rule"), PLANTED)
def test_a_planted_import_breaks_the_rule_that_forbids_it(copy, file, line, rule):
    module = copy / PACKAGE / file
    module.parent.mkdir(exist_ok=True)
    before = module.read_text() if module.exists() else ""
    module.write_text(f"{before}\n{line}\n")
    done = linted(copy)
    assert 0 != done.returncode
    broken = [text for text in done.stdout.splitlines() if text.endswith("BROKEN")]
    assert any(text.startswith(rule) for text in broken) or rule in done.stdout + done.stderr

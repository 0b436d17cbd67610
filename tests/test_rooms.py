"""The rooms of the package: `make check` refuses an import that runs up, and the like."""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path

import pytest

from tests.linter import ROOT, lint

PACKAGE = "sales_forecast"
FOLDERS = (PACKAGE, "aws_cloud_infra", "pipelines", "benchmarks", "tests")
MOST_LINES = 250
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
    (tmp_path / "aws_cloud_infra").mkdir()
    (tmp_path / "aws_cloud_infra" / "__init__.py").touch()
    return tmp_path


def test_the_package_keeps_its_rules(copy):
    code, said = lint(copy, "rooms")
    assert 0 == code, said


@pytest.mark.parametrize(("file", "line", "rule"), PLANTED)
def test_a_planted_import_breaks_the_rule_that_forbids_it(copy, file, line, rule):
    module = copy / PACKAGE / file
    module.parent.mkdir(exist_ok=True)
    before = module.read_text() if module.exists() else ""
    module.write_text(f"{before}\n{line}\n")
    code, said = lint(copy, "rooms")
    assert 0 != code
    assert rule in said


@pytest.mark.parametrize("folder", FOLDERS[:-1])
def test_a_module_of_more_than_250_lines_says_why_at_its_head(folder):
    unexplained = []
    for module in (ROOT / folder).rglob("*.py"):
        text = module.read_text()
        head = " ".join((ast.get_docstring(ast.parse(text)) or "").split()).lower()
        if len(text.splitlines()) > MOST_LINES and "longer than other modules" not in head:
            unexplained.append(module)
    assert [] == unexplained


def test_the_modules_that_the_documentation_names_are_there():
    modules = [of for folder in FOLDERS for of in (ROOT / folder).rglob("*.py")]
    there = {f"/{module.relative_to(ROOT)}" for module in [*ROOT.glob("*.py"), *modules]}
    missing = [
        (page.name, named)
        for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
        if page.name != "CHANGELOG.md"
        for named in re.findall(r"`([\w/]+\.py)`", page.read_text())
        if not any(of.endswith(f"/{named}") for of in there)
    ]
    assert [] == missing

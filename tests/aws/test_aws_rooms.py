"""The contracts on imports of `aws_cloud_infra` name whoever breaks them: tried on a copy of it."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest

from tests.linter import ROOT, lint


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy the package, and of `sales_forecast` what it may know and a module that it may not."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "aws_cloud_infra", tmp_path / "aws_cloud_infra", ignore=ignored)
    other = tmp_path / "sales_forecast"
    (other / "commands").mkdir(parents=True)
    for name in ("__init__.py", "errors.py", "commands/__init__.py", "commands/ending.py"):
        shutil.copy(ROOT / "sales_forecast" / name, other / name)
    (other / "sample.py").touch()
    return tmp_path


def plant(folder: Path, module: str, planted: str) -> None:
    """Let a module of the copy import something more."""
    with (folder / "aws_cloud_infra" / f"{module.replace('.', '/')}.py").open("a") as file:
        file.write(f"import {planted}\n")


def test_the_package_as_it_is_keeps_its_contracts(copy: Path) -> None:
    code, said = lint(copy, "aws")
    assert "4 kept, 0 broken" in said
    assert 0 == code


@pytest.mark.parametrize(
    ("module", "planted"),
    [
        ("engine.plan", "aws_cloud_infra.stacks"),
        ("infra", "aws_cloud_infra.release"),
        ("resources.network.vpc", "aws_cloud_infra.resources.data.bucket"),
        ("account.clients", "sales_forecast.sample"),
    ],
    ids=["up a floor", "into the room next door", "up among the resources", "other than errors"],
)
def test_a_wrong_import_is_named(copy: Path, module: str, planted: str) -> None:
    plant(copy, module, planted)
    code, said = lint(copy, "aws")
    assert f"aws_cloud_infra.{module} -> {planted}" in said
    assert 1 == code


def test_an_import_that_comes_back_is_refused_within_a_room_as_well(copy: Path) -> None:
    plant(copy, "account.cron", "aws_cloud_infra.account.settings")
    code, said = lint(copy, "aws")
    assert "No cycles are allowed in aws_cloud_infra.account." in said
    assert 1 == code


@pytest.mark.parametrize("room", ["attic", "resources/attic"])
def test_a_new_room_without_a_floor_is_named(copy: Path, room: str) -> None:
    folder = copy / "aws_cloud_infra" / room
    folder.mkdir()
    (folder / "__init__.py").touch()
    code, said = lint(copy, "aws")
    assert f"- aws_cloud_infra.{room.replace('/', '.')}\n" in said
    assert 1 == code


def test_each_kind_of_resource_has_a_module_of_its_own() -> None:
    crowded = {
        file.name: kinds
        for file in ROOT.glob("aws_cloud_infra/resources/**/*.py")
        if len(kinds := kinds_in(file)) > 1
    }
    assert {} == crowded


def kinds_in(file: Path) -> list[str]:
    """Return the classes of a module that say what people call them."""
    return [
        node.name
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.ClassDef)
        for item in node.body
        if isinstance(item, ast.Assign) and ast.unparse(item.targets[0]) == "kind"
    ]

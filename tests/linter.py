"""import-linter on a copy of a package, so that a copy can be spoilt."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
_LINTER = Path(sys.executable).with_name("lint-imports")


def lint(folder: Path, rules: str) -> tuple[int, str]:
    """Return exit code and words of the linter, asked for the contracts named `rules: ...`."""
    project = ROOT / "pyproject.toml"
    contracts = tomllib.loads(project.read_text())["tool"]["importlinter"]["contracts"]
    ours = [contract["id"] for contract in contracts if contract["name"].startswith(f"{rules}:")]
    assert ours
    done = subprocess.run(
        [_LINTER, project, "--no-cache", "--no-logo", *(f"--contract={name}" for name in ours)],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr

"""What stands beside the package: scripts of `pipelines/`, and the environments of their locks."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

PIPELINES = Path(__file__).parents[1] / "pipelines"


def script(name: str) -> ModuleType:
    """Return a script of `pipelines/`, which is in no package."""
    spec = importlib.util.spec_from_file_location(name.replace("/", "_"), PIPELINES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def locked(name: str, folder: Path) -> Iterator[Path]:
    """Give the programs that the lock of a folder of `pipelines/` makes; they are large, and go."""
    uv, made = Path(sys.executable).with_name("uv"), folder / name
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, made], check=True)
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--python", made, "--require-hashes",
         "--compile-bytecode", "--requirements", PIPELINES / name / "requirements.txt"],
        check=True,
    )  # fmt: skip
    try:
        yield made / "bin"
    finally:
        shutil.rmtree(made)

"""The locks: complete, packages pinned with hashes, no addresses, and installed as they are."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "requirements"
LOCKS = sorted(file.name for file in FOLDER.glob("*.txt"))
OLDEST_PIP = "22.3" if sys.version_info < (3, 12) else "23.2.1"
"""That of Python 3.11.0, and that of 3.12.0."""


def pins(lock: str) -> set[str]:
    """Return each pinned package with its version and marker."""
    text = (FOLDER / lock).read_text().replace("\\\n", " ")
    return {re.split(r"\s+--hash", line)[0] for line in text.splitlines() if line.strip()}


def name_of(pin: str) -> str:
    return re.split(r"\[|==", pin)[0]


def applying(lock: str) -> dict[str, Requirement]:
    """Return what a lock pins for this machine, by name."""
    named = map(Requirement, pins(lock))
    return {one.name: one for one in named if one.marker is None or one.marker.evaluate()}


def asked_by(pin: Requirement) -> list[Requirement]:
    """Return what a package that is installed here asks for on this machine."""
    return [
        asked
        for asked in map(Requirement, requires(pin.name) or ())
        if asked.marker is None
        or any(asked.marker.evaluate({"extra": extra}) for extra in ("", *pin.extras))
    ]


def test_there_is_a_lock_for_development_for_each_image_and_for_pip() -> None:
    assert ["dev.txt", "pip.txt", "serve.txt", "train.txt"] == LOCKS


@pytest.mark.parametrize("lock", ["dev.txt", "serve.txt", "train.txt"])
def test_a_lock_is_complete(lock: str) -> None:
    """Nothing is resolved while it is installed, so what is missing would stay missing."""
    pinned = applying(lock)
    versions = {name: str(pin.specifier).removeprefix("==") for name, pin in pinned.items()}
    asked = [one for pin in pinned.values() for one in asked_by(pin)]
    assert len(asked) >= len(pinned)
    for one in asked:
        assert one.specifier.contains(versions[canonicalize_name(one.name)], prereleases=True), one


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_pinned_with_a_hash_and_nothing_names_an_address(lock: str) -> None:
    text = (FOLDER / lock).read_text().replace("\\\n", " ")
    for line in filter(None, text.splitlines()):
        assert re.match(r"[a-z0-9-]+(\[[a-z0-9,-]+\])?==\S+ .*--hash=sha256:[0-9a-f]{64}", line), (
            line
        )
    assert "://" not in text


def test_an_extra_that_a_package_asks_for_is_pinned_with_the_package() -> None:
    """Else an older pip takes the newest release of it, which no hash vouches for."""
    pinned = {re.split(r"==", pin)[0] for pin in pins("dev.txt")}
    asked = {
        f"{requirement.name}[{','.join(sorted(requirement.extras))}]"
        for distribution in distributions()
        for requirement in map(Requirement, distribution.requires or ())
        if requirement.extras and (requirement.marker is None or requirement.marker.evaluate())
    }
    names = {name_of(pin) for pin in pins("dev.txt")}
    assert {"coverage[toml]"} <= asked
    assert {one for one in asked if name_of(one) in names} <= pinned


def wheel(folder: Path, name: str, version: str) -> Path:
    """Make a package without code that asks for what the real one of the name asks for."""
    try:
        asked = requires(name) or []
    except PackageNotFoundError:  # it is for another system
        asked = []
    stem = f"{name.replace('-', '_')}-{version}"
    metadata = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {one}" for one in asked)]
    file = folder / f"{stem}-py3-none-any.whl"
    parts = {
        "METADATA": "\n".join(["Metadata-Version: 2.1", *metadata]),
        "WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n",
        "RECORD": "",
    }
    with zipfile.ZipFile(file, "w") as content:
        for part, text in parts.items():  # without the time of day: made twice, the hash is equal
            content.writestr(zipfile.ZipInfo(f"{stem}.dist-info/{part}"), text)
    return file


def of_tiny_wheels(lock: str, wheels: Path) -> str:
    """Return the lock with the hashes of wheels that are made here, each beside a newer release."""
    lines = []
    for pin in pins(lock):
        name, version = re.match(r"([^\[=]+).*==(\S+)", pin).groups()
        wheel(wheels, name, "9999")
        digest = hashlib.sha256(wheel(wheels, name, version).read_bytes()).hexdigest()
        lines.append(f"{pin} --hash=sha256:{digest}\n")
    return "".join(lines)


def test_the_oldest_pip_sets_up_what_is_locked_whatever_was_released_since(tmp_path: Path) -> None:
    wheels, locks = tmp_path / "wheels", tmp_path / "requirements"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(wheels)]
    for what in (["--require-hashes", "-r", FOLDER / "pip.txt"], [f"pip=={OLDEST_PIP}"]):
        fetched = subprocess.run([*pip, *what], capture_output=True, text=True, check=False)
        if fetched.returncode and "CI" not in os.environ:
            pytest.skip(f"No pip to be had: {fetched.stderr.splitlines()[-1]}")
        assert fetched.returncode == 0, fetched.stderr
    shutil.copytree(FOLDER, locks)
    shutil.copy(ROOT / "Makefile", tmp_path)
    for lock in ("serve.txt", "train.txt", "dev.txt"):
        (locks / lock).write_text(of_tiny_wheels(lock, wheels))

    python = tmp_path / ".venv/bin/python"
    environment = {"PATH": os.environ["PATH"], "PIP_CONFIG_FILE": os.devnull}
    environment |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
    for command in (
        [sys.executable, "-m", "venv", python.parents[1]],
        [python, "-m", "pip", "install", "--quiet", f"pip=={OLDEST_PIP}"],
        ["make", "setup"],
    ):
        subprocess.run(command, cwd=tmp_path, env=environment, check=True)

    (site,) = python.parents[1].glob("lib/*/site-packages")
    installed = {f"{one.name}=={one.version}" for one in distributions(path=[str(site)])}
    locked = applying("dev.txt") | applying("pip.txt")
    assert {f"{pin.name}{pin.specifier}" for pin in locked.values()} == installed


def test_serving_needs_a_part_of_the_same_versions_and_no_training_library() -> None:
    serving, training, everything = (
        {re.sub(r"\[.*?\]", "", pin.split(" ;")[0]) for pin in pins(f"{lock}.txt")}
        for lock in ("serve", "train", "dev")
    )
    assert serving < training < everything
    names = {name_of(pin) for pin in serving}
    assert {"fastapi", "onnxruntime", "sqlalchemy", "pymysql"} <= names
    assert set() == names & {"pandas", "scikit-learn", "xgboost", "statsmodels", "mlflow", "scipy"}


def test_what_only_those_who_name_it_need_is_in_no_image() -> None:
    named = {"catboost", "lightgbm", "torch"}
    images, everything = (
        {name_of(pin) for lock in locks for pin in pins(lock)}
        for locks in (["serve.txt", "train.txt"], ["dev.txt"])
    )
    assert set() == named & images
    assert {"catboost", "lightgbm"} == named & everything

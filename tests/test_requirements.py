"""The locks: every package pinned with hashes, no addresses, and serving is a part of the rest."""

from __future__ import annotations

import re
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

FOLDER = Path(__file__).parents[1] / "requirements"
LOCKS = sorted(file.name for file in FOLDER.glob("*.txt"))


def pins(lock: str) -> set[str]:
    """Return each pinned package with its version and marker."""
    text = (FOLDER / lock).read_text().replace("\\\n", " ")
    return {re.split(r"\s+--hash", line)[0] for line in text.splitlines() if line.strip()}


def name_of(pin: str) -> str:
    return re.split(r"\[|==", pin)[0]


def test_there_is_a_lock_for_development_and_one_for_each_image() -> None:
    assert ["dev.txt", "serve.txt", "train.txt"] == LOCKS


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

"""A folder with a manifest is loaded if it is what the manifest says, and not otherwise."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from contextlib import closing
from pathlib import Path

import pytest

import database_loader
from sales_forecast.data.database import Database
from tests.builders import panel_of_layout

STORES = "stores.csv.gz"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Departments with a manifest, one file packed, and an empty folder to be in."""
    there = tmp_path / "delivery"
    there.mkdir()
    panel_of_layout("departments", there)
    (there / STORES).write_bytes(gzip.compress((there / "stores.csv").read_bytes()))
    (there / "stores.csv").unlink()
    tell(there)
    monkeypatch.chdir(tmp_path)
    return there


def tell(folder: Path, **otherwise: object) -> None:
    files = []
    for name, rows in (("train.csv", 5), ("features.csv", 6), (STORES, 2)):
        content = (folder / name).read_bytes()
        files.append({
            "name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(),
            "rows": rows,
        })  # fmt: skip
    files[-1] |= otherwise
    (folder / "manifest.json").write_text(json.dumps({"files": files}))


def load(folder: Path) -> int:
    return database_loader.main(["--csv", str(folder), "--layout", "departments"])


def test_what_is_as_its_manifest_says_is_loaded(folder: Path) -> None:
    assert 0 == load(folder)
    with closing(Database("sqlite:///var/sales.db")) as database:
        assert database.source() == str(folder)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda at: (at / STORES).unlink(), f"{STORES}: the manifest names it, and it is not"),
        (lambda at: (at / STORES).write_bytes(b"half"), f"{STORES}: its 4 bytes are not the "),
        (lambda at: tell(at, sha256="0" * 64), r" of the manifest \(SHA-256\); deliver it "),
        (lambda at: tell(at, rows=3), f"{STORES}: has 2 rows, and by the manifest 3$"),
        (lambda at: tell(at, rows="many"), "manifest.json: files.2.rows must be a whole number"),
        (lambda at: (at / "manifest.json").write_text("{"), "manifest.json: "),
        (
            lambda at: ((at / STORES).write_bytes(b"Store,Type,Size"), tell(at)),
            f"{STORES}: this is no gzip file; give it a name without .gz",
        ),
        (
            lambda at: ((at / STORES).write_bytes((at / STORES).read_bytes()[:-9]), tell(at)),
            f"{STORES}: is no whole gzip file; pack or fetch it again$",
        ),
    ],
)
def test_what_is_not_is_refused_in_a_line(
    folder: Path, capsys: pytest.CaptureFixture[str], harm, said: str
) -> None:
    harm(folder)
    assert 1 == load(folder)
    refused = capsys.readouterr().err
    assert 1 == refused.replace(f"Reading {folder}.\n", "").count("\n")
    assert re.search(said, refused.strip())
    assert not Path("var/sales.db").exists()

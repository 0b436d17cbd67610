"""A folder that says what is in it: `manifest.json` names files, their bytes, SHA-256 and rows.

Takes a path, and raises DataRefused where a manifest is there and anything is otherwise. A path
without one is no delivery, and is let through. Must not know what its rows, the lines below the
header, mean.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from sales_forecast.data.files.csv_table import in_reach, unpacked
from sales_forecast.errors import DataRefused, in_words

MANIFEST = "manifest.json"
_LATER = "deliver it again, or wait until whoever writes it is done"


class _File(BaseModel):
    model_config = ConfigDict(frozen=True)

    name: str
    bytes: int
    sha256: str
    rows: int


class _Manifest(BaseModel):
    files: tuple[_File, ...]


def check(folder: Path) -> None:
    """Hold a folder to its manifest, if it has one. Raises DataRefused."""
    manifest = folder / MANIFEST
    try:
        with in_reach(folder):
            if not manifest.is_file():
                return
            told = _Manifest.model_validate_json(manifest.read_bytes())
    except ValidationError as error:
        raise DataRefused(manifest, in_words(error.errors(include_url=False)[0])) from None
    for file in told.files:
        _check(folder / file.name, file)


def _check(path: Path, told: _File) -> None:
    if not path.is_file():
        raise DataRefused(path, f"the manifest names it, and it is not there; {_LATER}")
    with in_reach(path):
        content = path.read_bytes()
    if (len(content), hashlib.sha256(content).hexdigest()) != (told.bytes, told.sha256):
        problem = f"its {len(content):,} bytes are not the {told.bytes:,} of the manifest"
        raise DataRefused(path, f"{problem} (SHA-256); {_LATER}")
    rows = sum(1 for line in unpacked(path, content).split(b"\n") if line.strip()) - 1
    if rows != told.rows:
        problem = f"has {rows:,} rows, and by the manifest {told.rows:,}"
        raise DataRefused(path, problem)

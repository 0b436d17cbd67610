"""The bundle: everything the service needs of a training, as one folder.

`manifest.json` (what it is, its parameters, scores and golden rows), `trees.onnx` (both tree
models) and the backtest tables it was judged by. Takes and gives plain data: no pickle, so a
bundle from a bucket cannot run code. A bundle appears whole or not at all, and is checked
against its own checksums when read. Must not know how models are fitted or served.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from sales_forecast.bundles.manifest import Manifest
from sales_forecast.data.panel import Panel
from sales_forecast.errors import BundleRefused, SettingsError
from sales_forecast.features.features import FEATURE_NAMES

MANIFEST, TREES = "manifest.json", "trees.onnx"
CHAMPION, CHALLENGER = "champion", "challenger"
"""What a bundle can be called: the alias in the registry, and the link beside the bundles."""


@dataclass(frozen=True)
class Bundle:
    """A bundle that was read whole, its checksums right."""

    manifest: Manifest
    trees: bytes


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write_bundle(folder: Path, manifest: Manifest, files: Mapping[str, bytes]) -> Path:
    """Write a bundle so that `folder` either holds all of it or does not exist.

    An existing folder of that name is the same bundle (versions are hashes) and is kept.
    Raises SettingsError where nothing can be written.
    """
    if folder.exists():
        return folder
    sealed = manifest.model_copy(
        update={"checksums": {name: _checksum(content) for name, content in files.items()}}
    )
    with _writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder.parent))
        try:
            everything = {**files, MANIFEST: sealed.model_dump_json(indent=1).encode()}
            for name, content in everything.items():
                with (aside / name).open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            aside.chmod(0o755)
            aside.rename(folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return folder


@contextmanager
def _writing(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SettingsError(f"{place} cannot be written: {error.strerror}.") from error


def point(link: Path, folder: Path) -> None:
    """Make `link` name `folder`, in one step: a reader sees the old bundle or the new one."""
    with _writing(link):
        link.parent.mkdir(parents=True, exist_ok=True)
        aside = link.with_name(f".{link.name}-{os.getpid()}")
        aside.unlink(missing_ok=True)
        aside.symlink_to(os.path.relpath(folder, link.parent))
        aside.replace(link)


def read_bundle(folder: Path) -> Bundle:
    """Read and check a bundle.

    Raises BundleRefused: nothing there, damaged, or written in another format.
    """
    manifest = read_manifest(folder)
    contents = {}
    for name, expected in manifest.checksums.items():
        try:
            contents[name] = (folder / name).read_bytes()
        except OSError as error:
            raise BundleRefused(f"{folder}: {name} cannot be read: {error.strerror}") from error
        if _checksum(contents[name]) != expected:
            raise BundleRefused(f"{folder}: {name} is damaged: its checksum is not the manifest's")
    if manifest.kind == "models" and TREES not in contents:
        raise BundleRefused(f"{folder}: {TREES} is missing")
    return Bundle(manifest, contents.get(TREES, b""))


def read_manifest(folder: Path) -> Manifest:
    """Read what a bundle says of itself. Raises BundleRefused."""
    try:
        text = (folder / MANIFEST).read_bytes()
    except OSError as error:
        raise BundleRefused(
            f"no model bundle at {folder} ({error.strerror}). Run `python train.py` first, "
            "or set MODEL_URI.",
            {"model_uri": str(folder)},
        ) from error
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BundleRefused(
            f"{folder / MANIFEST}: {where}: {first['msg']}. Run `python train.py` again."
        ) from None


def trained_on(panel: Panel, folders: Sequence[Path]) -> Manifest | None:
    """Return the first of some bundles that this code made of exactly this panel, if any."""
    for folder in folders:
        try:
            manifest = read_manifest(folder)
        except BundleRefused:
            continue
        current = manifest.kind == "baseline" or manifest.feature_names == FEATURE_NAMES
        if current and manifest.training.fingerprint == panel.fingerprint:
            return manifest
    return None

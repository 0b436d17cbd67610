"""The bundle: everything the service needs of a training, as one folder.

`manifest.json` (what it is, states of models, scores), `arrays.npz`, `trees.onnx`, the backtest
tables it was judged by, and `origin.json`. Takes and gives plain data: no pickle, so a bundle from
a bucket cannot run code. A bundle appears whole or not at all. The name of its folder is its
version, which ends in the digest of everything in it but its origin: whatever was changed in it is
noticed whenever it is read. Must not know how models are fitted or served.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from sales_forecast.bundles.manifest import FORMAT, Manifest, Origin
from sales_forecast.bundles.states import State, Unpacked
from sales_forecast.errors import (
    BundleRefused,
    OlderBundle,
    brief,
    in_words,
)
from sales_forecast.models.base import Storable
from sales_forecast.models.fitted.onnx_trees import OnnxRegressor, OnnxTrees
from sales_forecast.models.fitted.restore import Restored
from sales_forecast.models.spread import SpreadByAge

MANIFEST, ORIGIN, ARRAYS, TREES = "manifest.json", "origin.json", "arrays.npz", "trees.onnx"
CHAMPION, CHALLENGER = "champion", "challenger"
"""What a bundle can be called: the alias in the registry, and the link beside the bundles."""
_DIGITS = 12
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")

Form = TypeVar("Form", bound=BaseModel)


@dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle that was read whole, its digest right.

    Attributes:
        models: name -> fitted model, of every model that answers.
        spreads: name -> what was measured of its errors.
        conformance: a small history and the answers to it; None for the baseline.
        cells: some of the sales that it was trained on; None if it was never written.
        digest: SHA-256 of the manifest, which holds those of all other files but the origin's; None
            if it was never written.
    """

    version: str
    manifest: Manifest
    origin: Origin
    models: Mapping[str, Storable]
    spreads: Mapping[str, SpreadByAge]
    conformance: State | None
    cells: State | None
    digest: str | None


@dataclass(frozen=True)
class Sealed:
    """The files of a bundle, and the version that follows from them."""

    version: str
    files: Mapping[str, bytes]


def seal(manifest: Manifest, origin: Origin, files: Mapping[str, bytes]) -> Sealed:
    """Return all files of a bundle, `files` being those beside manifest and origin."""
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    whole = manifest.model_copy(update={"checksums": dict(sorted(sums.items()))})
    text = json.dumps(whole.model_dump(mode="json"), indent=1, allow_nan=False).encode()
    everything = {**files, MANIFEST: text, ORIGIN: origin.model_dump_json(indent=1).encode()}
    return Sealed(_version(manifest, text), everything)


def _version(manifest: Manifest, text: bytes) -> str:
    # The manifest holds the checksums of all other files.
    return f"{manifest.training.last_week}-{hashlib.sha256(text).hexdigest()[:_DIGITS]}"


def version_of(folder: Path) -> str:
    """Return the version that a bundle's files make, whatever its folder is called.

    Raises BundleRefused, OlderBundle.
    """
    text = _read(folder, MANIFEST)
    return _version(_parse(Manifest, folder / MANIFEST, text), text)


def read_bundle(folder: Path) -> Bundle:
    """Read and check a bundle.

    Raises BundleRefused: nothing there, changed since it was written; OlderBundle for one that
    another release wrote, in another format or with states that this one cannot restore.
    """
    folder = folder.resolve()
    files = read_files(folder)
    manifest = _parse(Manifest, folder / MANIFEST, files[MANIFEST])
    unpacked = Unpacked(manifest.things, files[ARRAYS])
    trees = OnnxTrees(files[TREES]) if TREES in files else None
    restored = Restored(trees.regressor if trees else _no_trees)
    if missing := {*manifest.answered_by.models} - manifest.models.keys():
        raise BundleRefused(f"{folder}: what is to answer is not in it: {', '.join(missing)}")
    return Bundle(
        version=folder.name,
        manifest=manifest,
        origin=_parse(Origin, folder / ORIGIN, files[ORIGIN]),
        models={
            name: restored.model(unpacked.state(packed)) for name, packed in manifest.models.items()
        },
        spreads={name: each.spread() for name, each in manifest.spreads.items()},
        conformance=manifest.conformance and unpacked.state(manifest.conformance),
        cells=manifest.cells and unpacked.state(manifest.cells),
        digest=hashlib.sha256(files[MANIFEST]).hexdigest(),
    )


def _no_trees(name: str) -> OnnxRegressor:
    raise BundleRefused(f"the bundle has no trees, and {name} is made of them.")


def read_files(folder: Path) -> Mapping[str, bytes]:
    """Return name -> content of a bundle's files, all as they were written.

    Raises BundleRefused, OlderBundle.
    """
    text = _read(folder, MANIFEST)
    manifest = _parse(Manifest, folder / MANIFEST, text)
    version = _version(manifest, text)
    if folder.name != version:
        raise BundleRefused(
            f"{folder}: what is in it makes version {version}, and that is the name a bundle's "
            "folder must have. It was changed or renamed. Run `python train.py` again."
        )
    contents = {MANIFEST: text, ORIGIN: _read(folder, ORIGIN)}
    if ARRAYS not in manifest.checksums:
        raise BundleRefused(f"{folder}: {MANIFEST} has no checksum of {ARRAYS}")
    for name, expected in manifest.checksums.items():
        contents[name] = _read(folder, name)
        if hashlib.sha256(contents[name]).hexdigest() != expected:
            raise BundleRefused(f"{folder}: {name} is damaged: its checksum is not the manifest's")
    return contents


def _read(folder: Path, name: str) -> bytes:
    if not _FILE.fullmatch(name):
        raise BundleRefused(f"{folder}: {brief(name)} is not a file of this folder")
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        if name != MANIFEST:
            raise BundleRefused(f"{folder}: {name} cannot be read: {error.strerror}") from error
        raise BundleRefused(
            f"no model bundle at {folder} ({error.strerror}). Run `python train.py` first, "
            "or set MODEL_URI.",
            {"model_uri": str(folder)},
        ) from error


def read_manifest(folder: Path) -> Manifest:
    """Read what a bundle says of itself. Raises BundleRefused, OlderBundle."""
    return _parse(Manifest, folder / MANIFEST, _read(folder, MANIFEST))


def read_origin(folder: Path) -> Origin:
    """Read where a bundle came from. Raises BundleRefused."""
    return _parse(Origin, folder / ORIGIN, _read(folder, ORIGIN))


def _parse(form: type[Form], file: Path, text: bytes) -> Form:
    try:
        return form.model_validate_json(text)
    except ValidationError as error:
        _refuse_older(file, text)
        problem = in_words(error.errors(include_url=False)[0])
        raise BundleRefused(f"{file}: {problem}. Run `python train.py` again.") from None


def _refuse_older(file: Path, text: bytes) -> None:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return
    written = content.get("format") if isinstance(content, dict) else None
    if isinstance(written, int) and written < FORMAT:
        version = brief(str(content.get("version", file.parent.name)))
        raise OlderBundle(
            f"The bundle {version} was written by an earlier "
            f"release (format {written}, this one writes {FORMAT}). Run `python train.py`."
        )

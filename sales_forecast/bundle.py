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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from sales_forecast.errors import BundleRefused
from sales_forecast.features import FEATURE_NAMES
from sales_forecast.intervals import IntervalFactors
from sales_forecast.panel import DAYS_PER_PERIOD, Array, Panel
from sales_forecast.profile import CalendarProfile

MANIFEST, TREES = "manifest.json", "trees.onnx"
Kind = Literal["models", "baseline"]
Numbers = tuple[float | None, ...]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class TrainingWindow(_Value):
    """The data that the models were fitted on."""

    first_week: date
    last_week: date
    series: tuple[str, ...]
    fingerprint: str
    source: str


class Factors(_Value):
    """Interval factors of one model, for steps 1..n."""

    lower: Numbers
    upper: Numbers

    @classmethod
    def of(cls, factors: IntervalFactors) -> Factors:
        """Take them from arrays."""
        return cls(lower=_numbers(factors.lower), upper=_numbers(factors.upper))

    def arrays(self) -> IntervalFactors:
        """Give them as arrays."""
        return IntervalFactors(_array(self.lower), _array(self.upper))


class StoredPanel(_Value):
    """A panel as plain numbers."""

    first_week: date
    series: tuple[str, ...]
    y: tuple[Numbers, ...]
    conditions: Mapping[str, tuple[Numbers, ...]]

    @classmethod
    def of(cls, panel: Panel) -> StoredPanel:
        """Take it from a panel."""
        return cls(
            first_week=panel.first,
            series=panel.series,
            y=tuple(_numbers(row) for row in panel.y),
            conditions={
                name: tuple(_numbers(row) for row in values)
                for name, values in panel.conditions.items()
            },
        )

    def panel(self) -> Panel:
        """Give it as a panel."""
        y = np.array([_array(row) for row in self.y])
        weeks = np.arange(y.shape[1]) * np.timedelta64(DAYS_PER_PERIOD, "D")
        return Panel(
            y=y,
            periods=np.datetime64(self.first_week) + weeks,
            series=self.series,
            conditions={
                name: np.array([_array(row) for row in rows])
                for name, rows in self.conditions.items()
            },
        )


class GoldenRow(_Value):
    """One question and the answers of the models as they were trained, in units of sales."""

    series: str
    week_ending: date
    conditions: tuple[float, ...]
    random_forest: float
    xgboost: float


class GoldenForecast(_Value):
    """The ARIMA forecast of one series as it was trained, in units of sales."""

    series: str
    sales: tuple[float, ...]


class Golden(_Value):
    """What a bundle must reproduce before it may answer anyone."""

    history: StoredPanel
    rows: tuple[GoldenRow, ...]
    forecasts: tuple[GoldenForecast, ...]


class Manifest(_Value):
    """Everything about a bundle but the trees themselves."""

    format: Literal[1] = 1
    version: str
    kind: Kind
    """`models`: Random Forest, XGBoost and ARIMA; `baseline`: seasonal naive x growth."""
    note: str = ""
    trained_at: datetime
    git_commit: str | None
    training: TrainingWindow
    feature_names: tuple[str, ...]
    profile_weights: tuple[float, ...]
    theta: Mapping[str, float]
    condition_ranges: Mapping[str, tuple[float, float]]
    intervals: Mapping[str, Factors]
    """Per served answer: `predict_sales` and `forecast_sales`."""
    scores: Mapping[str, Mapping[str, Mapping[str, float]]]
    """Protocol -> model -> metric -> value."""
    scores_by_series: Mapping[str, Mapping[str, Mapping[str, float]]]
    """Protocol -> model -> series -> WMAE."""
    golden: Golden | None
    checksums: Mapping[str, str] = {}

    @property
    def profile(self) -> CalendarProfile:
        """The calendar profile that the models were fitted beside."""
        return CalendarProfile(np.array(self.profile_weights))


@dataclass(frozen=True)
class Bundle:
    """A bundle that was read whole, its checksums right."""

    manifest: Manifest
    trees: bytes


def _numbers(values: Array) -> Numbers:
    return tuple(None if np.isnan(value) else float(value) for value in values)


def _array(values: Numbers) -> Array:
    return np.array([np.nan if value is None else value for value in values])


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write_bundle(folder: Path, manifest: Manifest, files: Mapping[str, bytes]) -> Path:
    """Write a bundle so that `folder` either holds all of it or does not exist.

    An existing folder of that name is the same bundle (versions are hashes) and is kept.
    """
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    sealed = manifest.model_copy(
        update={"checksums": {name: _checksum(content) for name, content in files.items()}}
    )
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
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return folder


def point(link: Path, folder: Path) -> None:
    """Make `link` name `folder`, in one step: a reader sees the old bundle or the new one."""
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
        raise BundleRefused(f"{folder / MANIFEST}: {where}: {first['msg']}") from None


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

"""A candidate: fitted models packed as a bundle that has proved itself.

Takes a panel, its backtest tables and fitted models, gives manifest and files: parameters,
measured intervals, scores and condition ranges. Must not know MLflow, nor where a bundle is
kept.
"""

from __future__ import annotations

import gzip
import hashlib
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from sales_forecast.bundles.bundle import TREES, Bundle, read_bundle
from sales_forecast.bundles.manifest import (
    FORMAT,
    AnsweredBy,
    Golden,
    Kind,
    Manifest,
    StoredIntervals,
    StoredProfile,
    TrainingWindow,
)
from sales_forecast.data.panel import CONDITIONS, Panel
from sales_forecast.evaluation.backtest import Progress
from sales_forecast.evaluation.judged import Tables
from sales_forecast.evaluation.protocols import ONE_STEP_NAME, PROTOCOLS
from sales_forecast.evaluation.scoring import measured_intervals, models_in, scores
from sales_forecast.features.features import FEATURE_NAMES
from sales_forecast.models.export import trees_to_onnx
from sales_forecast.models.intervals import Intervals
from sales_forecast.prediction.conformance import verify
from sales_forecast.training.gate import FORECASTS, SERVED, best_forecast
from sales_forecast.training.golden import golden_rows
from sales_forecast.training.training import Models, fit_models

_GIT_TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class Candidate:
    """A bundle that could be served, and what it was made of.

    `models`: None for the baseline, and for a bundle that was read back.
    """

    manifest: Manifest
    files: Mapping[str, bytes]
    tables: Tables
    models: Models | None


def model_candidate(panel: Panel, source: str, tables: Tables, progress: Progress) -> Candidate:
    """Fit and pack the models. Raises NotEnoughData."""
    models = fit_models(panel, progress)
    answered_by = _answered_by(tables, "models")
    progress("exporting the trees to ONNX")
    onnx = trees_to_onnx(models.random_forest.regressor, models.xgboost.regressor)
    table_files = _table_files(tables)
    manifest = _manifest(
        panel,
        source,
        tables,
        kind="models",
        answered_by=answered_by,
        feature_names=FEATURE_NAMES,
        calendar=StoredProfile.of(models.arima.profile),
        theta=models.arima.theta,
        version_of=[onnx, repr(models.arima.theta).encode(), *table_files.values()],
        golden=golden_rows(panel, models, answered_by),
    )
    progress("checking the golden rows")
    verify(Bundle(manifest, onnx))
    return Candidate(manifest, {TREES: onnx, **table_files}, tables, models)


def baseline_candidate(panel: Panel, source: str, tables: Tables, note: str) -> Candidate:
    """Pack the growth baseline: no parameters, only its scores and intervals."""
    answered_by = _answered_by(tables, "baseline")
    manifest = _manifest(panel, source, tables, kind="baseline", answered_by=answered_by, note=note)
    return Candidate(manifest, _table_files(tables), tables, None)


def kept_candidate(folder: Path) -> Candidate:
    """Read back what a training wrote. Raises BundleRefused."""
    manifest = read_bundle(folder).manifest
    files = {name: (folder / name).read_bytes() for name in manifest.checksums}
    return Candidate(manifest, files, read_tables(folder), None)


def read_tables(folder: Path) -> Tables:
    """Read the backtest tables of a bundle; only those that it has."""
    files = {name: folder / _table_file(name) for name in PROTOCOLS}
    return {
        name: pd.read_csv(
            file, compression="gzip", parse_dates=["cutoff", "ds"], dtype={"unique_id": str}
        ).astype({"cutoff": "datetime64[s]", "ds": "datetime64[s]"})
        for name, file in files.items()
        if file.exists()
    }


def _table_file(protocol: str) -> str:
    # Not .gz: servers call that an encoding of the transfer, and clients undo it on the way.
    return f"backtest_{protocol}.csv.gzip"


def _table_files(tables: Tables) -> dict[str, bytes]:
    # mtime 0: equal tables give equal bytes
    return {
        _table_file(name): gzip.compress(table.to_csv(index=False).encode(), mtime=0)
        for name, table in tables.items()
    }


def _manifest(
    panel: Panel,
    source: str,
    tables: Tables,
    *,
    kind: Kind,
    answered_by: AnsweredBy,
    note: str = "",
    feature_names: Sequence[str] = (),
    calendar: StoredProfile | None = None,
    theta: Mapping[str, float] | None = None,
    golden: Golden | None = None,
    version_of: Sequence[bytes] = (),
) -> Manifest:
    # With the format: a folder that older code wrote of the same data is another bundle.
    digest = hashlib.sha256(f"{FORMAT}\n{kind}\n{note}\n{panel.fingerprint}".encode())
    for part in version_of:
        digest.update(part)
    return Manifest(
        version=f"{panel.last}-{digest.hexdigest()[:8]}",
        kind=kind,
        note=note,
        trained_at=datetime.now(UTC).replace(microsecond=0),
        git_commit=_git_commit(),
        training=TrainingWindow(
            first_week=panel.first,
            last_week=panel.last,
            series=panel.series,
            fingerprint=panel.fingerprint,
            source=source,
        ),
        feature_names=tuple(feature_names),
        calendar=calendar,
        theta=theta or {},
        answered_by=answered_by,
        condition_ranges=_condition_ranges(panel),
        intervals=_intervals(tables, answered_by),
        scores={
            protocol: {name: score.as_dict() for name, score in scores(table).items()}
            for protocol, table in tables.items()
        },
        scores_by_series={protocol: _wmae_by_series(table) for protocol, table in tables.items()},
        golden=golden,
    )


def _wmae_by_series(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    by_series = {str(series): scores(rows) for series, rows in table.groupby("unique_id")}
    return {
        model: {series: models[model].wmae for series, models in by_series.items()}
        for model in models_in(table)
    }


def _condition_ranges(panel: Panel) -> dict[str, tuple[float, float]]:
    return {
        name: (float(np.nanmin(values)), float(np.nanmax(values)))
        for name, values in panel.conditions.items()
        if name in CONDITIONS and name != "Holiday_Flag" and not np.isnan(values).all()
    }


def _answered_by(tables: Tables, kind: Kind) -> AnsweredBy:
    return AnsweredBy(
        predict_sales=SERVED[kind][ONE_STEP_NAME],
        forecast_sales=FORECASTS[kind][0],
        best=best_forecast(tables, kind),
    )


def _intervals(tables: Tables, answered_by: AnsweredBy) -> dict[str, StoredIntervals]:
    models = dict.fromkeys(answered_by.model_dump().values())
    return {model: StoredIntervals.of(_measured_intervals(tables, model)) for model in models}


def _measured_intervals(tables: Tables, model: str) -> Intervals:
    """Measure a model's intervals on its residuals in all protocols together."""
    measured = [table for table in tables.values() if model in table.columns]
    if not measured:
        return Intervals.none()
    together = pd.concat(measured, ignore_index=True)
    return measured_intervals(together, model, int(together["step"].max()))


def _git_commit() -> str | None:
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607 - the user's own git, wherever it is
            capture_output=True,
            text=True,
            check=True,
            timeout=_GIT_TIMEOUT_SECONDS,
            cwd=Path(__file__).parent,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()

"""A challenger: fitted models packed as a bundle that has proved itself.

Takes a panel, its backtest tables and fitted models, gives the sealed files of a bundle: states,
measured errors, scores and condition ranges. Must not know MLflow, nor where a bundle is kept.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np

from sales_forecast.bundles.bundle import ARRAYS, TREES, Sealed, read_bundle, read_files, seal
from sales_forecast.bundles.cells import drawn
from sales_forecast.bundles.conformance import questions, verify
from sales_forecast.bundles.manifest import (
    AnsweredBy,
    Kind,
    Manifest,
    Origin,
    StoredSpread,
    StoredSpreadByAge,
    SumsByLevel,
    TrainingWindow,
)
from sales_forecast.bundles.states import Packed, State
from sales_forecast.bundles.writing import write_bundle
from sales_forecast.compute.source import source_hash
from sales_forecast.data.panel import Panel
from sales_forecast.evaluation.backtest import Progress
from sales_forecast.evaluation.judged import Tables
from sales_forecast.evaluation.scoring import measured_spread, models_in, scores
from sales_forecast.features.features import feature_names
from sales_forecast.models.base import FittedForecaster, Storable
from sales_forecast.models.export import trees_to_onnx
from sales_forecast.models.fitted.blends import with_parts
from sales_forecast.models.fitted.regressor import FittedRegressor, Line
from sales_forecast.models.naive import BASELINE_NAMES, GROWTH
from sales_forecast.models.spread import SpreadByAge
from sales_forecast.models.trees import Regressor
from sales_forecast.params import DEFAULTS, Params, code_of
from sales_forecast.training import tables as stored_tables
from sales_forecast.training.gate import choose
from sales_forecast.training.recipe import Recipe, is_stores
from sales_forecast.training.sums import measured_sums
from sales_forecast.training.training import Models, fit_models, together

_GIT_TIMEOUT_SECONDS = 10
NATIVE = ("random_forest", "xgboost", "arima")
"""Those that are also kept in the tracking server, each in its own flavour."""


@dataclass(frozen=True, eq=False)
class Challenger:
    """A bundle that could be served, and what it was made of.

    Attributes:
        tables: what it is judged by.
        models: the fitted ones; none for the baseline, and for a bundle that was read back.
        panel: what they were fitted to.
        params: what was chosen for it.
    """

    sealed: Sealed
    manifest: Manifest
    origin: Origin
    tables: Tables
    models: Models
    panel: Panel | None = None
    params: Params = DEFAULTS

    @property
    def version(self) -> str:
        """The version of the bundle."""
        return self.sealed.version


def model_challenger(
    panel: Panel, source: str, tables: Tables, progress: Progress, recipe: Recipe | None = None
) -> Challenger:
    """Fit and pack the models, of the usual recipe if none is given. Raises NotEnoughData."""
    recipe = recipe or Recipe.of(panel)
    params = recipe.params
    serving = choose(tables, stores=is_stores(panel))
    judged = {name for table in tables.values() for name in models_in(table)} - BASELINE_NAMES
    # Where none could be judged, the fits say why.
    tried = judged or {forecaster.name for forecaster in recipe.forecasters}
    native = [name for name in NATIVE if name in tried]
    models = fit_models(panel, (*native, *serving.models), progress, recipe)
    served = {name: models[name] for name in serving.models}
    progress("exporting the trees to ONNX")
    trees = {of.name: cast("Regressor", of.regressor) for of in regressors(served)}
    onnx = {TREES: trees_to_onnx(trees, len(feature_names(panel)))} if trees else {}
    packed = _pack(panel, source, tables, served, serving, kind="models", files=onnx, params=params)
    progress("letting the bundle prove itself")
    challenger = Challenger(*packed, tables, models, panel, params)
    _prove(challenger)
    return challenger


def baseline_challenger(
    panel: Panel, source: str, tables: Tables, note: str, params: Params = DEFAULTS
) -> Challenger:
    """Pack the growth baseline: no parameters, only its scores and intervals."""
    name = GROWTH.name
    serving = AnsweredBy.by(name)
    served = {name: GROWTH}
    packed = _pack(
        panel, source, tables, served, serving, kind="baseline", note=note, params=params
    )
    return Challenger(*packed, tables, {}, panel, params)


def kept_challenger(folder: Path) -> Challenger:
    """Read back what a training wrote. Raises BundleRefused."""
    bundle = read_bundle(folder)
    sealed = Sealed(bundle.version, read_files(folder))
    return Challenger(sealed, bundle.manifest, bundle.origin, stored_tables.read(folder), {})


def regressors(models: Mapping[str, FittedForecaster]) -> Iterator[FittedRegressor]:
    """Yield the tree models among models and what they are made of, each once."""
    for model in with_parts(models).values():
        if isinstance(model, FittedRegressor) and not isinstance(model.regressor, Line):
            yield model


def _pack(
    panel: Panel,
    source: str,
    tables: Tables,
    served: Mapping[str, Storable],
    serving: AnsweredBy,
    *,
    kind: Kind,
    note: str = "",
    files: Mapping[str, bytes] | None = None,
    params: Params,
) -> tuple[Sealed, Manifest, Origin]:
    states = Packed()
    models = {name: states.add(model.state) for name, model in served.items()}
    asked: State | None = None
    if kind == "models":
        asked = states.add({"kind": "conformance", **questions(panel, served)})
    manifest = Manifest(
        kind=kind,
        note=note,
        spec=panel.spec,
        training=TrainingWindow.of(panel),
        feature_names=feature_names(panel) if kind == "models" else (),
        answered_by=serving,
        models=models,
        things=tuple(states.things),
        conformance=asked,
        cells=states.add(drawn(panel)),
        condition_ranges=_condition_ranges(panel),
        spreads={
            name: StoredSpreadByAge.of(_spread(panel, tables, name))
            for name in dict.fromkeys((*served, GROWTH.name))
        },
        sums=_sums(panel, tables, (serving.best, GROWTH.name)),
        scores={
            protocol: {name: score.as_dict() for name, score in scores(table).items()}
            for protocol, table in tables.items()
        },
        checksums={},
    )
    origin = Origin(
        trained_at=datetime.now(UTC).replace(microsecond=0),
        git_commit=_git_commit(),
        code=code_of(source_hash(), params),
        source=source,
    )
    kept = stored_tables.files(tables, serving.models)
    sealed = seal(manifest, origin, {**(files or {}), **kept, ARRAYS: states.npz()})
    return sealed, manifest, origin


def _prove(challenger: Challenger) -> None:
    """Write the bundle, read it as the service does, and let it answer."""
    with TemporaryDirectory() as scratch:
        verify(read_bundle(write_bundle(Path(scratch), challenger.sealed)))


def _condition_ranges(panel: Panel) -> dict[str, tuple[float, float]]:
    return {
        name: (float(np.nanmin(values)), float(np.nanmax(values)))
        for name, values in panel.conditions.items()
        if name != panel.holiday and not np.isnan(values).all()
    }


def _spread(panel: Panel, tables: Tables, model: str) -> SpreadByAge:
    """Measure a model's errors in all protocols together."""
    measured = {name: table for name, table in tables.items() if model in table.columns}
    return measured_spread(together(measured), panel, model) if measured else SpreadByAge.none()


def _sums(panel: Panel, tables: Tables, models: Iterable[str]) -> dict[str, SumsByLevel]:
    return {
        name: {level: StoredSpread.of(each) for level, each in of_level.items()}
        for name, of_level in measured_sums(panel, tables, models).items()
    }


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

"""Record a training: runs, metrics, models and the bundle.

Takes a challenger, gives the version of its bundle in the registry. Decides nothing: which
alias names that version is the caller's business.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import mlflow

from sales_forecast.bundles.bundle import write_bundle
from sales_forecast.evaluation.protocols import PROTOCOLS, protocols_of
from sales_forecast.training.challenger import Challenger
from sales_forecast.training.tracking.client import TrackingServer, quietly
from sales_forecast.training.tracking.flavours import LoggedModel, logged_models


def log(server: TrackingServer, challenger: Challenger, report: Mapping[str, bytes]) -> str:
    """Log one training: a parent run, a child run per model, and the bundle.

    `report`: file name -> content, kept beside the bundle. Nothing is registered before all of it
    has been logged. Returns the version of the bundle in the registry, without any alias yet.
    """
    with quietly(), tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        mlflow.set_experiment(experiment_id=server.experiment())
        with mlflow.start_run(run_name=challenger.version) as run:
            _log_parent(challenger, folder, report)
            models = logged_models(challenger, folder) if challenger.models else []
            logged = {model.registered_name: _log_child(model, challenger) for model in models}
            for name, uri in logged.items():
                mlflow.register_model(uri, name)
            return server.register_bundle(run.info.run_id, challenger.version)


def _log_parent(challenger: Challenger, folder: Path, report: Mapping[str, bytes]) -> None:
    manifest, panel = challenger.manifest, challenger.panel
    protocols = PROTOCOLS if panel is None else protocols_of(panel, challenger.params)
    mlflow.set_tags(
        {
            "bundle_version": challenger.version,
            "kind": manifest.kind,
            "git_commit": challenger.origin.git_commit or "unknown",
            "data_fingerprint": manifest.training.fingerprint,
            "data_source": challenger.origin.source,
        }
    )
    mlflow.log_params(
        {
            "first_week": manifest.training.first_week,
            "last_week": manifest.training.last_week,
            "n_series": len(manifest.training.series),
            **{
                f"{protocol}_{what}": count
                for protocol, table in challenger.tables.items()
                for what, count in (
                    ("horizon", table["step"].max()),
                    ("windows", table["cutoff"].nunique()),
                    ("step", protocols[protocol].step),
                )
            },
        }
    )
    for protocol, models in manifest.scores.items():
        mlflow.log_metrics(
            {
                f"{protocol}.{model}.{metric}": value
                for model, metrics in models.items()
                for metric, value in metrics.items()
            }
        )
    bundle = write_bundle(folder / "bundle", challenger.sealed)
    mlflow.log_artifacts(str(bundle), "bundle")
    for name, content in report.items():
        (folder / name).write_bytes(content)
        mlflow.log_artifact(str(folder / name), "report")


def _log_child(model: LoggedModel, challenger: Challenger) -> str:
    """Log one model; return its address in MLflow."""
    with mlflow.start_run(run_name=model.name, nested=True):
        mlflow.log_params({name: str(value) for name, value in model.params.items()})
        for protocol, models in challenger.manifest.scores.items():
            scores = models.get(model.name, {})
            mlflow.log_metrics({f"{protocol}.{name}": value for name, value in scores.items()})
        logged = model.flavor.log_model(name=model.name, **model.arguments)  # type: ignore[attr-defined]
        return str(logged.model_uri)

"""Record a training: runs, metrics, models and the bundle.

Takes a challenger, gives the version of its bundle in the registry. Decides nothing: which
alias names that version is the caller's business.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import mlflow
from mlflow.entities import Run

from sales_forecast.bundles.writing import write_bundle
from sales_forecast.evaluation.protocols import PROTOCOLS, protocols_of
from sales_forecast.training.challenger import Challenger
from sales_forecast.training.tracking.client import TrackingServer, quietly
from sales_forecast.training.tracking.flavours import LoggedModel, logged_models


def log(server: TrackingServer, challenger: Challenger, report: Mapping[str, bytes]) -> str:
    """Log one training: a parent run, a child run per model, and the bundle.

    `report`: file name -> content, kept beside the bundle, which is registered last. A run of the
    same bundle that was left half done, or asked for again, is taken up. Returns the version of the
    bundle in the registry, without any alias yet.
    """
    with quietly(), tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        mlflow.set_experiment(experiment_id=server.experiment())
        with _run(server.run(challenger.version), challenger.version) as run:
            # First of all: by this one who was killed finds what it began.
            mlflow.set_tag("bundle_version", challenger.version)
            _log_parent(challenger, folder, report, known=run.data.params)
            for model in logged_models(challenger, folder) if challenger.models else []:
                begun = server.run(model.name, parent=run.info.run_id)
                if begun is None or begun.info.status != "FINISHED":
                    _log_child(begun, model, challenger)
            return server.register_bundle(run.info.run_id, challenger.version)


def _run(begun: Run | None, name: str, *, nested: bool = False) -> mlflow.ActiveRun:
    if begun is None:
        return mlflow.start_run(run_name=name, nested=nested)
    return mlflow.start_run(run_id=begun.info.run_id, nested=nested)


def _log_parent(
    challenger: Challenger,
    folder: Path,
    report: Mapping[str, bytes],
    known: Mapping[str, str],
) -> None:
    manifest, panel = challenger.manifest, challenger.panel
    protocols = PROTOCOLS if panel is None else protocols_of(panel, challenger.params)
    mlflow.set_tags(
        {
            "kind": manifest.kind,
            "git_commit": challenger.origin.git_commit or "unknown",
            "data_fingerprint": manifest.training.fingerprint,
            "data_source": challenger.origin.source,
        }
    )
    params = {
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
    # What a run has been told once cannot be told otherwise.
    mlflow.log_params({name: value for name, value in params.items() if name not in known})
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


def _log_child(begun: Run | None, model: LoggedModel, challenger: Challenger) -> None:
    """Log and register one model."""
    with _run(begun, model.name, nested=True):
        mlflow.log_params({name: str(value) for name, value in model.params.items()})
        for protocol, models in challenger.manifest.scores.items():
            scores = models.get(model.name, {})
            mlflow.log_metrics({f"{protocol}.{name}": value for name, value in scores.items()})
        logged = model.flavor.log_model(name=model.name, **model.arguments)  # type: ignore[attr-defined]
        mlflow.register_model(logged.model_uri, model.registered_name)

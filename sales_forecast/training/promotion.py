"""What is champion, and how a bundle becomes it: in MLflow, in the local folder, in the database.

Takes what was trained and its verdict, publishes it under an alias. The order makes it safe to be
killed at any moment: a bundle is written whole before anything names it, recorded in MLflow before
an alias names it, and the folder that the service reads is switched last, in one step.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace

from sales_forecast.bundles.bundle import (
    CHAMPION,
    read_files,
    read_manifest,
    read_origin,
)
from sales_forecast.bundles.keeping import leave, prune
from sales_forecast.bundles.manifest import Manifest
from sales_forecast.bundles.writing import set_alias, write_bundle
from sales_forecast.data.admission import SAMPLE
from sales_forecast.data.deployments import Cause, Deployments, who
from sales_forecast.errors import BundleRefused, DatabaseError, RegistryError
from sales_forecast.evaluation.backtest import Progress
from sales_forecast.evaluation.judged import Tables
from sales_forecast.evaluation.report import forecast_plot, score_table
from sales_forecast.settings import Settings
from sales_forecast.training import tables as stored_tables
from sales_forecast.training.challenger import Challenger
from sales_forecast.training.gate import Verdict, answering
from sales_forecast.training.tracking.client import BUNDLE_MODEL, TrackingServer
from sales_forecast.training.tracking.log import log

PENDING = "pending"
"""The link to a bundle that MLflow may not know yet."""
_FOUND = Cause("unknown", "found as champion: made so elsewhere, or before this was written down")


@dataclass(frozen=True)
class Champion:
    """What the present champion is judged by."""

    tables: Tables
    manifest: Manifest


def _passed(challenger: Challenger, verdict: Verdict) -> str:
    if challenger.manifest.kind == "baseline":
        return challenger.manifest.note
    return f"all {len(verdict.checks)} checks of the gate were passed"


class Promotion:
    """The present champion, and what takes its place.

    `asked`: who wanted a training, and why.
    """

    def __init__(self, settings: Settings, asked: Cause, progress: Progress) -> None:
        self._server = TrackingServer(
            settings.mlflow_tracking_uri, settings.var_dir, settings.mlflow_login
        )
        self._settings = settings
        self._asked = asked
        self._progress = progress

    def champion(self, source: str) -> Champion | None:
        """Return what the present champion is judged by; one trained on the sample is none.

        Nor is one that this code cannot read.
        """
        try:
            folder = self._server.fetch(BUNDLE_MODEL, CHAMPION)
            if folder is None:
                return None
            read_files(folder)
            manifest, origin = read_manifest(folder), read_origin(folder)
        except BundleRefused:
            return None  # nobody can serve it either: it was changed, or written by older code
        self._deployed(folder.name, _FOUND)
        if origin.source == SAMPLE and source != SAMPLE:
            return None
        return Champion(stored_tables.read(folder), manifest)

    def __call__(self, challenger: Challenger, alias: str, verdict: Verdict) -> None:
        """Make a bundle known under an alias, in MLflow and then in the local folder."""
        var_dir, version = self._settings.var_dir, challenger.version
        folder = write_bundle(var_dir / "bundles", challenger.sealed)
        pending = var_dir / PENDING
        set_alias(pending, folder)
        self._progress(f"recording {version} in MLflow")
        try:
            registered = log(self._server, challenger, self._report(challenger))
            self._server.set_alias(alias, registered)
        except RegistryError as error:
            raise RegistryError(
                f"{error.message} What was trained is kept in {folder}: `python train.py publish` "
                "records it without training again."
            ) from error
        leave(var_dir / alias)
        set_alias(var_dir / alias, folder)
        if alias == CHAMPION:
            reason = f"{self._asked.reason}; {_passed(challenger, verdict)}"
            self._deployed(version, Cause(self._asked.by, reason, verdict.as_json()))
        pending.unlink()
        prune(var_dir / "bundles")

    def _deployed(self, version: str, cause: Cause) -> None:
        try:
            with closing(Deployments(self._settings.database_url)) as deployments:
                deployments.record(version, replace(cause, by=who(cause.by)))
        except DatabaseError as error:
            raise DatabaseError(
                f"{error.message} {version} is champion, but that could not be written down: the "
                "next training does it.",
                error.fields,
            ) from error

    def _report(self, challenger: Challenger) -> dict[str, bytes]:
        files = {"params.json": f"{challenger.params.model_dump_json(indent=1)}\n".encode()}
        serving = answering(challenger.manifest.answered_by)
        for protocol in challenger.tables:
            text = score_table(challenger.manifest.scores[protocol])
            files[f"scores_{protocol}.md"] = f"{text}\n".encode()
            plot = forecast_plot(challenger.tables, protocol, serving[protocol])
            files[f"forecasts_{protocol}.png"] = plot
        return files

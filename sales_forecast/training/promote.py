"""From a panel to what is served: train, judge, record, promote.

Takes a panel and settings, gives the outcome. The order makes it safe to be killed at any
moment: a bundle is written whole before anything names it, recorded in MLflow before an
alias names it, and the folder that the service reads is switched last, in one step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sales_forecast.bundles.bundle import (
    CHALLENGER,
    CHAMPION,
    read_files,
    read_manifest,
    read_origin,
    set_alias,
    write_bundle,
)
from sales_forecast.bundles.keeping import leave, prune
from sales_forecast.bundles.manifest import Manifest
from sales_forecast.data.database import SAMPLE
from sales_forecast.data.panel import Panel
from sales_forecast.errors import BundleRefused, NotEnoughData, NothingToPublish, RegistryError
from sales_forecast.evaluation.backtest import Progress
from sales_forecast.evaluation.judged import Tables
from sales_forecast.evaluation.report import forecast_plot, score_table
from sales_forecast.models.naive import GROWTH_ANSWERS
from sales_forecast.settings import Settings
from sales_forecast.training import tables as stored_tables
from sales_forecast.training.challenger import (
    Challenger,
    baseline_challenger,
    kept_challenger,
    model_challenger,
)
from sales_forecast.training.gate import Verdict, answering, judge
from sales_forecast.training.tracking.client import BUNDLE_MODEL, TrackingServer
from sales_forecast.training.tracking.log import log
from sales_forecast.training.training import evaluate

_UNBEATEN = "No model has beaten the growth baseline on this data yet."
_PENDING = "pending"
"""The link to a bundle that MLflow may not know yet."""
_TOO_SHORT = "There are too few weeks for windows that could judge the models"


@dataclass(frozen=True)
class Outcome:
    """What came of a training. `tables`: protocol -> score table as Markdown."""

    tables: Mapping[str, str]
    verdict: Verdict
    alias: str
    sentence: str


def train_and_promote(panel: Panel, source: str, settings: Settings, progress: Progress) -> Outcome:
    """Train on a panel and publish what deserves it.

    Raises RegistryError, and NotEnoughData where trained models are served that data too
    short for models cannot challenge.
    """
    server = TrackingServer(settings.mlflow_tracking_uri, settings.var_dir)
    champion = _champion(server, source)
    promote = _Promotion(server, settings.var_dir, progress)
    tables = evaluate(panel, progress)
    try:
        challenger = model_challenger(panel, source, tables, progress)
    except NotEnoughData as error:
        if champion is not None and champion.manifest.kind == "models":
            raise
        note = f"{error.message} {GROWTH_ANSWERS}"
        baseline = baseline_challenger(panel, source, tables, note)
        return _promote_baseline(promote, baseline, Verdict(()))
    verdict = _judge(challenger, champion)
    if champion is None and not verdict.passed:
        note = f"{_UNBEATEN if verdict.checks else f'{_TOO_SHORT}.'} {GROWTH_ANSWERS}"
        baseline = baseline_challenger(panel, source, tables, note)
        outcome = _promote_baseline(promote, baseline, verdict)
        promote(challenger, CHALLENGER)
        return outcome
    return _promote_judged(promote, challenger, verdict)


def promote_kept(settings: Settings, progress: Progress) -> Outcome:
    """Publish the bundle that a training made and could not record, judged anew.

    It goes to MLflow without the models in their own flavours: they ended with the training.
    Raises NothingToPublish, RegistryError, BundleRefused.
    """
    link = settings.var_dir / _PENDING
    if not link.is_dir():
        raise NothingToPublish(f"Nothing waits to be published: there is no {link}.")
    challenger = kept_challenger(link.resolve())
    manifest = challenger.manifest
    server = TrackingServer(settings.mlflow_tracking_uri, settings.var_dir)
    champion = _champion(server, challenger.origin.source)
    promote = _Promotion(server, settings.var_dir, progress)
    if manifest.kind == "models":
        return _promote_judged(promote, challenger, _judge(challenger, champion))
    if champion is None or champion.manifest.kind == "baseline":
        return _promote_baseline(promote, challenger, Verdict(()))
    return _promote_judged(promote, challenger, Verdict(()))


def _judge(challenger: Challenger, champion: _Champion | None) -> Verdict:
    serving = challenger.manifest.answered_by
    if champion is None:
        return judge(challenger.tables, serving)
    return judge(challenger.tables, serving, champion.tables, champion.manifest.answered_by)


def _shortfall(verdict: Verdict) -> str:
    return "; ".join(str(check) for check in verdict.shortfalls) or _TOO_SHORT.lower()


def _promote_judged(promote: _Promotion, challenger: Challenger, verdict: Verdict) -> Outcome:
    version = challenger.version
    if verdict.passed:
        promote(challenger, CHAMPION)
        return _outcome(challenger, verdict, CHAMPION, f"{version} is the new champion.")
    promote(challenger, CHALLENGER)
    sentence = f"{version} stays challenger and the champion is kept: {_shortfall(verdict)}."
    return _outcome(challenger, verdict, CHALLENGER, sentence)


def _promote_baseline(promote: _Promotion, baseline: Challenger, verdict: Verdict) -> Outcome:
    """Publish the growth baseline as the first champion: always something honest to serve."""
    promote(baseline, CHAMPION)
    version = baseline.version
    found = "".join(f" {check}." for check in verdict.shortfalls)
    sentence = f"{baseline.manifest.note} Published as champion {version}.{found}"
    return _outcome(baseline, verdict, CHAMPION, sentence)


def _outcome(challenger: Challenger, verdict: Verdict, alias: str, sentence: str) -> Outcome:
    tables = {name: score_table(scores) for name, scores in challenger.manifest.scores.items()}
    return Outcome(tables, verdict, alias, sentence)


@dataclass(frozen=True)
class _Champion:
    tables: Tables
    manifest: Manifest


def _champion(server: TrackingServer, source: str) -> _Champion | None:
    """Return what the present champion is judged by; one trained on the sample is none.

    Nor is one that this code cannot read.
    """
    try:
        folder = server.fetch(BUNDLE_MODEL, CHAMPION)
        if folder is None:
            return None
        read_files(folder)
        manifest, origin = read_manifest(folder), read_origin(folder)
    except BundleRefused:
        return None  # nobody can serve it either: it was changed, or written by older code
    if origin.source == SAMPLE and source != SAMPLE:
        return None
    return _Champion(stored_tables.read(folder), manifest)


@dataclass(frozen=True)
class _Promotion:
    server: TrackingServer
    var_dir: Path
    progress: Progress

    def __call__(self, challenger: Challenger, alias: str) -> None:
        """Make a bundle known under an alias, in MLflow and then in the local folder."""
        folder = write_bundle(self.var_dir / "bundles", challenger.sealed)
        pending = self.var_dir / _PENDING
        set_alias(pending, folder)
        self.progress(f"recording {challenger.version} in MLflow")
        try:
            version = log(self.server, challenger, self._report(challenger))
            self.server.set_alias(alias, version)
        except RegistryError as error:
            raise RegistryError(
                f"{error.message} What was trained is kept in {folder}: `python train.py publish` "
                "records it without training again."
            ) from error
        leave(self.var_dir / alias)
        set_alias(self.var_dir / alias, folder)
        pending.unlink()
        prune(self.var_dir / "bundles")

    def _report(self, challenger: Challenger) -> dict[str, bytes]:
        files = {}
        serving = answering(challenger.manifest.answered_by)
        for protocol in challenger.tables:
            text = score_table(challenger.manifest.scores[protocol])
            files[f"scores_{protocol}.md"] = f"{text}\n".encode()
            plot = forecast_plot(challenger.tables, protocol, serving[protocol])
            files[f"forecasts_{protocol}.png"] = plot
        return files

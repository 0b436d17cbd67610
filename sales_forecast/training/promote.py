"""From a panel to what is served: train, judge, record, promote.

Takes a panel and settings, gives the outcome. The order makes it safe to be killed at any
moment: a bundle is written whole before anything names it, recorded in MLflow before an
alias names it, and the folder that the service reads is switched last, in one step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sales_forecast.bundles.bundle import CHALLENGER, CHAMPION, point, read_manifest, write_bundle
from sales_forecast.bundles.manifest import Kind
from sales_forecast.data.database import SAMPLE
from sales_forecast.data.panel import Panel
from sales_forecast.errors import BundleRefused, NotEnoughData, NothingToPublish, RegistryError
from sales_forecast.evaluation.backtest import Progress
from sales_forecast.evaluation.judged import Tables
from sales_forecast.evaluation.report import forecast_plot, score_table
from sales_forecast.settings import Settings
from sales_forecast.training.challenger import (
    Candidate,
    baseline_candidate,
    kept_candidate,
    model_candidate,
    read_tables,
)
from sales_forecast.training.gate import SERVED, Verdict, judge
from sales_forecast.training.tracking.client import BUNDLE_MODEL, Registry
from sales_forecast.training.tracking.log import record
from sales_forecast.training.training import evaluate

BASELINE_NOTE = (
    "No model has beaten the growth baseline on this data yet, so the baseline itself answers: "
    "sales of the same week a year before, times the growth of the last 8 weeks."
)
_PENDING = "pending"
"""The link to a bundle that MLflow may not know yet."""
_TOO_SHORT = "there are too few weeks for windows that could judge the models"


@dataclass(frozen=True)
class Outcome:
    """What came of a training. `tables`: protocol -> score table as Markdown."""

    tables: Mapping[str, str]
    verdict: Verdict
    alias: str
    sentence: str


def train_and_publish(panel: Panel, source: str, settings: Settings, progress: Progress) -> Outcome:
    """Train on a panel and publish what deserves it.

    Raises RegistryError, and NotEnoughData where trained models are served that data too
    short for models cannot challenge.
    """
    registry = Registry(settings.mlflow_tracking_uri, settings.var_dir)
    champion = _champion(registry, source)
    publish = _Publisher(registry, settings.var_dir, progress)
    tables = evaluate(panel, progress)
    try:
        candidate = model_candidate(panel, source, tables, progress)
    except NotEnoughData as error:
        if champion is not None and champion.kind == "models":
            raise
        baseline = baseline_candidate(panel, source, tables, BASELINE_NOTE)
        return _publish_baseline(publish, baseline, Verdict(()), error.message)
    verdict = _judge(candidate, champion)
    if champion is None and not verdict.passed:
        baseline = baseline_candidate(panel, source, tables, BASELINE_NOTE)
        outcome = _publish_baseline(publish, baseline, verdict, _shortfall(verdict))
        publish(candidate, CHALLENGER)
        return outcome
    return _publish_judged(publish, candidate, verdict)


def publish_kept(settings: Settings, progress: Progress) -> Outcome:
    """Publish the bundle that a training made and could not record, judged anew.

    It goes to MLflow without the models in their own flavours: they ended with the training.
    Raises NothingToPublish, RegistryError, BundleRefused.
    """
    link = settings.var_dir / _PENDING
    if not link.is_dir():
        raise NothingToPublish(f"Nothing waits to be published: there is no {link}.")
    candidate = kept_candidate(link.resolve())
    manifest = candidate.manifest
    registry = Registry(settings.mlflow_tracking_uri, settings.var_dir)
    champion = _champion(registry, manifest.training.source)
    publish = _Publisher(registry, settings.var_dir, progress)
    if manifest.kind == "models":
        return _publish_judged(publish, candidate, _judge(candidate, champion))
    if champion is None or champion.kind == "baseline":
        return _publish_baseline(publish, candidate, Verdict(()), _TOO_SHORT)
    return _publish_judged(publish, candidate, Verdict(()))


def _judge(candidate: Candidate, champion: _Champion | None) -> Verdict:
    if champion is None:
        return judge(candidate.tables)
    return judge(candidate.tables, champion.tables, champion.kind)


def _shortfall(verdict: Verdict) -> str:
    return "; ".join(str(check) for check in verdict.shortfalls) or _TOO_SHORT


def _publish_judged(publish: _Publisher, candidate: Candidate, verdict: Verdict) -> Outcome:
    version = candidate.manifest.version
    if verdict.passed:
        publish(candidate, CHAMPION)
        return _outcome(candidate, verdict, CHAMPION, f"{version} is the new champion.")
    publish(candidate, CHALLENGER)
    sentence = f"{version} stays challenger and the champion is kept: {_shortfall(verdict)}."
    return _outcome(candidate, verdict, CHALLENGER, sentence)


def _publish_baseline(
    publish: _Publisher, baseline: Candidate, verdict: Verdict, shortfall: str
) -> Outcome:
    """Publish the growth baseline as the first champion: always something honest to serve."""
    publish(baseline, CHAMPION)
    version = baseline.manifest.version
    sentence = f"{BASELINE_NOTE} Published as champion {version}: {shortfall.rstrip('.')}."
    return _outcome(baseline, verdict, CHAMPION, sentence)


def _outcome(candidate: Candidate, verdict: Verdict, alias: str, sentence: str) -> Outcome:
    tables = {name: score_table(scores) for name, scores in candidate.manifest.scores.items()}
    return Outcome(tables, verdict, alias, sentence)


@dataclass(frozen=True)
class _Champion:
    tables: Tables
    kind: Kind


def _champion(registry: Registry, source: str) -> _Champion | None:
    """Return what the present champion is judged by; one trained on the sample is none.

    Nor is one that this code cannot read.
    """
    folder = registry.fetch(BUNDLE_MODEL, CHAMPION)
    if folder is None:
        return None
    try:
        manifest = read_manifest(folder)
    except BundleRefused:
        return None  # nobody can serve it either: it was damaged, or written by older code
    if manifest.training.source == SAMPLE and source != SAMPLE:
        return None
    return _Champion(read_tables(folder), manifest.kind)


@dataclass(frozen=True)
class _Publisher:
    registry: Registry
    var_dir: Path
    progress: Progress

    def __call__(self, candidate: Candidate, alias: str) -> None:
        """Make a bundle known under an alias, in MLflow and then in the local folder."""
        manifest = candidate.manifest
        folder = write_bundle(
            self.var_dir / "bundles" / manifest.version, manifest, candidate.files
        )
        pending = self.var_dir / _PENDING
        point(pending, folder)
        self.progress(f"recording {manifest.version} in MLflow")
        try:
            version = record(self.registry, candidate, self._report(candidate))
            self.registry.point(alias, version)
        except RegistryError as error:
            raise RegistryError(
                f"{error.message} What was trained is kept in {folder}: `python train.py publish` "
                "records it without training again."
            ) from error
        point(self.var_dir / alias, folder)
        pending.unlink()

    def _report(self, candidate: Candidate) -> dict[str, bytes]:
        files = {}
        for protocol in candidate.tables:
            text = score_table(candidate.manifest.scores[protocol])
            files[f"scores_{protocol}.md"] = f"{text}\n".encode()
            plot = forecast_plot(candidate.tables, protocol, SERVED["models"][protocol])
            files[f"forecasts_{protocol}.png"] = plot
        return files

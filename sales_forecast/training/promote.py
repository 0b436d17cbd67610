"""From a panel to what is served: train, judge, record, promote.

Takes a panel and settings, gives the outcome. The order makes it safe to be killed at any
moment: a bundle is written whole before anything names it, recorded in MLflow before an
alias names it, and the folder that the service reads is switched last, in one step. Who became
champion, and why, is written into the database.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace

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
from sales_forecast.data.database import SAMPLE, Database
from sales_forecast.data.deployments import Cause, Deployments, who
from sales_forecast.data.one_job import one_job
from sales_forecast.data.panel import Panel
from sales_forecast.errors import (
    BundleRefused,
    DatabaseError,
    NotEnoughData,
    NothingToPublish,
    RegistryError,
)
from sales_forecast.evaluation.backtest import Progress
from sales_forecast.evaluation.judged import Tables
from sales_forecast.evaluation.report import forecast_plot, score_table
from sales_forecast.models.naive import GROWTH_ANSWERS
from sales_forecast.params import Gate, read_params
from sales_forecast.settings import Settings
from sales_forecast.training import tables as stored_tables
from sales_forecast.training.challenger import (
    Challenger,
    baseline_challenger,
    kept_challenger,
    model_challenger,
)
from sales_forecast.training.gate import Verdict, answering, judge
from sales_forecast.training.recipe import Recipe
from sales_forecast.training.slices import groups_of
from sales_forecast.training.tracking.client import BUNDLE_MODEL, TrackingServer
from sales_forecast.training.tracking.log import log
from sales_forecast.training.training import evaluate

_UNBEATEN = "No model has beaten the growth baseline on this data yet."
_PENDING = "pending"
"""The link to a bundle that MLflow may not know yet."""
_ASKED = Cause("train.py", "a training was asked for")
_FOUND = Cause("unknown", "found as champion: made so elsewhere, or before this was written down")
_TOO_SHORT = "There are too few weeks for windows that could judge the models"


@dataclass(frozen=True)
class Outcome:
    """What came of a training. `tables`: protocol -> score table as Markdown."""

    tables: Mapping[str, str]
    verdict: Verdict
    alias: str
    sentence: str


def train_and_promote(
    panel: Panel, source: str, settings: Settings, progress: Progress, asked: Cause = _ASKED
) -> Outcome:
    """Train on a panel and publish what deserves it. The tables must be up to date.

    `asked`: who wanted it and why. Raises RegistryError, DatabaseError, and NotEnoughData where
    trained models are served that data too short for models cannot challenge; SettingsError for
    a `params.yaml` that makes no sense.
    """
    with one_job(settings.database_url, "train"):
        return _train(panel, source, settings, progress, asked)


def _train(
    panel: Panel, source: str, settings: Settings, progress: Progress, asked: Cause
) -> Outcome:
    params = read_params(settings.params_file)
    panel = panel.without(params.features.leave_out)
    recipe = Recipe.of(panel, params)
    promote = _Promotion(settings, asked, progress)
    champion = promote.champion(source)
    tables = evaluate(panel, progress, recipe)
    try:
        challenger = model_challenger(panel, source, tables, progress, recipe)
    except NotEnoughData as error:
        if champion is not None and champion.manifest.kind == "models":
            raise
        note = f"{error.message} {GROWTH_ANSWERS}"
        baseline = baseline_challenger(panel, source, tables, note, params)
        return _promote_baseline(promote, baseline, Verdict(()))
    verdict = _judge(challenger, champion, groups_of(panel), params.gate)
    if champion is None and not verdict.passed:
        note = f"{_UNBEATEN if verdict.checks else f'{_TOO_SHORT}.'} {GROWTH_ANSWERS}"
        baseline = baseline_challenger(panel, source, tables, note, params)
        outcome = _promote_baseline(promote, baseline, verdict)
        promote(challenger, CHALLENGER, verdict)
        return outcome
    return _promote_judged(promote, challenger, verdict)


def promote_kept(settings: Settings, progress: Progress, asked: Cause = _ASKED) -> Outcome:
    """Publish the bundle that a training made and could not record, judged anew.

    It goes to MLflow without the models in their own flavours: they ended with the training.
    `asked`: as of the training. Raises NothingToPublish, RegistryError, DatabaseError,
    BundleRefused, SettingsError.
    """
    with one_job(settings.database_url, "train"):
        return _publish(settings, progress, asked)


def _publish(settings: Settings, progress: Progress, asked: Cause) -> Outcome:
    link = settings.var_dir / _PENDING
    if not link.is_dir():
        raise NothingToPublish(f"Nothing waits to be published: there is no {link}.")
    challenger = kept_challenger(link.resolve())
    manifest, gate = challenger.manifest, read_params(settings.params_file).gate
    groups = _stored_groups(settings.database_url)
    promote = _Promotion(settings, asked, progress)
    champion = promote.champion(challenger.origin.source)
    if manifest.kind == "models":
        verdict = _judge(challenger, champion, groups, gate)
        return _promote_judged(promote, challenger, verdict)
    if champion is None or champion.manifest.kind == "baseline":
        return _promote_baseline(promote, challenger, Verdict(()))
    return _promote_judged(promote, challenger, Verdict(()))


def _stored_groups(url: str) -> Mapping[str, str]:
    """Bring the tables up to date; return the groups of what they hold."""
    with closing(Database(url)) as database:
        database.migrate()
        return groups_of(database.read_panel()) if database.version() else {}


def _judge(
    challenger: Challenger, champion: _Champion | None, groups: Mapping[str, str], gate: Gate
) -> Verdict:
    serving = challenger.manifest.answered_by
    if champion is None:
        return judge(challenger.tables, serving)
    theirs = champion.manifest.answered_by
    return judge(challenger.tables, serving, champion.tables, theirs, groups, gate=gate)


def _shortfall(verdict: Verdict) -> str:
    return "; ".join(str(check) for check in verdict.shortfalls) or _TOO_SHORT.lower()


def _promote_judged(promote: _Promotion, challenger: Challenger, verdict: Verdict) -> Outcome:
    version = challenger.version
    if verdict.passed:
        promote(challenger, CHAMPION, verdict)
        return _outcome(challenger, verdict, CHAMPION, f"{version} is the new champion.")
    promote(challenger, CHALLENGER, verdict)
    sentence = f"{version} stays challenger and the champion is kept: {_shortfall(verdict)}."
    return _outcome(challenger, verdict, CHALLENGER, sentence)


def _promote_baseline(promote: _Promotion, baseline: Challenger, verdict: Verdict) -> Outcome:
    """Publish the growth baseline as the first champion: always something honest to serve."""
    promote(baseline, CHAMPION, verdict)
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


def _passed(challenger: Challenger, verdict: Verdict) -> str:
    if challenger.manifest.kind == "baseline":
        return challenger.manifest.note
    return f"all {len(verdict.checks)} checks of the gate were passed"


class _Promotion:
    """What is champion, and what becomes it: in MLflow, in the local folder, in the database."""

    def __init__(self, settings: Settings, asked: Cause, progress: Progress) -> None:
        self._server = TrackingServer(
            settings.mlflow_tracking_uri, settings.var_dir, settings.mlflow_login
        )
        self._settings = settings
        self._asked = asked
        self._progress = progress

    def champion(self, source: str) -> _Champion | None:
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
        return _Champion(stored_tables.read(folder), manifest)

    def __call__(self, challenger: Challenger, alias: str, verdict: Verdict) -> None:
        """Make a bundle known under an alias, in MLflow and then in the local folder."""
        var_dir, version = self._settings.var_dir, challenger.version
        folder = write_bundle(var_dir / "bundles", challenger.sealed)
        pending = var_dir / _PENDING
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

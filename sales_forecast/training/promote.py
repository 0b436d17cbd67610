"""From a panel to what is served: train, judge, record, promote.

Takes a panel and settings, gives the outcome. Must not know how a bundle is recorded and switched.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from sales_forecast.bundles.bundle import (
    CHALLENGER,
    CHAMPION,
)
from sales_forecast.data.database import Database
from sales_forecast.data.deployments import Cause
from sales_forecast.data.one_job import one_job
from sales_forecast.data.panel import Panel
from sales_forecast.errors import (
    NotEnoughData,
    NothingToPublish,
)
from sales_forecast.evaluation.backtest import Progress
from sales_forecast.evaluation.report import score_table
from sales_forecast.models.naive import GROWTH_ANSWERS
from sales_forecast.params import Gate, read_params
from sales_forecast.settings import Settings
from sales_forecast.training.challenger import (
    Challenger,
    baseline_challenger,
    kept_challenger,
    model_challenger,
)
from sales_forecast.training.gate import Verdict, judge
from sales_forecast.training.promotion import PENDING, Champion, Promotion
from sales_forecast.training.recipe import Recipe
from sales_forecast.training.slices import groups_of
from sales_forecast.training.training import evaluate

_UNBEATEN = "No model has beaten the growth baseline on this data yet."
_ASKED = Cause("train.py", "a training was asked for")
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
    promote = Promotion(settings, asked, progress)
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
    link = settings.var_dir / PENDING
    if not link.is_dir():
        raise NothingToPublish(f"Nothing waits to be published: there is no {link}.")
    challenger = kept_challenger(link.resolve())
    manifest, gate = challenger.manifest, read_params(settings.params_file).gate
    groups = _stored_groups(settings.database_url)
    promote = Promotion(settings, asked, progress)
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
    challenger: Challenger, champion: Champion | None, groups: Mapping[str, str], gate: Gate
) -> Verdict:
    serving = challenger.manifest.answered_by
    if champion is None:
        return judge(challenger.tables, serving)
    theirs = champion.manifest.answered_by
    return judge(challenger.tables, serving, champion.tables, theirs, groups, gate=gate)


def _shortfall(verdict: Verdict) -> str:
    return "; ".join(str(check) for check in verdict.shortfalls) or _TOO_SHORT.lower()


def _promote_judged(promote: Promotion, challenger: Challenger, verdict: Verdict) -> Outcome:
    version = challenger.version
    if verdict.passed:
        promote(challenger, CHAMPION, verdict)
        return _outcome(challenger, verdict, CHAMPION, f"{version} is the new champion.")
    promote(challenger, CHALLENGER, verdict)
    sentence = f"{version} stays challenger and the champion is kept: {_shortfall(verdict)}."
    return _outcome(challenger, verdict, CHALLENGER, sentence)


def _promote_baseline(promote: Promotion, baseline: Challenger, verdict: Verdict) -> Outcome:
    """Publish the growth baseline as the first champion: always something honest to serve."""
    promote(baseline, CHAMPION, verdict)
    version = baseline.version
    found = "".join(f" {check}." for check in verdict.shortfalls)
    sentence = f"{baseline.manifest.note} Published as champion {version}.{found}"
    return _outcome(baseline, verdict, CHAMPION, sentence)


def _outcome(challenger: Challenger, verdict: Verdict, alias: str, sentence: str) -> Outcome:
    tables = {name: score_table(scores) for name, scores in challenger.manifest.scores.items()}
    return Outcome(tables, verdict, alias, sentence)

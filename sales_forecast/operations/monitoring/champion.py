"""The champion as the weekly decision sees it.

Takes a panel and settings, gives the situation that `decide` judges. Its errors are those of the
forecasts that were issued; weeks before these are told by the backtest that it was judged by. Keeps
the alarms that it finds; starts nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Event

import numpy as np

from sales_forecast.bundles.bundle import CHALLENGER, read_origin
from sales_forecast.bundles.fallback import load_for
from sales_forecast.bundles.location import locate
from sales_forecast.bundles.manifest import Manifest
from sales_forecast.data.alarms import Alarm, AlarmTable
from sales_forecast.data.deployments import Deployments
from sales_forecast.data.forecasts.week_ahead import WeekAhead, read_week_ahead
from sales_forecast.data.frequency import WEEKLY
from sales_forecast.data.panel import Array, Panel
from sales_forecast.errors import BundleRefused
from sales_forecast.evaluation.protocols import ONE_STEP_NAME
from sales_forecast.operations.monitoring.decide import Decision, Situation, decide
from sales_forecast.operations.monitoring.drift import inputs
from sales_forecast.operations.monitoring.errors import Errors, errors_of, week_ends
from sales_forecast.operations.monitoring.rules import WARM_UP
from sales_forecast.operations.monitoring.watch import Raised, alarms, judged_weeks
from sales_forecast.settings import Settings
from sales_forecast.training import tables


def decision(settings: Settings, panel: Panel, progress: Callable[[str], None]) -> Decision:
    """Decide what is to be done about the champion of MODEL_URI today; keep new alarms.

    `panel`: all that the database holds. Without a champion of these sales, a training. Raises
    RegistryError, DatabaseError.
    """
    progress("reading the champion")
    try:
        folder = locate(settings).find(Event())
        answering = load_for(panel, folder)
    except BundleRefused as error:
        return _without_champion(panel, error.message)
    if answering.version != folder.name:
        return _without_champion(panel, answering.manifest.note)
    manifest = answering.manifest
    trained_until = manifest.training.last_week
    progress("reading what was forecast")
    errors, n_issued = _errors(settings.database_url, panel, folder, manifest)
    progress("judging the errors")
    raised = [of for of in alarms(errors) if of.alarm.week > trained_until]
    kept = _kept(settings.database_url, folder.name, raised)
    confirmed = {(of.alarm.week, of.alarm.rule, of.alarm.subject): of.confirmed for of in raised}

    moved = [
        (of, confirmed.get((of.week, of.rule, of.subject)))
        for of in kept
        if of.rule in {"chain", "group"}
    ]
    return decide(
        Situation(
            today=datetime.now(UTC).date(),
            newest=panel.last,
            trained_until=trained_until,
            trained_on=_last_training(folder, settings.var_dir / CHALLENGER),
            alarms=kept,
            confirmed=[of for of, answer in moved if answer is True],
            refuted=[of for of, answer in moved if answer is False],
            gains=_gains(settings.database_url),
            judged_weeks=judged_weeks(errors),
            notes=[*_missing(errors, n_issued)],
            inputs=inputs(panel, trained_until),
        )
    )


def _without_champion(panel: Panel, reason: str) -> Decision:
    return Decision("retrain", (reason,), {"newest_week": str(panel.last)})


def _errors(url: str, panel: Panel, folder: Path, manifest: Manifest) -> tuple[Errors, int]:
    """Return the errors of all whole weeks, and of how many of them forecasts were issued."""
    issued = read_week_ahead(url, panel, week_ends(panel))
    n_issued = len(np.unique(week_ends(panel)[~np.isnan(issued.middle).all(axis=0)]))
    own = np.isnan(issued.middle).all(axis=0)
    backtest = _backtest(panel, folder, manifest.answered_by.best)
    filled = [np.where(own, before, said) for before, said in zip(backtest, issued, strict=True)]
    return errors_of(panel, WeekAhead(*filled)), n_issued


def _backtest(panel: Panel, folder: Path, model: str) -> tuple[Array, ...]:
    """Return what the champion's own backtest says of the panel's weeks, as `WeekAhead` has it.

    Of days it tells nothing: it judges them one by one, and the rules whole weeks.
    """
    found = tuple(np.full(panel.y.shape, np.nan) for _ in WeekAhead._fields)
    table = tables.read(folder).get(ONE_STEP_NAME)
    if table is None or model not in table or panel.frequency != WEEKLY:
        return found
    rows = np.array([panel.positions.get(name, -1) for name in table["unique_id"]])
    columns = np.searchsorted(panel.periods, table["ds"].to_numpy().astype("datetime64[D]"))
    known = (rows >= 0) & (columns < panel.n_periods)
    for values, end in zip(found, ("", "_lo_80", "_hi_80", "_mean"), strict=True):
        if f"{model}{end}" in table:
            values[rows[known], columns[known]] = table[f"{model}{end}"].to_numpy()[known]
    return found


def _kept(url: str, version: str, raised: Sequence[Raised]) -> tuple[Alarm, ...]:
    """Keep new alarms; return all that are about this version of the champion."""
    with closing(AlarmTable(url)) as table:
        table.add([of.alarm for of in raised], version, datetime.now(UTC))
        return table.raised(version)


def _gains(url: str) -> tuple[float, ...]:
    """Return by what share each champion's WAPE was below that of the one before, oldest first."""
    with closing(Deployments(url)) as deployments:
        verdicts = [json.loads(of.cause.verdict) for of in deployments.all()]
    gains = [of.get("wape_gain") for of in verdicts]
    return tuple(gain for gain in gains if gain is not None)


def _missing(errors: Errors, n_issued: int) -> Iterator[str]:
    if not n_issued:
        yield (
            "No week was forecast before it began yet: run `python train.py forecast` every week, "
            "and the rules will judge it."
        )
    elif not judged_weeks(errors):
        yield (
            f"The rules judge nothing yet: they measure {WARM_UP} weeks of errors first, and "
            f"{len(errors.weeks)} are known."
        )


def _last_training(*folders: Path) -> date:
    """Return the day of the last training that left a bundle, the first of which is there."""
    days = [read_origin(folders[0]).trained_at.date()]
    for folder in folders[1:]:
        try:
            days.append(read_origin(folder).trained_at.date())
        except BundleRefused:
            continue
    return max(days)

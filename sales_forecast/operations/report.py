"""How the champion does: what came true of its promise, how fresh all is, and what rang.

Takes settings and a moment, gives a summary as plain values. Reads, and changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from threading import Event
from typing import Any

from sales_forecast.bundles.fallback import load_for
from sales_forecast.bundles.location import locate
from sales_forecast.data.alarms import Alarm, AlarmTable
from sales_forecast.data.database import Database
from sales_forecast.data.deployments import Deployment, Deployments
from sales_forecast.data.forecasts.stored_forecasts import NewestIssue, StoredForecasts
from sales_forecast.data.forecasts.stored_scores import StoredScores
from sales_forecast.data.monitor_steps import Done, MonitorSteps
from sales_forecast.data.panel import Panel
from sales_forecast.evaluation.error_sums import Measures, measures
from sales_forecast.evaluation.realised import realised
from sales_forecast.operations.monday import RUN, STEPS, monday_of
from sales_forecast.settings import Settings
from sales_forecast.training.promise import Promise, promised

WEEKS = 26
"""So many of the newest weeks are scored."""


@dataclass(frozen=True)
class Model:
    """What answers: the champion that MODEL_URI names, or what stands in for one of other sales.

    `note`: what callers are told with every answer.
    """

    version: str
    name: str
    trained_at: datetime
    trained_until: date
    note: str


@dataclass(frozen=True)
class Summary:
    """All that is to be reported.

    Attributes:
        now: the moment of the report, in UTC.
        unit: `week` or `day`: what scores are of.
        last: the last known period.
        batch: what was forecast last, None before the first batch.
        of_step: periods ahead -> measures of the newest `WEEKS` of weeks.
        by_period: the day that ends a period -> measures of the nearest step.
        promises: periods ahead -> what the backtest promised.
        steps: what the weekly job did in its newest week; `run` is there if all succeeded.
    """

    now: datetime
    unit: str
    last: date
    model: Model
    batch: NewestIssue | None
    of_step: Mapping[int, Measures]
    by_period: Mapping[date, Measures]
    promises: Mapping[int, Promise]
    alarms: Sequence[Alarm]
    deployments: Sequence[Deployment]
    week: date
    steps: Mapping[str, Done]

    @property
    def missed(self) -> bool:
        """Whether the job of the last Monday has not succeeded."""
        return RUN not in self.steps


def summary(settings: Settings, now: datetime) -> Summary:
    """Read everything.

    Raises NotReady without sales, BundleRefused without a champion, RegistryError, DatabaseError.
    """
    url = settings.database_url
    with closing(Database(url)) as database:
        panel = database.read_panel()
    folder = locate(settings).find(Event())
    answering = load_for(panel, folder)
    manifest, best = answering.manifest, answering.manifest.answered_by.best
    model = Model(
        version=answering.version,
        name=best,
        trained_at=answering.origin.trained_at,
        trained_until=manifest.training.last_week,
        note=manifest.note,
    )
    week = monday_of(now.date())
    with (
        closing(StoredForecasts(url)) as forecasts,
        closing(AlarmTable(url)) as alarms,
        closing(Deployments(url)) as deployments,
        closing(MonitorSteps(url)) as steps,
    ):
        of_step, by_period = _scores(url, panel)
        done = steps.done(week)
        return Summary(
            now=now,
            unit=panel.frequency.unit,
            last=panel.last,
            model=model,
            batch=forecasts.newest(),
            of_step=of_step,
            by_period=by_period,
            promises=promised(folder, best) if model.version == folder.name else {},
            alarms=alarms.raised(model.version),
            deployments=deployments.all(),
            week=week,
            steps={name: of for name in (*STEPS, RUN) if (of := done.get(name))},
        )


def _scores(url: str, panel: Panel) -> tuple[Mapping[int, Measures], Mapping[date, Measures]]:
    periods = panel.frequency.periods(WEEKS)
    with closing(StoredScores(url)) as scores:
        of_step = realised(scores, periods)
        by_period = scores.by_period(periods, min(of_step)) if of_step else {}
        return of_step, {target: measures(sums) for target, sums in by_period.items()}


def as_json(of: Summary) -> dict[str, Any]:
    """Return a summary for programs; a number that is none is null."""
    return {
        "now": of.now.isoformat(timespec="seconds"),
        "last_run": {
            "week": str(of.week),
            "succeeded": not of.missed,
            "steps": {
                name: {"at": done.at.isoformat(), **done.outcome} for name, done in of.steps.items()
            },
        },
        "freshness": {
            "data": {"last": str(of.last), "age_days": (of.now.date() - of.last).days},
            "model": {
                "version": of.model.version,
                "name": of.model.name,
                "trained_at": of.model.trained_at.isoformat(),
                "trained_until": str(of.model.trained_until),
                "age_days": (of.now - of.model.trained_at).days,
                "note": of.model.note,
            },
            "batch": of.batch
            and {
                "origin": str(of.batch.origin),
                "issued_at": of.batch.issued_at.isoformat(),
                "model_version": of.batch.model_version,
                "age_days": (of.now - of.batch.issued_at).days,
            },
        },
        "scores": [
            {
                f"{of.unit}s_ahead": step,
                "realised": _plain(vars(measured)),
                "promised": _plain(vars(of.promises[step])) if step in of.promises else None,
            }
            for step, measured in of.of_step.items()
        ],
        "by_period": [
            {"target": str(target), **_plain(vars(measured))}
            for target, measured in of.by_period.items()
        ],
        "alarms": [alarm.as_json() for alarm in of.alarms],
        "deployments": [
            {
                "model_version": row.model_version,
                "from": row.since.isoformat(),
                "until": row.until and row.until.isoformat(),
                "by": row.cause.by,
                "reason": row.cause.reason,
            }
            for row in of.deployments
        ],
    }


def _plain(numbers: Mapping[str, float]) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else value for name, value in numbers.items()}

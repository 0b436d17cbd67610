"""The weekly job: judge, decide, train if that was decided, forecast, forget, export, tell.

Takes settings and a day, gives what became of each step. Each is done once in a week for the same
sales and champion, so the job may be killed at any moment and run as often as one likes. Must not
know how any of it is done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from functools import cached_property
from threading import Event

from sales_forecast.bundles.bundle import CHALLENGER, CHAMPION
from sales_forecast.bundles.location import locate
from sales_forecast.data.database import Database
from sales_forecast.data.deployments import Cause
from sales_forecast.data.forecasts.override_retention import forget_people
from sales_forecast.data.forecasts.stored_scores import StoredScores
from sales_forecast.data.ledger.retention import prune
from sales_forecast.data.monitor_steps import Done, MonitorSteps
from sales_forecast.data.one_job import one_job
from sales_forecast.data.panel import Panel
from sales_forecast.errors import NoticeError
from sales_forecast.evaluation.realised import newest, some_lags
from sales_forecast.operations.batch import write_forecasts
from sales_forecast.operations.cloudwatch import metrics, publish
from sales_forecast.operations.export import export
from sales_forecast.operations.judging import judge, judged_before
from sales_forecast.operations.monitoring.champion import decision
from sales_forecast.operations.notices import tell
from sales_forecast.operations.steps import Outcome, Result, Results, Step, run
from sales_forecast.params import read_params
from sales_forecast.settings import Settings
from sales_forecast.training.again import trained_already

RUN = "monitor"
"""The name under which the success of the whole job is remembered."""
STEPS = ("judge", "decide", "train", "forecast", "retention", "export", "notify")
COMMAND = "monitor.py run"


@dataclass(frozen=True)
class Report:
    """What became of the job of one week, which is named by its Monday."""

    week: date
    results: Sequence[Result]

    @property
    def succeeded(self) -> bool:
        """Whether every step came to its end."""
        return all(result.succeeded for result in self.results)


def monday_of(day: date) -> date:
    """Return the last Monday, that day included."""
    return day - timedelta(days=day.weekday())


def run_monday(settings: Settings, today: date, progress: Callable[[str], None]) -> Report:
    """Do what is not done yet of the week of a day.

    Raises DatabaseError where the database does not answer, or another such job is at work;
    NotReady before any sales.
    """
    week = monday_of(today)
    with (
        closing(Database(settings.database_url, settings.database_service_user)) as database,
        closing(MonitorSteps(settings.database_url)) as stored,
    ):
        database.migrate()
        with one_job(settings.database_url, "monitor"):
            record = _Week(stored, week)
            results = run(_Job(settings, database, progress).steps(), record, progress)
            report = Report(week, results)
            if report.succeeded:
                record.add(RUN, "", {})
    return report


class _Week:
    def __init__(self, stored: MonitorSteps, week: date) -> None:
        self._stored = stored
        self._week = week

    def done(self) -> dict[str, Done]:
        return {**self._stored.done(self._week)}

    def add(self, step: str, state: str, outcome: Outcome) -> None:
        self._stored.record(self._week, step, state, outcome)


class _Job:
    """The steps, and what they have in common."""

    def __init__(
        self, settings: Settings, database: Database, progress: Callable[[str], None]
    ) -> None:
        self._settings = settings
        self._database = database
        self._progress = progress

    def steps(self) -> Sequence[Step]:
        again = "Run `python monitor.py run` again once that is mended."
        return (
            Step("judge", self._sales, self._judge, remedy=again),
            Step("decide", self._sales, self._decide, remedy=again),
            Step("train", self._sales, self._train, ("decide",), remedy=again),
            Step("forecast", self._champion, self._forecast, remedy=again),
            Step("retention", lambda _: "once a week", self._prune, remedy=again),
            Step("export", self._champion, self._export, ("forecast",), remedy=again),
            *(
                [Step("metrics", self._measured, self._publish, remedy=again)]
                if self._settings.cloudwatch_namespace
                else ()
            ),
            Step("notify", _all_told, self._notify, remedy=again),
        )

    @cached_property
    def _version(self) -> int:
        return self._database.version()

    @cached_property
    def _panel(self) -> Panel:
        """All that is stored, read once: no older than `_version`, which is asked for before."""
        self._progress("reading the sales")
        return self._database.read_panel()

    def _sales(self, _: Results) -> str:
        return str(self._version)

    def _champion(self, results: Results) -> str:
        return f"{self._sales(results)} {locate(self._settings).find(Event()).name}"

    def _judge(self, _: Results) -> Outcome:
        url, unit = self._settings.database_url, self._panel.frequency.unit
        judged = judge(url, self._panel, self._progress)
        return {"told": judged.sentence() if judged else judged_before(url, unit)}

    def _decide(self, _: Results) -> Outcome:
        decided = decision(self._settings, self._panel, self._progress)
        told = f"{decided.action.replace('_', ' ')}: {' '.join(decided.reasons)}"
        return {**asdict(decided), "told": told}

    def _train(self, results: Results) -> Outcome:
        """Train where that was decided.

        A training measures intervals anew, too: the backtest that this takes is most of it.
        """
        decided = results["decide"].outcome
        if decided["action"] == "nothing":
            return {"told": "nothing to train"}
        var_dir = self._settings.var_dir
        links = [var_dir / alias for alias in (CHAMPION, CHALLENGER)]
        params = read_params(self._settings.params_file)
        pending = trained_already(self._panel, params, [var_dir / "pending"])
        trained = trained_already(self._panel, params, links)
        if trained is not None and pending is None:
            return {"told": f"{trained} was trained on these sales already."}
        from sales_forecast.training.promote import promote_kept, train_and_promote

        asked = Cause(COMMAND, str(decided["told"]))
        if pending is not None:
            outcome = promote_kept(self._settings, self._progress, asked)
        else:
            source = self._database.source() or "unknown"
            outcome = train_and_promote(self._panel, source, self._settings, self._progress, asked)
        return {"told": outcome.sentence, "alias": outcome.alias}

    def _forecast(self, _: Results) -> Outcome:
        return {"told": write_forecasts(self._settings, self._panel, self._progress)}

    def _prune(self, _: Results) -> Outcome:
        answers, names = (
            self._settings.prediction_retention_days,
            self._settings.override_retention_days,
        )
        told = f"Deleted {prune(self._settings):,} answers older than {answers} days."
        if forgotten := forget_people(self._settings):
            told += f" {forgotten:,} overrides older than {names} days name nobody any more."
        return {"told": told}

    def _export(self, _: Results) -> Outcome:
        file = self._settings.var_dir / "exports" / "forecasts.csv"
        there = self._settings
        told = export(there.database_url, file, for_spreadsheets=there.csv_for_spreadsheets)
        if there.export_uri is not None:
            # It takes seconds to import, where nobody wants it.
            from sales_forecast.operations.parquet_export import export_parquet

            told += f" {export_parquet(there.database_url, there.export_uri)}"
        return {"told": told, "file": str(file)}

    def _measured(self, results: Results) -> str:
        return f"{self._sales(results)} {_failed(results)}"

    def _publish(self, results: Results) -> Outcome:
        namespace = str(self._settings.cloudwatch_namespace)
        with closing(StoredScores(self._settings.database_url)) as scores:
            told = metrics(some_lags(newest(scores, self._panel.frequency)), _failed(results))
        publish(namespace, told)
        return {"told": f"{len(told)} metrics to the namespace {namespace}"}

    def _notify(self, results: Results) -> Outcome:
        sent = tell(self._settings, _text(results))
        if sent.failed:
            raise NoticeError(f"Not everybody could be told: {'; '.join(sent.failed)}.")
        nobody = "nobody: neither NOTIFY_WEBHOOK_URL nor NOTIFY_SNS_TOPIC_ARN is set"
        return {"told": ", ".join(sent.told) or nobody}


def _text(results: Results) -> str:
    """Return what people are told: what failed first."""
    by_need = sorted(results.values(), key=lambda result: result.succeeded)
    lines = [
        f"{result.step}: {'' if result.succeeded else f'{result.status.upper()}: '}{result.told}"
        for result in by_need
    ]
    return "\n".join(["Sales forecasts, the weekly job:", *lines])


def _failed(results: Results) -> int:
    return sum(not result.succeeded for result in results.values())


def _all_told(results: Results) -> str:
    """The same news are told once."""
    return hashlib.sha256(_text(results).encode()).hexdigest()

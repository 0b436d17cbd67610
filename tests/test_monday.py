"""The weekly job: each step once, killed between any two, failing one at a time."""

from __future__ import annotations

import csv
import json
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

import monitor
from sales_forecast.bundles.bundle import CHAMPION, seal
from sales_forecast.bundles.writing import set_alias, write_bundle
from sales_forecast.data.database import Database
from sales_forecast.data.deployments import Deployments
from sales_forecast.data.monitor_steps import MonitorSteps
from sales_forecast.data.one_job import one_job
from sales_forecast.data.panel import Panel
from sales_forecast.errors import DatabaseError
from sales_forecast.operations import monday
from sales_forecast.operations.monday import STEPS, Report, monday_of, run_monday
from sales_forecast.settings import Settings
from sales_forecast.training.challenger import baseline_challenger
from tests import trained
from tests.killed import in_a_fork
from tests.mlflow_server import free_port
from tests.shared import empty_mlflow
from tests.test_batch import bundle, load, read
from tests.test_notices import receiver
from tests.test_promote import without_seal
from tests.trained import silent
from tests.two_keys import panel

MONDAY = date(2026, 11, 23)
N_WEEKS = 110


@pytest.fixture(autouse=True)
def _environment_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow keeps the tracking address in the environment of the process."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")


def place(folder: Path, url: str, sales: Panel | None = None) -> Settings:
    """Nine departments and the growth baseline, trained on what is stored."""
    known = sales or panel(N_WEEKS)
    load(url, known)
    empty_mlflow(folder / "mlflow.db")
    model = bundle(folder / "bundles", known)
    return Settings(
        var_dir=folder,
        database_url=url,
        mlflow_tracking_uri=f"sqlite:///{folder}/mlflow.db",
        model_uri=str(model),
        forecast_horizon=3,
    )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return place(tmp_path, f"sqlite:///{tmp_path}/sales.db")


def run(settings: Settings, today: date = MONDAY) -> Report:
    return run_monday(settings, today, silent)


def statuses(report: Report) -> Mapping[str, str]:
    return {result.step: result.status for result in report.results}


def asked(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    engine = sa.create_engine(settings.database_url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


def test_a_week_begins_with_its_monday() -> None:
    days = [MONDAY + timedelta(days=number) for number in range(-1, 8)]
    assert [MONDAY - timedelta(days=7), *[MONDAY] * 7, MONDAY + timedelta(days=7)] == [
        *map(monday_of, days)
    ]


def test_all_is_done_once_on_every_database(url: str, tmp_path: Path) -> None:
    settings = place(tmp_path, url)
    first, again = run(settings), run(settings, MONDAY + timedelta(days=2))
    assert dict.fromkeys(STEPS, "done") == statuses(first)
    assert dict.fromkeys(STEPS, "was done") == statuses(again)
    assert (MONDAY, MONDAY) == (first.week, again.week)
    assert [of.told for of in first.results] == [of.told for of in again.results]
    assert first.succeeded
    assert again.succeeded
    version = read(settings).version
    told = {of.step: of.told for of in first.results}
    assert told["decide"].startswith("nothing: The champion has seen sales until ")
    assert "nothing to train" == told["train"]
    assert told["forecast"].startswith("Wrote 54 forecasts of 9 series, 3 weeks after ")
    assert f"Wrote 27 forecasts into {tmp_path}/exports/forecasts.csv." == told["export"]
    assert "No forecast has come true yet." == told["judge"]
    assert told["notify"].startswith("nobody: ")
    assert "Deleted 0 answers older than 400 days." == told["retention"]
    assert [(54,)] == asked(settings, "SELECT COUNT(*) FROM forecasts")

    with (tmp_path / "exports" / "forecasts.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert 27 == len(rows)
    assert {"Store", "Dept", "target", "step", "sales", "q50", "upper_95"} < rows[0].keys()
    assert {version} == {row["model_version"] for row in rows}
    assert {str(panel(N_WEEKS).last)} == {row["origin"] for row in rows}
    assert {"1", "2", "3"} == {row["step"] for row in rows}
    assert all(row["issued_at"].endswith("+00:00") for row in rows)

    next_week = run(settings, MONDAY + timedelta(days=7))
    assert dict.fromkeys(STEPS, "done") == statuses(next_week)
    assert [(54,)] == asked(settings, "SELECT COUNT(*) FROM forecasts")


def test_new_sales_and_another_champion_are_forecast_anew_in_the_same_week(
    settings: Settings, tmp_path: Path
) -> None:
    run(settings)
    load(settings.database_url, panel(N_WEEKS + 1))
    report = run(settings)
    assert {**dict.fromkeys(STEPS, "done"), "retention": "was done"} == statuses(report)
    assert report.results[0].told.startswith("Judged 1 week of forecasts: WAPE ")
    other = settings.model_copy(
        update={"model_uri": str(bundle(tmp_path / "bundles", panel(N_WEEKS), "another"))}
    )
    again = dict.fromkeys(("judge", "decide", "train", "retention"), "was done")
    assert dict.fromkeys(STEPS, "done") | again == statuses(run(other))
    newest = "SELECT COUNT(DISTINCT model_version), COUNT(DISTINCT origin) FROM forecast_issues"
    assert [(2, 2)] == asked(settings, newest)


def test_the_job_says_how_the_newest_week_did_whoever_judged_it(settings: Settings) -> None:
    run(settings)
    load(settings.database_url, panel(N_WEEKS + 1))
    judged = run(settings).results[0].told
    scored = judged.removeprefix("Judged 1 week of forecasts")
    assert scored.startswith(": WAPE ")
    again = run(settings, MONDAY + timedelta(days=7)).results[0].told
    assert f"The newest week, {panel(N_WEEKS + 1).last}, was judged before{scored}" == again


def test_sales_are_read_once_and_those_loaded_meanwhile_are_for_the_next_run(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Panel] = []
    reading, deciding = Database.read_panel, monday.decision

    def counted(database: Database) -> Panel:
        reads.append(reading(database))
        return reads[-1]

    def loading(*given: Any) -> Any:
        load(settings.database_url, panel(N_WEEKS + 1))
        return deciding(*given)

    monkeypatch.setattr(Database, "read_panel", counted)
    with monkeypatch.context() as patch:
        patch.setattr(monday, "decision", loading)
        first = run(settings)
    told = {of.step: of.told for of in first.results}
    assert f"3 weeks after {panel(N_WEEKS).last}" in told["forecast"]
    assert [panel(N_WEEKS).last] == [of.last for of in reads]

    again = run(settings)
    assert {**dict.fromkeys(STEPS, "done"), "retention": "was done"} == statuses(again)
    told = {of.step: of.told for of in again.results}
    assert told["judge"].startswith("Judged 1 week of forecasts: WAPE ")
    assert f"3 weeks after {panel(N_WEEKS + 1).last}" in told["forecast"]
    assert 2 == len(reads)


def remembered(settings: Settings, week: date) -> set[str]:
    with closing(MonitorSteps(settings.database_url)) as stored:
        return {*stored.done(week)}


def dies(settings: Settings, when: str, step: str, today: date = MONDAY) -> int:
    """Run the job in a process that is killed before or after it remembers a step."""
    whole = MonitorSteps.record

    def deadly(self: MonitorSteps, week: date, name: str, *rest: Any) -> None:
        if (when, name) == ("before", step):
            os.kill(os.getpid(), signal.SIGKILL)
        whole(self, week, name, *rest)
        if (when, name) == ("after", step):
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MonitorSteps, "record", deadly)
        return in_a_fork(lambda: run(settings, today))


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_between_any_two_steps_the_next_run_does_the_rest(
    settings: Settings, when: str
) -> None:
    for number, step in enumerate([*STEPS, monday.RUN]):
        today = MONDAY + timedelta(weeks=number)
        assert signal.SIGKILL == dies(settings, when, step, today)
        done = (*STEPS, monday.RUN)[: number + (when == "after")]
        assert {*done} == remembered(settings, today)
        report = run(settings, today)
        assert {name: "was done" if name in done else "done" for name in STEPS} == statuses(report)
        assert {*STEPS, monday.RUN} == remembered(settings, today)
    assert [(54,)] == asked(settings, "SELECT COUNT(*) FROM forecasts")


def fails(reason: str) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> Any:
        raise DatabaseError(reason)

    return fail


NEXT = "Run `python monitor.py run` again once that is mended."


@pytest.mark.parametrize(
    ("function", "step", "others"),
    [
        ("judge", "judge", {}),
        ("decision", "decide", {"train": "not run"}),
        ("write_forecasts", "forecast", {"export": "not run"}),
        ("export", "export", {}),
    ],
)
def test_a_step_that_fails_stops_only_what_needs_it_and_the_next_run_takes_up(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    function: str,
    step: str,
    others: Mapping[str, str],
) -> None:
    with receiver() as (url, received):
        told = settings.model_copy(update={"notify_webhook_url": SecretStr(url)})
        with monkeypatch.context() as patch:
            patch.setattr(monday, function, fails("The disk is full"))
            report = run(told)
        assert {**dict.fromkeys(STEPS, "done"), step: "failed", **others} == statuses(report)
        assert not report.succeeded
        (failed,) = [of.told for of in report.results if of.status == "failed"]
        assert f"The disk is full. {NEXT}" == failed
        for needs in others:
            (waits,) = [of.told for of in report.results if of.step == needs]
            assert f"not done: it needs {step}" == waits
        lines = received[0][2]["text"].splitlines()
        assert lines[1].startswith(f"{step}: FAILED: The disk is full.")

        healed = run(told)
        expected = dict.fromkeys(STEPS, "was done") | {step: "done", "notify": "done"}
        assert expected | dict.fromkeys(others, "done") == statuses(healed)
        assert 2 == len(received)
        run(told)
        assert 2 == len(received)


def test_what_nobody_foresaw_fails_one_step_and_leaves_its_trace(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(monday, "decision", broken)
    assert "done" == statuses(run(settings))["forecast"]
    assert "ZeroDivisionError" in caplog.text


def test_a_receiver_that_is_down_does_not_cost_the_forecasts(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("var_dir", "database_url", "mlflow_tracking_uri", "model_uri"):
        monkeypatch.setenv(name.upper(), str(getattr(settings, name)))
    monkeypatch.setenv("FORECAST_HORIZON", "3")
    monkeypatch.setenv("NOTIFY_WEBHOOK_URL", f"http://127.0.0.1:{free_port()}/secret")
    assert 1 == monitor.main(["run"])
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("The week of Monday ")
    assert said[4].startswith("- forecast, done: Wrote 54 forecasts")
    assert said[7] == (
        "- notify, failed: Not everybody could be told: the webhook: it cannot be reached "
        f"(Connection refused). {NEXT}"
    )
    monkeypatch.delenv("NOTIFY_WEBHOOK_URL")
    assert 0 == monitor.main(["run", "--json"])
    said = json.loads(capsys.readouterr().out)
    assert said["succeeded"]
    assert ["was done"] * 6 + ["done"] == [step["status"] for step in said["steps"]]


def test_a_second_job_is_refused_while_the_first_works(url: str, tmp_path: Path) -> None:
    settings = place(tmp_path, url)
    with (
        one_job(url, "monitor"),
        pytest.raises(DatabaseError, match=r"Another `monitor\.py run` is at work"),
    ):
        run(settings)
    assert run(settings).succeeded


@pytest.fixture
def due(tmp_path: Path) -> Settings:
    """A champion of a month ago that has not seen ten weeks; data is short, so trainings are."""
    url = f"sqlite:///{tmp_path}/sales.db"
    empty_mlflow(tmp_path / "mlflow.db")
    load(url, trained.first_weeks(50))
    made = baseline_challenger(trained.first_weeks(40), "my.csv", {}, "")
    then = made.origin.trained_at - timedelta(days=30)
    origin = made.origin.model_copy(update={"trained_at": then})
    folder = write_bundle(tmp_path / "bundles", seal(made.manifest, origin, without_seal(made)))
    set_alias(tmp_path / CHAMPION, folder)
    return Settings(
        var_dir=tmp_path,
        database_url=url,
        mlflow_tracking_uri=f"sqlite:///{tmp_path}/mlflow.db",
        model_uri=str(tmp_path / CHAMPION),
        forecast_horizon=3,
    )


def champion(settings: Settings) -> str:
    return Path(settings.model_uri).resolve().name


def test_a_training_that_is_due_goes_through_the_gate_once(due: Settings) -> None:
    before = champion(due)
    assert signal.SIGKILL == dies(due, "before", "train")
    promoted = champion(due)
    report = run(due)
    told = {of.step: of.told for of in report.results}
    assert told["decide"].startswith("retrain: The champion has seen sales until ")
    assert f"{promoted} was trained on these sales already." == told["train"]
    assert f"of model {promoted}." in told["forecast"]
    assert promoted != before
    with closing(Deployments(due.database_url)) as deployments:
        (row,) = deployments.all()
    assert promoted == row.model_version
    assert row.cause.by.startswith("monitor.py run, ")
    assert row.cause.reason.startswith("retrain: The champion has seen sales until ")
    assert dict.fromkeys(STEPS, "was done") == statuses(run(due))


def test_a_training_that_mlflow_did_not_take_is_published_by_the_next_run(due: Settings) -> None:
    before = champion(due)
    away = due.model_copy(update={"mlflow_tracking_uri": f"http://127.0.0.1:{free_port()}"})
    failed = run(away)
    assert "failed" == statuses(failed)["train"]
    assert "done" == statuses(failed)["forecast"]
    assert before == champion(due)
    report = run(due)
    again = dict.fromkeys(("judge", "decide", "retention"), "was done")
    again = dict.fromkeys(STEPS, "done") | again
    assert again == statuses(report)
    assert before != champion(due)
    assert report.results[2].told.endswith(f"Published as champion {champion(due)}.")

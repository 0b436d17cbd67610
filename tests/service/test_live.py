"""A new model and new weeks are taken up by themselves; what fails is refused with its reason."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from contextlib import closing
from datetime import date
from weakref import ref

import pytest

from sales_forecast.data.frequency import WEEKLY
from sales_forecast.data.monitor_steps import MonitorSteps
from sales_forecast.errors import DatabaseError, NotReady, RegistryError
from sales_forecast.operations.judging import judge
from sales_forecast.service.live import Live
from sales_forecast.service.watched import Watched
from sales_forecast.settings import load_settings
from tests.fakes import FakeDatabase, build_fake, live_fake
from tests.judged import BASELINE, BEST, begin, load, two_stores
from tests.trained import silent


@pytest.fixture(autouse=True)
def thaw():
    """What is frozen for a service would never be collected in the process of the tests."""
    yield
    gc.unfreeze()


@pytest.fixture
def database() -> FakeDatabase:
    return FakeDatabase()


@pytest.fixture
def live(tmp_path, database):
    return live_fake(tmp_path / "bundle", database=database)


def publish(live, version: str) -> None:
    live._model.publish(version)


def test_before_the_first_look_nothing_is_ready(live):
    with pytest.raises(NotReady, match="being loaded"):
        _ = live.predictor


def test_the_first_look_serves_the_bundle_over_the_history(live):
    live.refresh()

    assert live.predictor.version == "model 1 on history 1"
    assert live.problem is None


def test_a_new_bundle_is_served_without_a_restart(live):
    live.refresh()

    publish(live, "model 2")
    live.refresh()

    assert live.predictor.version == "model 2 on history 1"


def test_new_weeks_are_served_without_a_restart(live, database):
    live.refresh()

    database.history = "history 2"
    live.refresh()

    assert live.predictor.version == "model 1 on history 2"


def test_what_was_served_before_is_given_back(live):
    live.refresh()
    served = live.predictor
    vars(served)["itself"] = served  # as a panel knows what is usual of it
    before = ref(served)
    del served

    publish(live, "model 2")
    live.refresh()

    assert before() is None


def test_while_nothing_changes_nothing_is_read_again(live, database):
    live.refresh()
    first = live.predictor

    live.refresh()

    assert live.predictor is first
    assert database.reads == 1


def test_a_bundle_that_fails_is_refused_with_its_reason_and_the_previous_one_stays(live, caplog):
    live.refresh()

    publish(live, "bad")
    live.refresh()

    reason = "The bundle bad does not answer as it was trained to."
    assert live.predictor.version == "model 1 on history 1"
    assert live.problem.message == reason
    assert f"{reason} Served meanwhile: model model 1 on history 1." in caplog.messages


def test_only_a_bundle_that_proved_itself_is_kept(live):
    live.refresh()
    publish(live, "bad")
    live.refresh()

    assert live._model.kept == "model 1"


def test_a_refused_bundle_is_neither_built_nor_logged_again_until_something_changes(
    live, database, caplog
):
    publish(live, "bad")

    live.refresh()
    live.refresh()

    assert database.reads == 1
    assert len(caplog.messages) == 1
    assert live.problem is not None

    publish(live, "model 3")
    live.refresh()

    assert live.predictor.version == "model 3 on history 1"
    assert live.problem is None


def test_without_a_bundle_the_reason_is_told_and_one_that_appears_is_served(tmp_path):
    live = live_fake(tmp_path / "bundle", version=None)

    live.refresh()

    with pytest.raises(NotReady, match="No such file"):
        asyncio.run(live.check())

    publish(live, "model 1")
    live.refresh()
    asyncio.run(live.check())


def test_an_empty_database_is_asked_again_until_it_holds_sales(tmp_path):
    database = FakeDatabase(history=None)
    live = live_fake(tmp_path / "bundle", database=database)

    live.refresh()
    with pytest.raises(NotReady, match="no sales yet"):
        _ = live.predictor

    database.history = "history 1"
    live.refresh()

    assert live.predictor.version == "model 1 on history 1"


def test_a_database_that_fails_for_a_while_costs_no_answer(live, database):
    live.refresh()
    database.failure = DatabaseError("The database does not answer.")

    live.refresh()

    assert live.predictor.version == "model 1 on history 1"
    assert live.problem.message == "The database does not answer."
    with pytest.raises(DatabaseError):
        asyncio.run(live.check())

    database.failure = None
    live.refresh()
    asyncio.run(live.check())
    assert live.problem is None


def test_a_registry_that_fails_is_a_reason_like_others(live):
    live._model.failure = RegistryError("MLflow does not answer.")

    live.refresh()

    with pytest.raises(NotReady, match="MLflow does not answer"):
        _ = live.predictor


def test_a_failure_that_nobody_foresaw_is_logged_with_its_trace_and_looked_at_again(
    tmp_path, caplog
):
    def broken_once(folder, panel, before):
        if not caplog.records:
            raise ZeroDivisionError("a mistake in the code")
        return build_fake(folder, panel, before)

    live = live_fake(tmp_path / "bundle", build=broken_once)

    live.refresh()

    assert live.problem is not None
    assert live.problem.message.endswith("failed; the reason is in the log.")
    assert caplog.records[0].exc_info is not None

    live.refresh()

    assert live.predictor.version == "model 1 on history 1"


def test_the_thread_looks_until_the_context_ends_and_then_ends_promptly(live):
    with live:
        live.wait(10)
        assert live.predictor.version == "model 1 on history 1"
        assert "refresh" in {thread.name for thread in threading.enumerate()}

    assert "refresh" not in {thread.name for thread in threading.enumerate()}
    assert live._database.closed


def test_a_new_model_is_announced_in_the_log(live, caplog):
    caplog.set_level(logging.INFO)

    live.refresh()

    assert caplog.messages == ["Serving model model 1 on history 1 with sales until 2012-10-26."]


def test_a_real_bundle_over_a_real_database_is_served_as_the_settings_say(deployment, monkeypatch):
    monkeypatch.chdir(deployment.link.parent)
    for name in ("DATABASE_URL", "MODEL_URI", "VAR_DIR"):
        monkeypatch.setenv(name, deployment.environment[name])
    deployment.load()
    version = deployment.publish("the growth baseline")

    with Live.from_settings(load_settings()) as live:
        live.wait(30)
        asyncio.run(live.check())

        assert live.predictor.version == version
        assert live.predictor.warnings == ("the growth baseline",)


def test_how_good_forecasts_were_is_read_once_something_is_served(tmp_path):
    url = f"sqlite:///{tmp_path}/sales.db"
    begin(url, BEST, BASELINE)
    watched = Watched(url)
    watched.read(WEEKLY)
    assert {} == watched.realised
    judge(url, load(url, two_stores()), silent)
    watched.read(None)
    assert {} == watched.realised
    watched.read(WEEKLY)
    assert {1: 20 / 300, 2: 9 / 120} == {step: of.wape for step, of in watched.realised.items()}
    watched.close()


def test_what_the_weekly_job_found_is_read_after_a_look_and_kept_while_it_cannot_be_read(tmp_path):
    url = f"sqlite:///{tmp_path}/sales.db"
    begin(url, BEST, BASELINE)
    judge(url, load(url, two_stores()), silent)
    with closing(MonitorSteps(url)) as steps:
        steps.record(date(2026, 11, 23), "forecast", "1", {})
    with live_fake(tmp_path / "bundle", url=url) as live:
        live.wait(10)
    watched = live.watched
    assert {1, 2} == {*watched.realised}
    assert {"forecast"} == {*watched.succeeded}

    (tmp_path / "sales.db").write_bytes(b"no database")
    watched.read(WEEKLY)

    assert {1, 2} == {*watched.realised}
    assert {"forecast"} == {*watched.succeeded}
    watched.close()

"""The door `monitor.py`, and the alarms that it keeps."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

import monitor
from sales_forecast.bundles.writing import write_bundle
from sales_forecast.data.alarms import Alarm, AlarmTable
from sales_forecast.data.database import Database
from sales_forecast.data.deployments import Cause, Deployments
from sales_forecast.data.forecasts.issuing import ForecastTable
from sales_forecast.data.forecasts.week_ahead import read_week_ahead
from sales_forecast.data.frequency import DAILY
from sales_forecast.data.panel import Array, Panel
from sales_forecast.evaluation.backtest import backtest
from sales_forecast.evaluation.protocols import RollingOrigin
from sales_forecast.evaluation.scoring import with_quantiles
from sales_forecast.models.naive import BASELINES
from sales_forecast.operations.monitoring.errors import week_ends
from sales_forecast.operations.monitoring.rules import CHAIN, WARM_UP
from sales_forecast.training.challenger import baseline_challenger
from sales_forecast.training.gate import Verdict
from tests.two_keys import SPEC, issue, panel

NOW = datetime(2012, 11, 5, 6, 0, 0, 5, tzinfo=UTC)
ALARM = Alarm(date(2012, 6, 29), "series", "14", 3.75, 3.5, "Store 14 sells less.")
N_WEEKS = 120


def test_an_alarm_is_kept_once_and_as_it_was_raised(url: str) -> None:
    with closing(Database(url)) as database:
        database.migrate()
    later = replace(ALARM, week=date(2012, 7, 6))
    other = replace(ALARM, rule="group")
    with closing(AlarmTable(url)) as table:
        assert 1 == table.add([ALARM], "v1", NOW)
        assert 2 == table.add([replace(ALARM, statistic=9.0), later, other], "v1", NOW)
        assert 0 == table.add([], "v1", NOW)
        assert (other, ALARM, later) == table.raised("v1")
        assert () == table.raised("v2")


def bundle(folder: Path, sales: Panel) -> Path:
    """The growth baseline, judged by itself."""
    table = with_quantiles(backtest(sales, BASELINES, RollingOrigin(1, 40, 1)), sales)
    challenger = baseline_challenger(sales, "panel", {"one_step": table}, "")
    return write_bundle(folder, challenger.sealed)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database of nine departments, and the settings that name it."""
    url = f"sqlite:///{tmp_path}/sales.db"
    with closing(Database(url)) as database:
        database.write(panel(N_WEEKS), "panel")
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def issue_at(url: str, sales: Panel, origin: int, expected: Array) -> None:
    """Issue what is expected of the periods after the first `origin` ones."""
    past = sales.until(sales.periods[origin - 1])
    with closing(ForecastTable(url)) as table:
        assert table.write(past, [issue(expected, version=f"v{origin}")], NOW).forecasts


def test_of_each_week_the_newest_forecast_of_the_week_before_is_read(url: str) -> None:
    sales = panel(20)
    with closing(Database(url)) as database:
        database.write(sales, "panel")
    for origin, level in ((15, 100.0), (16, 200.0)):
        issue_at(url, sales, origin, np.full((9, 3), level))
    said = read_week_ahead(url, sales, sales.periods)
    assert [100, 200] == said.middle[8, 15:17].tolist()
    assert [90, 180] == pytest.approx(said.low[8, 15:17])
    assert [110, 220] == pytest.approx(said.high[8, 15:17])
    known = ~np.isnan(said.middle)
    assert known[:, 15:17].all()
    assert 18 == known.sum()


def test_means_are_read_beside_medians_which_do_not_add_up_to_weeks(url: str) -> None:
    days = replace(
        panel(20),
        periods=np.datetime64("2024-01-01") + np.arange(20),
        frequency=DAILY,
        spec=SPEC.model_copy(update={"frequency": DAILY}),
    )
    with closing(Database(url)) as database:
        database.write(days, "panel")
    said = issue(np.full((9, 7), 10.0))
    at_times = replace(said, quantiles={**said.quantiles, "q50": np.zeros((9, 7))})
    with closing(ForecastTable(url)) as table:
        table.write(days.until(days.periods[6]), [at_times], NOW)
    assert (read_week_ahead(url, days, week_ends(days)).mean[:, 7:14] == 10).all()


def test_errors_of_issued_forecasts_raise_alarms_that_are_kept_once(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url, sales, until = f"sqlite:///{place}/sales.db", panel(N_WEEKS), N_WEEKS - 6
    monkeypatch.setenv("MODEL_URI", str(bundle(place, sales.until(sales.periods[until - 1]))))
    for origin in range(until, N_WEEKS):
        low = 0.7 if origin >= until + 1 else 1.0
        issue_at(url, sales, origin, low * sales.y[:, origin : origin + 1])
    said = []
    for _ in range(2):
        assert 0 == monitor.main(["decide", "--json"])
        said.append(json.loads(capsys.readouterr().out))
    assert said[0] == said[1]
    first = said[0]["evidence"]["alarms"][0]
    week = str(sales.periods[until + 1])
    assert ("chain", week) == (first["rule"], first["week"])
    assert first["statistic"] > first["limit"] >= CHAIN.limit
    assert 46 - WARM_UP == said[0]["evidence"]["judged_weeks"]
    reasons = " ".join(said[0]["reasons"])
    assert f"above the forecasts in the week to {week}" in reasons
    assert "The two weeks after it say the same." in reasons
    assert "at most one in 7 days" in reasons


def test_a_fresh_champion_needs_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODEL_URI", str(bundle(place, panel(N_WEEKS))))
    assert 0 == monitor.main(["decide", "--json"])
    said = json.loads(capsys.readouterr().out)
    assert ["action", "reasons", "evidence", "expected_wape_gain"] == [*said]
    assert ("nothing", None) == (said["action"], said["expected_wape_gain"])
    assert 0 == said["evidence"]["new_weeks"]
    assert any("No week was forecast before it began yet" in reason for reason in said["reasons"])


def test_what_trainings_gained_is_read_from_their_verdicts(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODEL_URI", str(bundle(place, panel(N_WEEKS))))
    with closing(Deployments(f"sqlite:///{place}/sales.db")) as deployments:
        deployments.record("first", Cause("train.py", "it is the first"))
        for version, gain in (("second", 0.04), ("third", -0.01)):
            verdict = Verdict((), gain).as_json()
            deployments.record(version, Cause("train.py", "it passed the gate", verdict))
    assert 0 == monitor.main(["decide", "--json"])
    assert [0.04, -0.01] == json.loads(capsys.readouterr().out)["evidence"]["gains"]


def test_a_champion_that_was_trained_today_is_not_trained_again(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sales = panel(N_WEEKS)
    monkeypatch.setenv("MODEL_URI", str(bundle(place, sales.until(sales.periods[-10]))))
    assert 0 == monitor.main(["decide"])
    said = capsys.readouterr().out.splitlines()
    assert "nothing:" == said[0]
    assert any("9 weeks are new" in line for line in said)
    assert any("at most one in 7 days" in line for line in said)


def test_without_a_champion_of_these_sales_a_training_is_asked_for(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    others = panel(N_WEEKS)
    elsewhere = bundle(place, replace(others, y=others.y * 2))
    for uri, reason in (
        (place / "nowhere", "There is no model bundle at"),
        (elsewhere, "was trained on other sales"),
    ):
        monkeypatch.setenv("MODEL_URI", str(uri))
        assert 0 == monitor.main(["decide"])
        said = capsys.readouterr().out.splitlines()
        assert "retrain:" == said[0]
        assert reason in said[1]


def test_wrong_words_are_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        monitor.main([])


def test_who_stops_it_is_told_so_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(monitor, "stored", stopped)
    assert 130 == monitor.main(["decide"])
    assert "monitor.py: stopped." == capsys.readouterr().err.splitlines()[-1]

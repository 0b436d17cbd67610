"""The door `monitor.py`, and the alarms that it keeps."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

import monitor
from sales_forecast.bundles.bundle import write_bundle
from sales_forecast.data.alarms import Alarm, AlarmTable
from sales_forecast.data.database import Database
from sales_forecast.data.panel import Panel
from sales_forecast.evaluation.backtest import backtest
from sales_forecast.evaluation.protocols import RollingOrigin
from sales_forecast.evaluation.scoring import with_quantiles
from sales_forecast.models.naive import BASELINES
from sales_forecast.operations.monitoring import champion
from sales_forecast.training.challenger import baseline_challenger
from tests.two_keys import panel

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
    table = with_quantiles(backtest(sales, BASELINES, RollingOrigin(1, 10, 1)), sales)
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


def test_a_fresh_champion_needs_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODEL_URI", str(bundle(place, panel(N_WEEKS))))
    assert 0 == monitor.main(["decide", "--json"])
    said = json.loads(capsys.readouterr().out)
    assert ["action", "reasons", "evidence", "expected_wape_gain"] == [*said]
    assert ("nothing", None) == (said["action"], said["expected_wape_gain"])
    assert 0 == said["evidence"]["new_weeks"]


def test_a_champion_that_was_trained_today_is_not_trained_again(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODEL_URI", str(bundle(place, panel(N_WEEKS - 9))))
    assert 0 == monitor.main(["decide"])
    said = capsys.readouterr().out.splitlines()
    assert "nothing:" == said[0]
    assert any("9 weeks are new" in line for line in said)
    assert any("at most one in 7 days" in line for line in said)


def test_without_a_champion_it_says_so_in_one_line(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODEL_URI", str(place / "nowhere"))
    assert 1 == monitor.main(["decide"])
    out, err = capsys.readouterr()
    assert "" == out
    assert "There is no model bundle at" in err.splitlines()[-1]


def test_wrong_words_are_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        monitor.main([])


def test_who_stops_it_is_told_so_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(champion, "decision", stopped)
    assert 130 == monitor.main(["decide"])
    assert "monitor.py: stopped." == capsys.readouterr().err.splitlines()[-1]

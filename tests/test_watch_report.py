"""The report of how the champion does: for people, for programs and for the Tuesday task."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import monitor
from sales_forecast.data.panel import Panel
from sales_forecast.operations import report as reports
from sales_forecast.operations import report_page
from sales_forecast.operations.monday import run_monday
from sales_forecast.operations.report import as_json, summary
from sales_forecast.reports.drawing import lines
from sales_forecast.settings import Settings
from sales_forecast.training import tables
from sales_forecast.training.promise import promised
from tests.test_batch import load
from tests.test_monday import place, silent
from tests.two_keys import panel

MONDAY = date(2020, 1, 6)
N_WEEKS, N_MONDAYS = 110, 4
SALES = panel(N_WEEKS + N_MONDAYS - 1)
NOW = datetime.combine(MONDAY + timedelta(weeks=N_MONDAYS - 1, days=1), datetime.min.time(), UTC)


def known(n_mondays: int) -> Panel:
    """What is known so many Mondays after the first."""
    return SALES.until(SALES.periods[N_WEEKS - 1 + n_mondays])


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Four Mondays, each with a week of sales more."""
    folder = tmp_path_factory.mktemp("watched")
    settings = place(folder, f"sqlite:///{folder}/sales.db", known(0))
    for number in range(N_MONDAYS):
        load(settings.database_url, known(number))
        run_monday(settings, MONDAY + timedelta(weeks=number), silent)
    return settings


def test_what_came_true_stands_beside_what_was_promised(watched: Settings) -> None:
    found = summary(watched, NOW)
    promise = promised(Path(watched.model_uri), found.model.name)
    assert [1, 2, 3] == [*found.of_step]
    assert 3 * 9 == found.of_step[1].n
    assert [*SALES.periods[-3:].tolist()] == [*found.by_period]
    every = sum(of.wape * sold for of, sold in zip(
        found.by_period.values(), np.abs(SALES.y[:, -3:]).sum(axis=0), strict=True
    ))  # fmt: skip
    assert found.of_step[1].wape == pytest.approx(every / np.abs(SALES.y[:, -3:]).sum())
    said = as_json(found)
    assert [1, 2, 3] == [of["weeks_ahead"] for of in said["scores"]]
    assert said["scores"][0]["promised"] == vars(promise[1])
    assert said["scores"][0]["realised"]["wape"] == found.of_step[1].wape
    assert found.model.version == said["freshness"]["batch"]["model_version"]
    assert str(SALES.last) == said["freshness"]["data"]["last"]
    json.dumps(said, allow_nan=False)


def test_of_a_champion_of_other_sales_what_stands_in_for_it_is_reported(
    watched: Settings, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/sales.db"
    load(url, replace(SALES, y=2 * SALES.y))
    others = summary(watched.model_copy(update={"database_url": url}), NOW)
    assert (f"{SALES.last}-baseline", "seasonal_naive_growth") == (
        others.model.version,
        others.model.name,
    )
    note = f"The model {summary(watched, NOW).model.version} was trained on other sales"
    assert others.model.note.startswith(note)
    assert {} == others.promises
    assert note in report_page.page(others)


def test_a_promise_is_what_the_backtest_said_of_that_step(watched: Settings) -> None:
    folder, model = Path(watched.model_uri), "seasonal_naive_growth"
    (table,) = tables.read(folder).values()
    for step, promise in promised(folder, model).items():
        rows = table[table["step"] == step]
        missed, sold = (rows["y"] - rows[model]).abs().sum(), rows["y"].abs().sum()
        inside = rows["y"].between(rows[f"{model}_lo_80"], rows[f"{model}_hi_80"])
        known = rows[f"{model}_lo_80"].notna()
        assert (len(rows), 0.0) == (promise.n, promise.skill)
        assert promise.wape == pytest.approx(missed / sold)
        assert promise.coverage_80 == pytest.approx(inside[known].mean(), nan_ok=True)
    assert {} == promised(folder, "arima")


class Page(HTMLParser):
    """What is in a page: its texts, and whatever it would fetch from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.opened: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [str(value) for name, value in attrs if name in {"src", "href"}]
        self.fetched += [tag] if tag in {"script", "link", "img"} else []
        if tag not in {"meta", "line", "polyline", "circle"}:
            self.opened.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """It is closed at once."""

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.opened.pop()

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_page_is_whole_and_needs_nothing_from_elsewhere(watched: Settings) -> None:
    text = report_page.page(summary(watched, NOW))
    page = Page(text)
    assert [] == page.fetched
    assert [] == page.opened
    assert "url(" not in text
    assert 2 == text.count("<svg ")
    said = " ".join(page.texts)
    week = MONDAY + timedelta(weeks=N_MONDAYS - 1)
    assert f"The weekly job of Monday {week} succeeded." in said
    assert "WAPE, 1 week ahead" in said
    assert f"The newest forecasts know sales until {SALES.last}." in said
    assert "notify" in page.texts


def test_what_is_late_is_marked(watched: Settings, tmp_path: Path) -> None:
    later = summary(watched, NOW + timedelta(weeks=1))
    assert later.missed
    assert 'class="bad">MISSED: the weekly job of Monday ' in report_page.page(later)
    new = place(tmp_path, f"sqlite:///{tmp_path}/sales.db", known(0))
    before = report_page.text(summary(new, NOW))
    assert "Nothing was forecast yet. Run `python train.py forecast`." in before
    assert before.endswith("No forecast was judged yet.")
    run_monday(new, MONDAY, silent)
    load(new.database_url, known(1))
    assert "NOT OF THE NEWEST SALES: " in report_page.page(summary(new, NOW))


def test_what_came_from_elsewhere_cannot_become_a_part_of_the_page(watched: Settings) -> None:
    found = summary(watched, NOW)
    done = found.steps["forecast"]
    evil = reports.Summary(
        **{
            **vars(found),
            "steps": {"<b>x</b>": type(done)(done.at, "", {"told": '"<script>alert(1)</script>'})},
        }
    )
    text = report_page.page(evil)
    assert "<script" not in text
    assert "<b>" not in text


def test_the_command_prints_writes_and_fails_if_monday_was_missed(
    watched: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("var_dir", "database_url", "model_uri"):
        monkeypatch.setenv(name.upper(), str(getattr(watched, name)))
    file = tmp_path / "report.html"
    # Nothing ran in the week of today.
    assert 1 == monitor.main(["report", "--html", str(file), "--fail-if-missed"])
    said = capsys.readouterr().out
    assert said.startswith("MISSED: the weekly job of Monday ")
    assert re.search(r"^ +1 +27 +\d", said, re.MULTILINE)
    assert file.read_text().startswith("<!doctype html>")
    today = datetime.now(UTC).date()
    run_monday(watched.model_copy(update={"var_dir": tmp_path}), today, silent)
    assert 0 == monitor.main(["report", "--json", "--fail-if-missed"])
    assert json.loads(capsys.readouterr().out)["last_run"]["succeeded"]
    assert 1 == monitor.main(["report", "--html", str(tmp_path / "no" / "such" / "file.html")])
    assert "cannot be written" in capsys.readouterr().err


def test_lines_have_gaps_dots_and_a_scale() -> None:
    drawn = lines("a <b>", ["1", "2", "3", "4"], {"x": [1.0, 2.0, math.nan, 3.0]}, "{:.0f}".format)
    assert 1 == drawn.count("<polyline")
    assert 1 == drawn.count("<circle")
    assert "a &lt;b&gt;" in drawn
    assert "<p>x: nothing is known yet.</p>" == lines("x", ["1"], {"x": [math.nan]}, str)
    assert "nan" not in lines("x", ["1"], {"x": [0.0]}, str)
    scale = lines("x", ["1", "2"], {"x": [0.031, 0.114], "y": [0.05, 0.05]}, "{:.1%}".format)
    assert ["2.5%", "5.0%", "7.5%", "10.0%", "12.5%"] == re.findall(r">([\d.]+%)<", scale)
    assert 2 == scale.count("stroke-dasharray")  # the line and its name

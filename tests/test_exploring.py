"""`train.py eda`: what was planted into sales is found, told, and shown on a page of its own."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import train
from sales_forecast.data.panel import Panel
from sales_forecast.exploring.findings import Findings, explore
from sales_forecast.exploring.page import as_json, page, text
from sales_forecast.exploring.patterns import by_month, by_weekday, lifts, like_last_year, outliers
from sales_forecast.exploring.shape import shape, weeks
from sales_forecast.exploring.tables import covariates, groups
from tests import two_keys
from tests.builders import (
    LAYOUT_NAMES,
    daily_panel,
    panel_of,
    panel_of_layout,
    sales_file,
    sample_panel,
)


def said(found: Findings, level: str) -> list[str]:
    return [check.said for check in found.checks if check.level == level]


def planted() -> Panel:
    """Ten stores of the sample, with a gap, zeros, returns, a late one and one that has ended."""
    sample = sample_panel(10)
    y = sample.y.copy()
    y[0, 10:14] = np.nan
    y[1, 20:23] = 0
    y[2, 30] = -500
    y[3, :50] = np.nan
    y[4, 130:] = np.nan
    y[5, 60] *= 3
    return replace(sample, y=y)


def test_gaps_zeros_returns_beginnings_and_ends_are_counted() -> None:
    found = shape(planted())
    assert (10, 143, 1430 - 4 - 50 - 13) == (found.series, found.periods, found.rows)
    assert (3, 1, 500.0) == (found.zeros, found.returns, found.returned)
    assert (4, ["1"]) == (found.missing, [*found.gaps])
    assert (1, 1, 0, 9) == (found.begun, found.ended, found.empty, found.newest)


def test_a_week_that_only_one_store_has_stands_out_and_christmas_does_not() -> None:
    count, farthest = outliers(planted())
    found = {(one.series, str(one.period)) for one in farthest}
    panel = planted()
    assert ("6", str(panel.periods[60])) in found
    assert count == len(farthest) < 10
    one = next(one for one in farthest if one.series == "6")
    assert one.sold == pytest.approx(3 * one.usual, rel=0.3)


def test_of_two_stores_each_is_judged_by_itself() -> None:
    y = 100 + np.random.default_rng(0).random((2, 60))
    y[0, 30] = 300
    count, (one,) = outliers(panel_of(y))
    assert (1, "1", 300.0) == (count, one.series, one.sold)
    assert (0, []) == outliers(panel_of(np.full((2, 60), 5.0)))


def test_a_season_is_shown_by_months_and_goes_with_last_year() -> None:
    panel = two_keys.panel(156)
    months = by_month(panel)
    of_month = panel.periods.astype("datetime64[M]").astype(int) % 12
    of_2011 = panel.periods.astype("datetime64[Y]").astype(int) + 1970 == 2011
    logs = np.log(panel.y)
    naive = np.mean([
        np.expm1(np.mean(row[of_2011 & (of_month == 5)]) - np.mean(row[of_2011])) for row in logs
    ])  # fmt: skip
    assert months[5] == pytest.approx(naive, abs=0.03)
    assert like_last_year(panel) > 0.8
    assert np.isnan(like_last_year(panel.until(panel.periods[40])))


def test_days_are_added_up_to_weeks_and_what_is_shut_is_not_missing() -> None:
    panel = daily_panel(4, 460)
    found = weeks(panel)
    assert (460 // 7, 460 // 7) == (len(found.ends), len(found.total))
    assert str(panel.last) == found.ends[-1]
    assert np.nansum(panel.y[:, -7:]) == pytest.approx(found.total[-1])
    assert found.total[0] == pytest.approx(found.before[52])
    assert {4} == {*found.selling}
    parts = [part for of in groups(panel).values() for part in of]
    assert parts
    assert {0.0} == {part.missing for part in parts}


def test_weekdays_are_shown_of_days_alone() -> None:
    found = by_weekday(daily_panel())
    assert found is not None
    assert np.isnan(found[6])  # closed on Sundays
    assert 5 == np.nanargmin(found)  # Saturdays sell less
    assert by_weekday(sample_panel()) is None


def test_a_flagged_week_is_held_against_those_around_it() -> None:
    panel = panel_of(np.full((3, 60), 100.0))
    flags = np.zeros((3, 60))
    flags[:, [20, 40]] = 1
    y = np.where(flags > 0, 150.0, panel.y)
    flagged = replace(panel, y=y, conditions={**panel.conditions, "Holiday_Flag": flags})
    first = lifts(flagged)[0]
    assert ("Holiday_Flag = 1", 2) == (first.name, first.periods)
    assert first.lift == pytest.approx(0.5)
    assert [
        "week of Super Bowl", "week of Labor Day", "week of Thanksgiving", "week of Christmas",
    ] == [one.name for one in lifts(flagged)[1:]]  # fmt: skip


def test_a_covariate_is_compared_within_series_and_not_between_them() -> None:
    rng = np.random.default_rng(1)
    prices = 10.0 * np.arange(1, 6)[:, None] + rng.standard_normal((5, 130))
    # Large stores are dear, and a dear week sells less.
    logs = np.log(prices.mean(axis=1, keepdims=True)) * 3 - 0.2 * (
        prices - prices.mean(axis=1)[:, None]
    )
    panel = replace(panel_of(np.exp(logs)), conditions={"price": prices})
    (found,) = covariates(panel)
    assert found.within == pytest.approx(-1, abs=1e-6)
    assert found.by_year == pytest.approx(-1, abs=1e-6)
    assert found.between > 0.9
    assert (1.0, False) == (found.known, found.planned)


def test_groups_are_those_of_size_keys_and_traits_each_once() -> None:
    panel = two_keys.panel(120)
    kinds = np.array(["x", "y", "y"] * 3)
    found = groups(replace(panel, traits={"Dept again": panel.keys["Dept"], "kind": kinds}))
    assert ["mean sales", "Dept", "kind"] == [*found]
    assert [3, 6] == [one.series for one in found["kind"]]
    assert 1 == pytest.approx(sum(one.of_sales for one in found["Dept"]))
    smallest, _, largest = found["mean sales"]
    assert smallest.of_sales < largest.of_sales


@pytest.mark.parametrize(
    ("panel", "reason"),
    [
        (panel_of(np.zeros((2, 80))), "Nothing was ever sold: there is nothing to learn."),
        (
            sample_panel(2, n_weeks=64),
            (
                "Models are judged from 65 weeks on, and these sales have 64 weeks; until then "
                "last year's sales answer alone, or what was sold last."
            ),
        ),
    ],
)
def test_what_keeps_models_from_being_trained_is_refused(panel: Panel, reason: str) -> None:
    found = explore(panel)
    assert found.refused
    assert [reason] == said(found, "refused")
    assert f"REFUSED: {reason}" in text(found).splitlines()
    assert 'class="bad"' in page(found, "x")


def test_what_is_only_told_has_its_numbers() -> None:
    panel = planted()
    y = panel.y.copy()
    y[6:, -1] = np.nan
    dull = {**panel.conditions, "CPI": np.full(panel.y.shape, 3.0)}
    dull["Fuel_Price"] = np.where(np.arange(panel.n_periods) % 5 == 0, 1.0, np.full_like(y, np.nan))
    found = explore(replace(panel, y=y, conditions=dull, notes=("Left out: a day.",)))
    assert not found.refused
    told = said(found, "told")
    (loaded,) = (one for one in told if one.endswith("Was all of it loaded?"))
    assert loaded.startswith("The last week, 2012-10-26, has 5 series; the one a week before has 9")
    assert "Series with gaps: 1 of 10, 4 weeks together; the longest is 4 weeks, of 1." in told
    assert "Left out: a day." in told
    assert "CPI is 3 throughout: it tells nothing." in told
    assert (
        "Fuel_Price is 1 throughout: it tells nothing. An empty cell is not known: if it means 0, "
        "write 0." in told
    )
    share = 500 / y[y > 0].sum()
    (back,) = (one for one in told if "came back" in one)
    assert f"Below zero: 1 of 1,359 rows; 500 came back, {share:.2%} of sales" in back
    assert "Zero: 3 of 1,359 rows." in told


def test_one_of_anything_is_told_as_one() -> None:
    y = np.array([[100.0, 110, np.nan, 120], [50, 60, 70, 80]])
    told = said(explore(panel_of(y)), "told")
    assert "Series with gaps: 1 of 2, 1 week together; the longest is 1 week, of 1." in told
    alone = explore(panel_of(np.array([[100.0]])))
    assert ", 1 week: 1 row, 100 sold." in text(alone).splitlines()[0]
    assert said(alone, "refused")[0].startswith("Models are judged from 65 weeks on, and these")
    assert "sales have 1 week;" in said(alone, "refused")[0]


@pytest.mark.parametrize(("last_year", "growth"), [(-0.3, np.nan), (0.0, -1.0), (1.5, 0.5)])
def test_of_what_came_back_more_than_was_sold_there_is_no_growth(
    last_year: float, growth: float
) -> None:
    y = np.full((6, 104), 100.0) * np.arange(1, 7)[:, None]
    y[:2, 52:] *= last_year
    smallest, *_ = groups(panel_of(y))["mean sales"]
    assert growth == pytest.approx(smallest.growth, nan_ok=True)


class _Links(HTMLParser):
    """Whatever a page would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {name for name, _ in attrs}
        if tag in {"script", "link", "img", "iframe"} or names & {"src", "href"}:
            self.found.append(tag)


@pytest.mark.parametrize("layout", LAYOUT_NAMES)
def test_every_layout_has_a_page_that_needs_nothing_from_elsewhere(
    layout: str, tmp_path: Path
) -> None:
    found = explore(panel_of_layout(layout, tmp_path))
    made = page(found, "<b>mine</b>")
    links = _Links()
    links.feed(made)
    assert [] == links.found
    assert "&lt;b&gt;mine&lt;/b&gt;" in made
    assert ">nan<" not in made
    stored = json.loads(as_json(found))
    assert found.data_fingerprint == stored["data_fingerprint"]
    assert found.shape.series == stored["shape"]["series"]
    assert found.refused is stored["refused"]


def test_the_command_writes_the_page_and_says_by_its_exit_code_what_it_is_worth(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page_file, summary = tmp_path / "eda.html", tmp_path / "eda.json"
    good = sales_file(tmp_path, sample_panel(2))
    words = ["eda", "--csv", str(good), "--html", str(page_file), "--json", str(summary)]
    assert 0 == train.main(words)
    assert "<svg" in page_file.read_text()
    assert json.loads(summary.read_text())["shape"]["rows"] == 286
    assert "fine: No series has a gap" in capsys.readouterr().out

    short = sales_file(tmp_path, sample_panel(2, n_weeks=20))
    assert 1 == train.main(["eda", "--csv", str(short)])
    refused = "REFUSED: Models are judged from 65 weeks on, and these sales have 20 weeks;"
    assert refused in capsys.readouterr().out

    good.write_text("Store,Date\n")
    assert 1 == train.main(["eda", "--csv", str(good)])
    assert str(good) in capsys.readouterr().err

"""Overview and series: each number of a page against the API and the panel."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from datetime import date, timedelta

import httpx
import numpy as np
import pytest

from sales_forecast.models.cold_start import peers
from sales_forecast.web.rendering import against, gain, money
from sales_forecast.web.selection import Selections
from tests.service.conftest import ask_app
from tests.web.odd import PRICE
from tests.web.world import get, of_ones_own


def text_of(response: httpx.Response) -> str:
    assert 200 == response.status_code, response.text[-500:]
    return " ".join(re.sub(r"<[^>]+>", " ", response.text).split())


def rows_of(response: httpx.Response, caption: str) -> list[list[str]]:
    """The cells of the table with a caption, by row."""
    table = next(of for of in response.text.split("<table")[1:] if f">{caption}<" in of)
    rows = table.split("</table>")[0].split("<tr>")[2:]
    return [
        [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", row)]
        for row in rows
    ]


def test_the_table_of_a_series_has_what_the_api_answers(app):
    stored = [
        ask_app(app, "GET", f"/forecast?store_id=2&level={level}").json() for level in (80, 95)
    ]
    rows = rows_of(get(app, "/series?store_id=2&ahead=13"), "Forecast")
    assert 13 == len(rows)
    for row, at_80, at_95 in zip(rows, *stored, strict=False):
        told = at_80["sales"], at_80["lower"], at_80["upper"], at_95["lower"], at_95["upper"]
        assert [*map(money, told)] == [row[1], *row[4:8]]


@pytest.mark.parametrize(
    ("value", "told", "apart"),
    [
        (1_083_264.56, "1,083,265", "+1,083,265"),
        (10, "10", "+10"),
        (9.996, "10", "+10"),
        (0.02, "0.02", "+0.02"),
        (7.0, "7", "+7"),
        (-0.4, "-0.40", "-0.40"),
        (-0.001, "0", "+0"),
        (-1234.5, "-1,234", "-1,234"),
    ],
)
def test_few_sales_are_told_to_the_cent(value, told, apart):
    assert (told, apart) == (money(value), gain(value))


def test_what_is_more_is_more_of_returns_too():
    assert "+3.0%" == against(103, 100)
    assert ("-3.0%", "+3.0%") == (against(-103, -100), against(-97, -100))
    assert "\N{EN DASH}" == against(1, 0) == against(1, None) == against(None, 1)


def test_each_former_forecast_of_a_picture_has_its_number_in_the_table(app):
    page = get(app, "/series?store_id=2")
    sold = rows_of(page, "Sold")
    for kind, column in (("f1", 2), ("f2", 3)):
        shapes = re.findall(rf'class="former {kind}" d="([^"]+)"', page.text)[0]
        told = [row[column] for row in sold if row[column] != "\N{EN DASH}"]
        assert len(told) == shapes.count("M") > 0


def test_what_was_sold_stands_beside_last_years_weeks_and_what_was_expected(app, shop):
    panel = shop.panel
    rows = rows_of(get(app, "/series?store_id=2"), "Sold")
    assert money(panel.y[1, -1]) == rows[0][1]
    assert money(panel.y[1, -1 - 52]) == rows[0][4]
    week_before = panel.last - timedelta(weeks=1)
    issue = ask_app(app, "GET", f"/forecast?store_id=2&week={panel.last}&as_of=9998-01-01").json()
    assert issue["origin"] == str(week_before)
    assert money(issue["sales"]) == rows[0][2]


def test_last_year_is_aligned_by_event(app, shop):
    """Easter was on 8 April 2012 and on 24 April 2011."""
    rows = {row[0]: row for row in rows_of(get(app, "/series?store_id=2"), "Sold")}
    place = int(np.flatnonzero(shop.panel.periods == np.datetime64("2011-04-29"))[0])
    easter = rows["13 Apr 2012"]
    assert ("Easter", money(shop.panel.y[1, place])) == (easter[-1], easter[-2])


def test_all_stores_are_the_sum_of_them(app, shop):
    rows = rows_of(get(app, "/series"), "Sold")
    assert money(shop.panel.y[:, -1].sum()) == rows[0][1]
    each = [ask_app(app, "GET", f"/forecast?store_id={n}").json()[0]["sales"] for n in (1, 2, 3, 4)]
    assert money(round(sum(each), 2)) == rows_of(get(app, "/series"), "Forecast")[0][1]


def test_the_overview_says_how_good_forecasts_were(app):
    page = text_of(get(app, "/"))
    assert "All 4 stores" in page
    assert "All together, 1 week ahead 6" in page
    assert "Series by series, 4 weeks ahead 12" in page


def test_a_search_finds_stores_and_a_single_find_is_shown(app):
    assert "/series?store_id=3" == get(app, "/series?q=store+3").headers["location"]
    assert "Store 4" in text_of(get(app, "/search?q=sto"))
    assert "No series has" in text_of(get(app, "/series?q=nowhere"))


def test_what_there_is_not_is_said_as_the_api_says_it(app):
    response = get(app, "/series?store_id=99")
    assert 404 == response.status_code
    assert "Store 99 is not in the model. Known stores: 1-4." in response.text
    response = get(app, "/series?store_id=x")
    assert 422 == response.status_code
    assert "store_id must be a whole number" in response.text


def test_nothing_that_is_typed_becomes_html(app):
    response = get(app, "/series?q=%3Cscript%3Ealert(1)%3C/script%3E")
    assert "<script>alert" not in response.text
    assert "&lt;script&gt;alert" in response.text


@pytest.fixture(scope="module")
def departments_live(departments_shop):
    with departments_shop.live() as live:
        yield live


@pytest.fixture(scope="module")
def departments(departments_shop, departments_live):
    return departments_shop.app(departments_live)


@pytest.fixture(scope="module")
def days(days_shop):
    with days_shop.served() as app:
        yield app


@pytest.fixture(scope="module")
def odd(odd_shop):
    with odd_shop.served() as app:
        yield app


def test_departments_are_reached_by_their_store(departments):
    whole = text_of(get(departments, "/series"))
    assert "All 6 series" in whole
    assert "By Store" in whole
    store = text_of(get(departments, "/series?store_id=2"))
    assert ("By Dept" in store, "Store 2, Dept 7" in store) == (True, True)
    one = text_of(get(departments, "/series?store_id=2&dept_id=3"))
    assert "By Dept" not in one
    assert "Store 2, Dept 3" in one


def test_the_overview_of_departments_names_the_one_that_began(departments, departments_shop):
    panel = departments_shop.panel
    assert date(2012, 10, 26) == panel.last
    assert "Store 2, Dept 7" in text_of(get(departments, "/series?store_id=2&dept_id=7"))
    page = text_of(get(departments, "/series?store_id=3&dept_id=7"))
    assert "Nothing is known of it: expected to sell" in page


def test_a_series_of_which_nothing_is_known_names_the_peers_that_it_stands_on(
    departments, departments_shop
):
    panel = departments_shop.panel
    alike = peers(panel)[panel.positions["3-7"]]
    named = ", ".join(panel.series[row] for row in alike)
    assert named == "1-7, 2-7"
    page = text_of(get(departments, "/series?store_id=3&dept_id=7"))
    share = re.search(rf"expected to sell (\d+)% of what its like do, {named}\.", page)
    assert share is not None
    ahead = [
        float(ask_app(departments, "GET", f"/forecast?store_id={n}&dept_id=7").json()[0]["sales"])
        for n in (1, 2, 3)
    ]
    usual = np.sqrt(ahead[0] * ahead[1])
    assert ahead[2] / usual == pytest.approx(int(share[1]) / 100, rel=0.05)


def test_a_series_says_what_its_covariates_are_taken_to_be_and_why(departments, departments_shop):
    panel = departments_shop.panel
    row, conditions = panel.positions["2-3"], panel.conditions
    page = text_of(get(departments, "/series?store_id=2&dept_id=3"))
    for column, value, source in (
        ("IsHoliday", 0, "calendar"),
        ("Temperature", conditions["Temperature"][row, -52], "same week last year"),
        ("Fuel_Price", conditions["Fuel_Price"][row, -1], "last known"),
        ("CPI", conditions["CPI"][row, -1], "last known"),
        ("Unemployment", conditions["Unemployment"][row, -1], "last known"),
    ):
        assert f"{column} of the next week: {value:.6g} ({source})." in page
    young = text_of(get(departments, "/series?store_id=2&dept_id=7"))
    last = conditions["Temperature"][panel.positions["2-7"], -1]
    assert f"Temperature of the next week: {last:.6g} (last known)." in young
    assert "of the next week" not in text_of(get(departments, "/series?store_id=2"))


def test_days_say_what_is_planned_of_the_next_one(days, days_shop):
    panel, n = days_shop.panel, days_shop.panel.n_periods
    page = text_of(get(days, "/series?store_id=2"))
    for column, name in (("Open", "open"), ("Promo", "promo"), ("SchoolHoliday", "school_holiday")):
        assert f"{column} of the next day: {panel.plan[name][1, n]:g} (planned)." in page


@pytest.mark.parametrize("text", ["sto", "3", "1 3", "dept 7, store 2", "st de", "9", "e", " "])
def test_a_search_finds_what_has_all_words_in_its_name_and_sums_first(departments_live, text):
    selections = Selections(departments_live.predictor)
    words = [f" {word}" for word in text.replace(",", "").split()]
    names = [f" {name}" for name in map(selections._title, selections._all())]
    slow = [name[1:] for name in names if words and all(of in name.lower() for of in words)]
    assert slow[:30] == [of.title for of in selections.search(text)]


@pytest.mark.parametrize(
    ("path", "bands"), [("/series?store_id=2&dept_id=3", 2), ("/series?store_id=3&dept_id=7", 0)]
)
def test_the_legend_names_intervals_where_they_are_painted(departments, path, bands):
    figure = get(departments, path).text.split("<figure>")[1]
    pictures, legend = figure.split("<figcaption>")
    assert bands == pictures.count('class="band b80"')
    for words in ("80 and 60% of cases", "the interval is extrapolated"):
        assert bool(bands) == (words in legend.split("</figcaption>")[0])


@pytest.mark.parametrize("kept", [(1, 4), (1,), (4,), ()])
def test_the_legend_names_former_forecasts_where_they_are_painted(shop, tmp_path, kept):
    fewer = of_ones_own(shop, tmp_path)
    lags = {1: ("former f1", "forecast 1 week before"), 4: ("former f2", "forecast 4 weeks before")}
    with closing(sqlite3.connect(tmp_path / "s.db")) as database, database:
        for (name,) in database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'forecasts'"
        ).fetchall():
            database.execute(f"DROP TRIGGER {name}")  # what was forecast is kept
        for lag in lags.keys() - {*kept}:
            database.execute("DELETE FROM forecasts WHERE step = ?", (lag,))
    with fewer.served() as app:
        figure = get(app, "/series?store_id=2").text.split("<figure>")[1]
    pictures, legend = figure.split("</figcaption>")[0].split("<figcaption>")
    for lag, (kind, words) in lags.items():
        assert (lag in kept) == (kind in pictures) == (words in legend)


def test_of_a_layout_of_ones_own_the_legend_promises_no_events(odd):
    page = get(odd, "/").text
    legend = page.split("<figcaption>")[1].split("</figcaption>")[0]
    assert ("</svg>last year</li>" in legend, "same event" in legend) == (True, False)


def test_a_series_that_began_lately_has_no_last_year_in_its_legend(departments):
    old, young = (
        get(departments, f"/series?store_id={store}&dept_id={dept}").text.split("</figcaption>")[0]
        for store, dept in ((2, 3), (2, 7))
    )
    assert ["last year, same event" in of for of in (old, young)] == [True, False]


def test_holidays_and_what_is_planned_are_marked_in_table_and_picture(days, days_shop):
    page = get(days, "/series?store_id=2")
    panel = days_shop.panel
    promo = panel.plan["promo"][panel.positions["2"], panel.n_periods :]
    rows = rows_of(page, "Forecast")
    assert {True, False} == {"Promo" in row[-1] for row in rows}
    told = [bool(promo[n] == 1) for n in range(len(rows)) if n < len(promo)]
    assert told == ["Promo" in row[-1] for row in rows[: len(told)]]
    assert '<rect class="special"' in page.text
    assert "holiday or promotion</li>" in page.text


def test_a_price_which_there_always_is_marks_no_week(odd):
    page = get(odd, "/series")
    said = {row[-1] for row in rows_of(page, "Forecast")}
    assert "upper" in said
    assert not [of for of in said if PRICE in of]


def test_a_series_says_what_its_forecast_stands_on(app, live):
    told = text_of(get(app, "/series?store_id=2")).partition("What it stands on")[2]
    assert f"of model {live.predictor.version}, from sales until 26 Oct 2012, issued" in told
    assert "The sum of" not in told
    assert "The sum of 4 series." in text_of(get(app, "/series"))
    stored = ask_app(app, "GET", "/forecast?store_id=2").json()[0]
    assert f"Made by {stored['model']} of" in told

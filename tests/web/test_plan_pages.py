"""Changing the plan on the page: seen first, then done, told of others, taken back."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urlencode

import httpx
import pytest

from sales_forecast.service.app import create_app
from sales_forecast.service.live import Live
from sales_forecast.web.pages import Pages
from tests.service.conftest import ask_app
from tests.web.odd import ARTICLE, LONG, SHOP
from tests.web.test_sessions import FORM, cookie_of
from tests.web.world import World, of_ones_own

WEEKS = {"first": "2012-11-16", "last": "2012-11-23"}
CHANGE = WEEKS | {"kind": "percent", "number": "5", "reason": "promotion", "note": "Leaflet"}


class Person:
    """Somebody with a key of a role, and what they see and send."""

    def __init__(self, app, shop: World, role: str) -> None:
        self.app = app
        self.key = {"X-API-Key": shop.keys[role]}
        body = urlencode({"key": shop.keys[role]}).encode()
        self.cookie = cookie_of(ask_app(app, "POST", "/sign-in", body, headers=FORM))

    def see(self, path: str) -> str:
        response = ask_app(self.app, "GET", path, headers=self.cookie)
        assert 200 == response.status_code, response.text[-300:]
        return response.text

    def send(self, path: str, **fields: str) -> httpx.Response:
        body = urlencode(fields).encode()
        return ask_app(self.app, "POST", path, body, headers=FORM | self.cookie)

    def form(self, path: str, nth: int = -1) -> dict[str, str]:
        """The hidden fields of one of the forms of a page that change the plan."""
        return hidden(self.see(path), "/plan", nth)

    def planned(self, **keys: int) -> list[tuple[float, float]]:
        found = ask_app(self.app, "GET", f"/forecast?{urlencode(keys)}", headers=self.key).json()
        return [(of["sales"], of["planned"]) for of in found]


def hidden(page: str, action: str, nth: int = -1) -> dict[str, str]:
    form = re.findall(rf'<form[^>]*action="{action}".*?</form>', page, re.DOTALL)[nth]
    found = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form)
    return {unescape(name): unescape(value) for name, value in found}


@pytest.fixture(scope="module")
def shop(departments_shop, tmp_path_factory) -> World:
    return of_ones_own(departments_shop, tmp_path_factory.mktemp("plans"))


@pytest.fixture(scope="module")
def without_keys(shop):
    with shop.served() as app:
        yield app


@pytest.fixture(scope="module")
def app(shop):
    live = Live.from_settings(shop.settings)
    live.refresh()
    yield create_app(live, pages=Pages(live, shop.settings))
    with live:
        pass


@pytest.fixture
def planner(app, shop):
    planner = Person(app, shop, "planner")
    yield planner
    while "/plan/undo" in (page := planner.see("/plan")):
        assert 303 == planner.send("/plan/undo", **hidden(page, "/plan/undo")).status_code


def change(person: Person, path: str = "/series?store_id=1&dept_id=3", **fields: str):
    """Look first, then do it."""
    seen = person.send("/plan", **person.form(path), **{**CHANGE, **fields})
    assert 200 == seen.status_code, seen.text[-400:]
    return person.send("/plan", **hidden(seen.text, "/plan", 0))


def test_a_change_is_shown_before_it_is_made(planner):
    form = planner.form("/series?store_id=1&dept_id=3")
    seen = planner.send("/plan", **form, **CHANGE)
    assert 200 == seen.status_code
    assert "+5%, promotion: Leaflet" in seen.text
    assert "Nothing of the kind has been judged here yet." in seen.text
    assert "interval of 80%" in seen.text
    assert [] == [of for of in planner.planned(store_id=1, dept_id=3) if of[0] != of[1]]


def test_a_large_number_is_written_out(planner):
    form = planner.form("/series?store_id=1&dept_id=3")
    seen = planner.send("/plan", **form, **{**CHANGE, "number": "1000000000"})
    assert "+1,000,000,000%, promotion: Leaflet" in seen.text


def test_what_was_seen_is_made_and_all_sums_agree(planner):
    done = change(planner)
    assert (303, "/series?store_id=1&dept_id=3&done=1#plan") == (
        done.status_code,
        done.headers["location"],
    )
    assert "The plan is changed." in planner.see("/series?store_id=1&dept_id=3&done=1")
    sales, planned = planner.planned(store_id=1, dept_id=3)[2]
    assert planned == round(round(sales * 105) / 100, 2)
    whole = planner.planned()[2]
    assert round(whole[1] - whole[0], 2) == round(planned - sales, 2)


def test_a_key_that_is_called_like_a_field_of_the_form_is_none(odd_shop, tmp_path):
    shop = of_ones_own(odd_shop, tmp_path)
    live = Live.from_settings(shop.settings)
    live.refresh()
    planner = Person(create_app(live, pages=Pages(live, shop.settings)), shop, "planner")
    one, other = ({SHOP: "Öst", ARTICLE: name} for name in ("a&b=c", LONG))
    change(planner, f"/series?{urlencode(one)}", first=str(live.predictor.example[1]), last="")
    with live:
        for keys, is_changed in ((one, True), ({SHOP: "Öst"}, True), (other, False)):
            sales, planned = planner.planned(**keys)[0]
            assert is_changed == (planned != sales)


def test_a_change_of_a_store_is_listed_with_who_and_why_and_taken_back(planner):
    change(planner, "/series?store_id=1", number="-12,5")
    page = planner.see("/plan")
    for word in ("Store 1", "-12.5%", "promotion", "Leaflet", "a-planner", "in force"):
        assert word in page
    assert 303 == planner.send("/plan/undo", **hidden(page, "/plan/undo")).status_code
    assert "undone by a-planner" in planner.see("/plan")
    assert [] == [of for of in planner.planned(store_id=1) if of[0] != of[1]]


def test_the_second_of_two_people_is_told_and_overwrites_nothing(planner, app, shop):
    other = Person(app, shop, "admin")
    seen = other.send("/plan", **other.form("/series?store_id=1&dept_id=3"), **CHANGE)
    change(planner, number="3")
    refused = other.send("/plan", **hidden(seen.text, "/plan", 0))
    assert 409 == refused.status_code
    assert "These cells were changed by a-planner" in refused.text
    sales, planned = planner.planned(store_id=1, dept_id=3)[2]
    assert planned == round(round(sales * 103) / 100, 2)
    # Having looked, they send it again.
    again = other.send("/plan", **hidden(refused.text, "/plan"), **CHANGE)
    assert 303 == other.send("/plan", **hidden(again.text, "/plan", 0)).status_code


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("number", "much", "number must be a valid number"),
        ("note", "", "note is required"),
        ("first", "2012-10-26", "first 2012-10-26 cannot be changed any more"),
        ("last", "2019-01-01", "is not forecast"),
        ("number", "-101", "number must be at least -100"),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_the_api(planner, field, value, said):
    form = planner.form("/series?store_id=1&dept_id=3")
    response = planner.send("/plan", **form, **{**CHANGE, field: value})
    assert 422 == response.status_code
    assert said in response.text
    assert "Leaflet" in response.text or field == "note"  # nothing need be typed again


@pytest.mark.parametrize("missing", ["version", "first", "kind", "number", "reason", "note"])
def test_a_form_that_lacks_a_field_is_told_so(planner, missing):
    form = planner.form("/series?store_id=1&dept_id=3") | CHANGE
    del form[missing]
    assert 422 == planner.send("/plan", **form).status_code


def test_viewers_and_those_without_a_token_change_nothing(app, shop, planner):
    viewer = Person(app, shop, "viewer")
    page = viewer.see("/series?store_id=1&dept_id=3")
    assert "You are a viewer" in page
    assert 'action="/plan"' not in page
    version = planner.form("/series?store_id=1&dept_id=3")["version"]
    token = hidden(page, "/sign-out")["token"]
    for person, sent in ((viewer, token), (planner, ""), (planner, token)):
        told = {**CHANGE, "version": version, "seen": version, "token": sent}
        response = person.send("/plan", store_id="1", dept_id="3", **told)
        assert 403 == response.status_code


@pytest.mark.parametrize("path", ["/plan", "/plan/undo", "/sheets/check", "/sheets/take"])
def test_nothing_is_read_of_what_is_sent_by_those_who_may_not_write(app, shop, without_keys, path):
    read = []

    async def body():
        read.append(path)
        yield b"x"

    asked = [(app, Person(app, shop, "viewer").cookie), (app, {}), (without_keys, {})]
    answers = [
        ask_app(of, "POST", path, content=body(), headers={"Content-Type": kind, **cookie})
        for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x")
        for of, cookie in asked
    ]
    assert [403, 303, 403] * 2 == [response.status_code for response in answers]
    assert [] == read


def test_why_a_forecast_changed_is_shown_in_parts_that_sum_up(planner):
    page = planner.see("/change?store_id=1&dept_id=3")
    cells = re.findall(r'<td class="n">([^<]+)</td>', page)
    first, *parts, last = (float(of.replace(",", "")) for of in cells)
    assert round(first + sum(parts), 2) == last
    assert "<svg" in page

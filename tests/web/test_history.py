"""What was answered, on its page: found, shown in full, taken along, hidden and never deleted."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from sales_forecast.data.ledger.stored_predictions import PageWish, StoredPredictions
from sales_forecast.data.reserved import RESERVED
from sales_forecast.data.spec import PanelSpec
from sales_forecast.service.app import create_app
from sales_forecast.settings import Settings
from sales_forecast.web.history_query import history_query
from sales_forecast.web.pages import Pages
from tests.fakes import FakePredictor, LiveStub
from tests.ledger_rows import BEGIN, keep, row
from tests.service.conftest import ask_app
from tests.web.test_sessions import FORM, Keys, cookie_of, sign_in, token_in

CALLERS = ("a-viewer", "a-planner", "=2+3")
ROWS = [row(number, (number % 4 + 1,), CALLERS[number % 3]) for number in range(12)]
ROWS[4] |= {"endpoint": "/predict_sales", "model": "trees"}
ROWS[4]["covariates"] = {"CPI": {"value": 211.5, "source": "supplied"}}
ROWS[7] = row(7, (4, 9), CALLERS[1])


class Page:
    """The history of a service, as one of its callers sees it."""

    def __init__(self, folder: Path, role: str | None, **settings: Any) -> None:
        url = f"sqlite:///{folder}/sales.db"
        keep(url, ROWS)
        keys = Keys(folder)
        live = LiveStub(FakePredictor(), keys=keys.known if role else None)
        live.predictions = self.predictions = StoredPredictions(url)
        self.pages = Pages(live, Settings(database_url=url, var_dir=folder, **settings))
        self.app = create_app(live, pages=self.pages)
        self.cookie = cookie_of(sign_in(self.app, keys.of[role])) if role else {}

    def get(self, path: str = "/history", **query: str) -> httpx.Response:
        at = f"{path}?{urlencode(query)}" if query else path
        return ask_app(self.app, "GET", at, headers=self.cookie)

    def clear(self, up_to: str, token: str | None = None) -> httpx.Response:
        sent = {"up_to": up_to, "token": token or token_in(self.get("/history/clear").text)}
        body = urlencode(sent).encode()
        return ask_app(self.app, "POST", "/history/clear", body, headers=FORM | self.cookie)


@pytest.fixture
def page(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Page]:
    made = Page(tmp_path, getattr(request, "param", "planner"))
    with closing(made.pages):
        yield made


def numbers(response: httpx.Response) -> list[int]:
    assert 200 == response.status_code, response.text
    return [
        int(of, 16) for of in re.findall(r'href="/history/[0-9a-f-]{24}(\w{12})"', response.text)
    ]


def link(response: httpx.Response, text: str) -> str:
    found = re.search(rf'href="([^"]+)">{text}</a>', response.text)
    assert found is not None, response.text
    return unescape(found[1])


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, [*range(11, -1, -1)]),
        ({"store_id": "2", "caller": "", "since": ""}, [9, 5, 1]),
        ({"endpoint": "/predict_sales"}, [4]),
        ({"answered_by": "trees"}, [4]),
        ({"answered_by": "nothing"}, []),
        ({"caller": "a-viewer"}, [9, 6, 3, 0]),
        ({"since": "2026-11-26", "until": "2026-11-26"}, [*range(11, -1, -1)]),
        ({"until": "2026-11-25"}, []),
        ({"as_of": "2026-11-25", "until": "2026-11-26"}, []),
        ({"since": "2026-11-27"}, []),
        ({"until": "9999-12-31", "limit": "1"}, [11]),
    ],
)
def test_answers_are_found_by_what_they_are(
    page: Page, query: dict[str, str], found: list[int]
) -> None:
    assert found == numbers(page.get(**query))


def test_older_pages_follow_and_keep_the_filter(page: Page) -> None:
    found, response = [], page.get(limit="2", caller="a-planner")
    found.append(numbers(response))
    response = page.get(link(response, "Older"))
    found.append(numbers(response))
    assert [[10, 7], [4, 1]] == found
    assert "Older" not in response.text
    assert [10, 7] == numbers(page.get(link(response, "Newest")))


@pytest.mark.parametrize(
    "query", [{"store_id": "x"}, {"since": "soon"}, {"cursor": "x"}, {"a": "1"}]
)
def test_a_wrong_filter_is_said_and_stays_in_its_field(page: Page, query: dict[str, str]) -> None:
    response = page.get(**query)
    assert 422 == response.status_code
    assert 'role="alert"' in response.text
    assert "store_id" not in query or 'value="x"' in response.text


def test_one_answer_says_all_that_it_stands_on(page: Page) -> None:
    text = page.get(f"/history/{ROWS[4]['id']}").text
    for part in (
        "größer als je", "CPI", "211.5", "supplied", "ab" * 32, "cd" * 32, "2012-10-26-4249dce3",
        "trees", ROWS[4]["id"], "request-4", "a-planner", "2012-11-02", "1.50", "10% below",
    ):  # fmt: skip
        assert part in text
    assert 404 == page.get(f"/history/{row(99)['id']}").status_code
    assert 404 == page.get("/history/<b>").status_code


@pytest.mark.parametrize("page", ["viewer"], indirect=True)
def test_a_viewer_sees_its_own_answers_alone(page: Page) -> None:
    assert [9, 6, 3, 0] == numbers(page.get())
    assert [9, 6, 3, 0] == numbers(page.get(caller="a-planner"))
    assert 404 == page.get(f"/history/{ROWS[4]['id']}").status_code
    assert 4 == len(lines(page.get("/history.csv")))


@pytest.mark.parametrize("page", [None], indirect=True)
def test_without_a_key_this_machine_alone_is_shown_answers(page: Page) -> None:
    assert 12 == len(numbers(page.get()))
    for path in ("/history", "/history.csv", f"/history/{ROWS[4]['id']}"):
        away = ask_app(page.app, "GET", path, headers={"X-Forwarded-For": "192.0.2.7"})
        assert 403 == away.status_code
    assert page.get("/history/clear").status_code == 422
    assert page.clear("2026-11-26", "a").status_code == 403


def lines(response: httpx.Response) -> list[dict[str, Any]]:
    assert 200 == response.status_code
    assert "text/csv; charset=utf-8" == response.headers["content-type"]
    assert "attachment" in response.headers["content-disposition"]
    return [*csv.DictReader(response.text.splitlines())]


def test_the_file_holds_all_answers_and_runs_no_formula(page: Page) -> None:
    found = lines(page.get(link(page.get(limit="2"), "All of these as CSV")))
    assert [10, 7, 7] == [int(of["id"][-12:], 16) for of in found if of["caller"] == "a-planner"][
        :3
    ]
    assert 13 == len(found), "one of twelve answers is about two series"
    assert "'=2+3" == found[0]["caller"]
    assert ("1.5", "2.0", "1.0", "") == tuple(
        found[0][of] for of in ("median", "mean", "q0.1", "q0.9")
    )
    assert ("4", "2012-11-02", "1") == tuple(found[0][of] for of in ("store_id", "target", "step"))


def test_to_clear_asks_first_hides_from_ones_own_page_and_deletes_nothing(page: Page) -> None:
    asks = page.get(link(page.get(), "Clear…"))
    assert "Clear your history?" in asks.text
    assert 12 == len(numbers(page.get())), "asking changes nothing"

    assert 303 == page.clear(f"{BEGIN + timedelta(seconds=9):%Y-%m-%dT%H:%M:%S}").status_code

    response = page.get()
    assert [11, 10, 9] == numbers(response)
    assert 3 == len(lines(page.get("/history.csv")))
    assert 12 == len(numbers(page.get(link(response, "Show it"))))
    assert 12 == len(page.predictions.page(PageWish(100)).rows)
    (kept,) = page.predictions.cleared(None)
    assert ("a-planner", BEGIN + timedelta(seconds=9)) == (kept["caller"], kept["up_to"])
    assert "26 Nov 2026 20:00:09" in page.get("/history/clear").text

    page.clear(f"{BEGIN:%Y-%m-%dT%H:%M}")
    assert 12 == len(numbers(page.get())), "the newest row holds, so an earlier moment brings back"


@pytest.mark.parametrize("name", ["caller", "answered_by"])
def test_no_database_is_asked_for_a_text_that_postgresql_cannot_hold(page: Page, name: str) -> None:
    assert 422 == page.get(f"/history?{name}=a%00b").status_code


@pytest.mark.parametrize("up_to", ["", "soon", "9999-01-01", "2026-11-26T20:00:00Z"])
def test_what_cannot_be_cleared_is_said_and_hides_nothing(page: Page, up_to: str) -> None:
    response = page.clear(up_to)
    assert (422, True) == (response.status_code, 'role="alert"' in response.text)
    assert [] == page.predictions.cleared(None)


def test_a_form_of_nobody_clears_nothing(page: Page) -> None:
    assert 403 == page.clear("2026-11-26", "stolen").status_code
    assert [] == page.predictions.cleared(None)


def test_no_filter_has_the_name_of_a_key() -> None:
    spec = PanelSpec(layout="my.toml", keys=(), date="d", target="y")
    fields = history_query(spec).model_fields
    assert {of.alias or name for name, of in fields.items()} <= RESERVED


@pytest.mark.parametrize(
    ("keeps", "said"),
    [
        (True, "Answers are kept for 365 days, then the weekly job deletes them."),
        (False, "This service keeps no new answers"),
    ],
)
def test_it_is_said_how_long_answers_are_kept(tmp_path, keeps, said):
    page = Page(tmp_path, "planner", prediction_retention_days=365, prediction_ledger=keeps)
    with closing(page.pages):
        assert said in page.get().text

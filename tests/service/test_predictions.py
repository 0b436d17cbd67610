"""GET /predictions: which model, data and code made a number, and who may see it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from sales_forecast.data.ledger.stored_predictions import StoredPredictions
from sales_forecast.errors import DatabaseError
from sales_forecast.service.api_keys import ApiKeys, new_entry
from sales_forecast.service.app import create_app
from sales_forecast.service.days import Day
from sales_forecast.service.predictions import MOST_ITEMS, cursor_of
from sales_forecast.service.schemas import PredictionsPage, StoredPrediction
from tests.fakes import FakePredictor, LiveStub
from tests.ledger_rows import keep, row
from tests.service.conftest import error_of
from tests.service.deployment import Deployment
from tests.service.test_server import eventually, url_in

CALLERS = [None, "ana", "ben", "carl"]
ROWS = [row(number, (number % 4 + 1,), CALLERS[number % 4]) for number in range(12)]
HERE, THERE = ("127.0.0.1", 50_000), ("192.0.2.7", 50_000)
ADMIN = "of the admin"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> LiveStub:
    """A service that answered four callers, two of them viewers."""
    folder = tmp_path_factory.mktemp("ledger")
    keep(f"sqlite:///{folder}/sales.db", ROWS)
    entries = [
        f'[[keys]]\nname = "{name}"\nrole = "{role}"\n'
        f'sha256 = "{sha256(name.encode()).hexdigest()}"\n'
        for name, role in (("ana", "viewer"), ("ben", "viewer"), ("carl", "planner"))
    ]
    (folder / "keys.toml").write_text("".join(entries))
    live = LiveStub(FakePredictor(), keys=ApiKeys(ADMIN, folder / "keys.toml"))
    live.predictions = StoredPredictions(f"sqlite:///{folder}/sales.db")
    return live


@pytest.fixture(scope="module")
def opened(live: LiveStub) -> LiveStub:
    """The same without keys."""
    opened = LiveStub(FakePredictor())
    opened.predictions = live.predictions
    return opened


def ask(
    live: LiveStub,
    path: str,
    key: str | None = None,
    client: Any = HERE,
    *,
    method: str = "GET",
    headers: Sequence[tuple[str, str]] = (),
) -> httpx.Response:
    transport = httpx.ASGITransport(create_app(live), raise_app_exceptions=False, client=client)
    sent = [*headers, *([("X-API-Key", key)] if key else [])]

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as asking:
            return await asking.request(method, path, headers=sent)

    return asyncio.run(send())


def numbers(response: httpx.Response) -> list[int]:
    assert 200 == response.status_code, response.text
    return [int(of["id"][-12:], 16) for of in response.json()["items"]]


def test_the_newest_answers_come_first_and_the_cursor_leads_on(opened: LiveStub) -> None:
    found, path = [], "/predictions?limit=5"
    while path:
        response = ask(opened, path)
        PredictionsPage.model_validate(response.json())
        found.append(numbers(response))
        more = response.json()["next"]
        path = f"/predictions?limit=5&cursor={more}" if more else ""
    assert [[11, 10, 9, 8, 7], [6, 5, 4, 3, 2], [1, 0]] == found


def test_an_answer_says_which_model_data_and_code_made_it(opened: LiveStub) -> None:
    response = ask(opened, f"/predictions/{ROWS[5]['id']}")
    StoredPrediction.model_validate(response.json())
    assert {
        **ROWS[5],
        "answered_at": "2026-11-26T20:00:05Z",
        "origin": "2012-10-26",
    } == response.json()
    assert response.json() == ask(opened, "/predictions").json()["items"][-6]
    assert response.json() == ask(opened, f"/predictions/{ROWS[5]['id'].upper()}").json()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("store_id=2", [9, 5, 1]),
        ("store_id=2&limit=2", [9, 5]),
        ("store_id=99", []),
        ("since=2026-11-26T20:00:10Z", [11, 10]),
        ("since=2026-11-26T20:00:09.5Z&store_id=4", [11]),
        ("since=2026-11-26T21:00:10%2B01:00", [11, 10]),
        ("since=2026-11-26&limit=1", [11]),
        ("since=26-11-2026&limit=1", [11]),
        ("since=2026-11-27", []),
        ("since=9999-12-31", []),
        ("since=9999-12-31T23:59:59.999999-23:59", []),
        ("since=0001-01-01&limit=1", [11]),
        ("as_of=2026-11-25", []),
        ("as_of=2026-11-26&store_id=4", [11, 7, 3]),
        ("as_of=26-11-2026&since=2026-11-26T20:00:10Z", [11, 10]),
        ("as_of=2026-11-25&since=2026-11-24", []),
        (f"as_of=2026-11-26&cursor={cursor_of(ROWS[2]['id'])}", [1, 0]),
        ("as_of=9999-12-31&limit=1", [11]),
        ("as_of=0001-01-01", []),
        ("since=0001-01-01T00:00%2B23:59&limit=1", [11]),
        (f"limit={MOST_ITEMS}&since=2026-11-26T20:00:11Z", [11]),
        (f"cursor={cursor_of('f' * 32)}&limit=1", [11]),
        (f"cursor={cursor_of('0' * 32)}", []),
    ],
)
def test_filters_leave_what_was_asked_for(opened: LiveStub, query: str, found: list[int]) -> None:
    assert found == numbers(ask(opened, f"/predictions?{query}"))


def test_as_of_a_day_is_what_was_answered_before_its_end_in_utc(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/sales.db"
    last, midnight = 4 * 3600 - 1, 4 * 3600  # seconds after 20:00
    keep(url, [row(0), row(last, caller="ana"), row(midnight, (2,)), row(midnight + 1)])
    live = LiveStub(FakePredictor())
    with closing(StoredPredictions(url)) as live.predictions:
        for query, found in (
            ("as_of=2026-11-26", [last, 0]),
            ("as_of=2026-11-27&store_id=1", [midnight + 1, last, 0]),
            ("as_of=2026-11-26&store_id=2", []),
            (f"as_of=2026-11-27&limit=1&cursor={cursor_of(row(midnight)['id'])}", [last]),
        ):
            assert found == numbers(ask(live, f"/predictions?{query}"))


GOOD = cursor_of(ROWS[0]["id"])
WRONG = [
    *[("limit", value) for value in ("0", "-1", "1001", "1000000000", "9" * 5000, "1.5", "", "x")],
    *[
        ("cursor", value)
        for value in ("", "x", GOOD[:-1], GOOD + "A", GOOD + "==", GOOD[:-1] + "%00", "%ff" * 22,
                      GOOD[:-1] + "_", "A" * 10_000, ROWS[0]["id"], "é" * 22)
    ],
    *[
        ("since", value)
        for value in ("", "0000-01-01", "10000-01-01", "2026-02-30", "2026-11-26T20:00:00",
                      "2026-11-26T24:01:00Z", "2026-11-26T20:00:00 01:00", "1764187200", "now",
                      "2026-11-26T20:00:00%2B25:00", "2026-11-26T20:00Z%00", "2" * 10_000)
    ],
    *[
        ("as_of", value)
        for value in ("", "yesterday", "2026-02-30", "11-26-2026", "2026-11-26T20:00:00Z")
    ],
    *[("store_id", value) for value in ("x", "1.0", "", "2147483648", "9" * 5000, "%00")],
    *[("caller", "ana"), ("dept_id", "1"), ("Store", "1"), ("LIMIT", "1")],
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), WRONG, ids=lambda value: value[:25])
def test_what_makes_no_sense_is_refused_by_its_name(
    opened: LiveStub, name: str, value: str
) -> None:
    response = ask(opened, f"/predictions?{name}={value}")
    assert 422 == response.status_code
    error = error_of(response)
    assert ("invalid_request", [name]) == (error["code"], list(error["fields"]))
    assert error["message"].startswith(name)
    assert len(response.content) < 1_000


def test_the_documentation_shows_every_parameter_and_its_bounds(opened: LiveStub) -> None:
    paths = ask(opened, "/openapi.json").json()["paths"]
    taken = {of["name"]: of["schema"] for of in paths["/predictions"]["get"]["parameters"]}
    number = {"type": "integer", "minimum": -(2**31), "exclusiveMaximum": 2**31}
    assert {
        "store_id": number,
        "since": {"type": "string"},
        "as_of": TypeAdapter(Day).json_schema(),
        "limit": {"type": "integer", "minimum": 1, "maximum": MOST_ITEMS, "default": 100},
        "cursor": {"type": "string"},
    } == taken
    assert {"200", "403", "404", "422", "503"} == {*paths["/predictions/{id}"]["get"]["responses"]}


def test_a_parameter_that_is_given_twice_is_refused(opened: LiveStub) -> None:
    response = ask(opened, "/predictions?limit=1&limit=2")
    assert 422 == response.status_code
    assert {"limit": "given more than once"} == error_of(response)["fields"]


@given(query=st.dictionaries(
    st.sampled_from(["limit", "cursor", "since", "as_of", "store_id", "x"]),
    st.text(max_size=30) | st.integers().map(str) | st.datetimes().map(str),
))  # fmt: skip
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_stands_in_a_query_gets_an_answer_or_a_reason(
    opened: LiveStub, query: dict[str, str]
) -> None:
    response = ask(opened, f"/predictions?{urlencode(query, errors='replace')}")
    assert response.status_code in {200, 422}


@pytest.mark.parametrize(
    "wrong",
    ["1", "x" * 10_000, "%00", ROWS[0]["id"] + "%00", ROWS[0]["id"] + "%0A", ROWS[0]["id"][1:],
     ROWS[0]["id"].replace("-", ""), "{" + ROWS[0]["id"] + "}", "%ff", "é", "null", "..%5c",
     "٣" * 36],
    ids=lambda wrong: wrong[:15],
)  # fmt: skip
def test_what_is_no_id_is_refused(opened: LiveStub, wrong: str) -> None:
    response = ask(opened, f"/predictions/{wrong}")
    assert 422 == response.status_code
    assert ["id"] == list(error_of(response)["fields"])
    assert len(response.content) < 1_000


@pytest.mark.parametrize("unknown", [row(99)["id"], "0" * 8 + "-0000-0000-0000-" + "0" * 12])
def test_an_id_of_no_answer_is_not_found(opened: LiveStub, unknown: str) -> None:
    response = ask(opened, f"/predictions/{unknown}")
    assert 404 == response.status_code
    assert "unknown_prediction" == error_of(response)["code"]
    assert {"id": unknown} == error_of(response)["fields"]


@pytest.mark.parametrize("path", ["/predictions/", "/predictions/a/b", "/predictions/a%2Fb"])
def test_a_path_beside_it_is_not_found(opened: LiveStub, path: str) -> None:
    response = ask(opened, path)
    assert (404, "not_found") == (response.status_code, error_of(response)["code"])


def test_an_id_takes_no_parameters(opened: LiveStub) -> None:
    assert 422 == ask(opened, f"/predictions/{ROWS[0]['id']}?limit=1").status_code


def test_a_viewer_sees_its_own_answers_alone(live: LiveStub) -> None:
    for name, place in (("ana", 1), ("ben", 2)):
        own = [8 + place, 4 + place, place]
        assert own == numbers(ask(live, "/predictions", name))
        assert own[:1] == numbers(ask(live, f"/predictions?store_id={place + 1}&limit=1", name))
        assert [] == numbers(ask(live, f"/predictions?store_id={place + 2}", name))
        after = cursor_of(ROWS[4 + place + 1]["id"])  # of somebody else
        assert own[1:] == numbers(ask(live, f"/predictions?cursor={after}", name))
        for number, of in enumerate(ROWS):
            status = 200 if number in own else 404
            assert status == ask(live, f"/predictions/{of['id']}", name).status_code


def test_of_anothers_answer_a_viewer_learns_not_even_that_it_is_there(live: LiveStub) -> None:
    others, nobodys = (
        ask(live, f"/predictions/{of['id']}", "ana").text.replace(of["id"], "ID")
        for of in (ROWS[2], row(99))
    )
    assert others == nobodys


@pytest.mark.parametrize("key", ["carl", ADMIN])
def test_planners_and_admins_see_all_from_anywhere(live: LiveStub, key: str) -> None:
    assert [*range(11, -1, -1)] == numbers(ask(live, "/predictions", key, THERE))
    assert 200 == ask(live, f"/predictions/{ROWS[1]['id']}", key, THERE).status_code


@pytest.mark.parametrize("path", ["/predictions", f"/predictions/{ROWS[1]['id']}"])
def test_with_keys_set_nobody_is_answered_without_one(live: LiveStub, path: str) -> None:
    assert 401 == ask(live, path).status_code


PATHS = ["/predictions", "/predictions?limit=x", f"/predictions/{ROWS[1]['id']}", "/predictions/x"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("client", "headers"),
    [
        (THERE, []),
        (("10.0.0.1", 1), []),
        (("2001:db8::1", 1), []),
        (("::ffff:192.0.2.7", 1), []),
        (("localhost", 1), []),
        (("", 0), []),
        (None, []),
        *[
            (HERE, [(name, "127.0.0.1")])
            for name in ("X-Forwarded-For", "x-real-ip", "Forwarded", "VIA")
        ],
    ],
)
def test_without_keys_only_the_machine_of_the_service_is_answered(
    opened: LiveStub, path: str, client: Any, headers: Any
) -> None:
    response = ask(opened, path, client=client, headers=headers)
    assert 403 == response.status_code
    error = error_of(response)
    assert "forbidden" == error["code"]
    assert "on its own machine alone. Set API_KEY or API_KEYS_FILE" in error["message"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_the_machine_of_the_service_needs_no_key_where_there_is_none(
    opened: LiveStub, host: str
) -> None:
    assert 200 == ask(opened, "/predictions", client=(host, 1)).status_code


def test_a_database_that_is_away_is_503_and_says_so(opened: LiveStub) -> None:
    class Away(StoredPredictions):
        def page(self, *_: Any) -> Any:
            raise DatabaseError("The database does not answer.")

        find = page

    live = LiveStub(FakePredictor())
    live.predictions = Away("sqlite://")
    for path in (PATHS[0], PATHS[2]):
        response = ask(live, path)
        code = error_of(response)["code"]
        assert (503, "database_unavailable") == (response.status_code, code)


def test_a_file_that_is_no_database_is_503_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "sales.predictions.db").write_bytes(b"no database" * 1000)
    live = LiveStub(FakePredictor())
    live.predictions = StoredPredictions(f"sqlite:///{tmp_path}/sales.db")
    for path in (PATHS[0], PATHS[2]):
        response = ask(live, path)
        code = error_of(response)["code"]
        assert (503, "database_unavailable") == (response.status_code, code)


def test_before_there_is_a_model_one_answer_can_be_read_and_no_page(opened: LiveStub) -> None:
    live = LiveStub()
    live.predictions = opened.predictions
    assert 503 == ask(live, PATHS[0]).status_code
    assert 200 == ask(live, PATHS[2]).status_code


@pytest.mark.parametrize("path", [PATHS[0], PATHS[2]])
def test_head_answers_without_a_body_and_other_methods_are_named(
    opened: LiveStub, path: str
) -> None:
    head = ask(opened, path, method="HEAD")
    assert (200, b"") == (head.status_code, head.content)
    for method in ("POST", "DELETE", "PUT"):
        response = ask(opened, path, method=method)
        assert (405, "GET") == (response.status_code, response.headers["Allow"])


def test_answers_that_are_read_are_counted_under_one_path(opened: LiveStub) -> None:
    app = create_app(opened)

    async def both() -> str:
        transport = httpx.ASGITransport(app, client=HERE)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as asking:
            for path in PATHS:
                await asking.get(path)
            return (await asking.get("/metrics")).text

    counted = asyncio.run(both())
    assert 'path="/predictions",status="200"} 1.0' in counted
    assert 'path="/predictions/{id}",status="200"} 1.0' in counted
    assert 'path="/predictions/{id}",status="422"} 1.0' in counted
    assert 'path="other"' not in counted


def test_what_was_answered_to_a_caller_is_read_back_by_that_caller(
    deployment: Deployment, tmp_path: Path
) -> None:
    deployment.load()
    version = deployment.publish("")
    made = {name: new_entry(name, role) for name, role in (("ana", "viewer"), ("ben", "planner"))}
    (tmp_path / "keys.toml").write_text("".join(lines for _, lines in made.values()))
    with deployment.served(API_KEYS_FILE=str(tmp_path / "keys.toml")) as (_, line):
        clients = {
            name: httpx.Client(base_url=url_in(line), headers={"X-API-Key": key})
            for name, (key, _) in made.items()
        }
        given = {
            name: client.post("/forecast_sales", json={"store_id": 2, "steps": 3})
            for name, client in clients.items()
        }
        ids = {name: answer.headers["X-Prediction-ID"] for name, answer in given.items()}
        eventually(lambda: ids_seen_by(clients["ben"]) == [ids["ben"], ids["ana"]])
        assert [ids["ana"]] == ids_seen_by(clients["ana"])
        found = clients["ana"].get(f"/predictions/{ids['ana']}").json()
        assert ("ana", version, "/forecast_sales") == (
            found["caller"], found["model_version"], found["endpoint"],
        )  # fmt: skip
        (kept,) = found["answer"]
        assert {"store_id": 2} == kept["series"]
        assert [of["Sales"] for of in given["ana"].json()] == [
            of["median"] for of in kept["forecast"]
        ]
        assert 404 == clients["ana"].get(f"/predictions/{ids['ben']}").status_code
        assert 200 == clients["ben"].get(f"/predictions/{ids['ana']}").status_code
        for client in clients.values():
            client.close()


def ids_seen_by(client: httpx.Client) -> list[str]:
    return [of["id"] for of in client.get("/predictions?store_id=2").json()["items"]]

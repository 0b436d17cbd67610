"""Every request has an id and is one line of the access log, however it ends."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_forecast.service.access_log import AccessLog
from sales_forecast.service.api_keys import ApiKeys
from sales_forecast.service.app import create_app
from sales_forecast.service.observe import Observe
from tests.fakes import FakePredictor, LiveStub
from tests.service.conftest import FORECAST, PREDICT, ask_app

KEY = "a long and secret key"
ROOT_ID = "1-67891233-abcdef012345678912345678"
PIPE_TAKES_AT_ONCE = 4096


class Broken(FakePredictor):
    def forecast(self, store: int, steps: int) -> Any:
        raise RuntimeError("nobody foresaw this")


def ask_and_read(method: str, path: str, body: object = None, **options: Any):
    """Return the answer and the lines that were written for it, each by one call."""
    live = options.pop("live", None) or LiveStub(FakePredictor())
    live.keys = options.pop("keys", None)
    written: list[bytes] = []
    app = create_app(live, write_log=written.append)
    response = ask_app(app, method, path, body, **options)
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in written)
    return response, [json.loads(line) for line in written]


def test_a_request_is_one_line_of_when_who_what_and_how_long():
    before = datetime.now(UTC)
    response, (line,) = ask_and_read("POST", "/predict_sales", PREDICT)

    assert list(line) == ["time", "id", "method", "path", "status", "ms"]
    assert before <= datetime.fromisoformat(line["time"]) <= datetime.now(UTC)
    assert line["time"].endswith("Z")
    assert line["id"] == response.headers["X-Request-ID"]
    assert (line["method"], line["path"], line["status"]) == ("POST", "/predict_sales", 200)
    assert 0 < line["ms"] < 10_000


@pytest.mark.parametrize(
    ("status", "method", "path", "body", "live"),
    [
        (200, "GET", "/health", None, None),
        (200, "GET", "/docs", None, None),
        (400, "POST", "/predict_sales", b"{", None),
        (401, "GET", "/model", None, None),
        (404, "GET", "/nowhere", None, None),
        (404, "POST", "/forecast_sales", {"store_id": 99, "steps": 1}, None),
        (405, "GET", "/predict_sales", None, None),
        (413, "POST", "/predict_sales", b" " * 1_000_001, None),
        (422, "POST", "/predict_sales", {}, None),
        (500, "POST", "/forecast_sales", FORECAST, LiveStub(Broken())),
        (503, "POST", "/forecast_sales", FORECAST, LiveStub()),
    ],
)
def test_every_answer_is_logged_and_named(status, method, path, body, live):
    headers = {} if status == 401 else {"X-API-Key": KEY}
    response, (line,) = ask_and_read(
        method, path, body, live=live, keys=ApiKeys(KEY), headers=headers
    )

    assert status == response.status_code == line["status"]
    assert response.headers.get_list("X-Request-ID") == [line["id"]]
    assert (line["method"], line["path"]) == (method, path)


def test_neither_the_query_nor_the_body_nor_a_key_is_logged():
    written: list[bytes] = []
    app = create_app(LiveStub(FakePredictor(), keys=ApiKeys(KEY)), write_log=written.append)
    headers = {"X-API-Key": KEY, "Cookie": "secret=1"}

    ask_app(app, "POST", f"/predict_sales?key={KEY}", PREDICT, headers=headers)

    (line,) = written
    assert json.loads(line)["path"] == "/predict_sales"
    for secret in (KEY, "secret", "Holiday_Flag"):
        assert secret.encode() not in line


@pytest.mark.parametrize("own", ["a", "A-1.b_2", "x" * 64])
def test_the_id_of_a_caller_is_kept(own):
    headers = {"X-Request-ID": own, "X-Amzn-Trace-Id": f"Root={ROOT_ID}"}
    response, (line,) = ask_and_read("GET", "/health", headers=headers)

    assert own == line["id"] == response.headers["X-Request-ID"]


@pytest.mark.parametrize("trace", [f"Root={ROOT_ID}", f"Self=1-2-3;Root={ROOT_ID};Sampled=1"])
def test_the_id_of_the_load_balancer_is_the_next_best(trace):
    headers = {"X-Request-ID": "not an id", "X-Amzn-Trace-Id": trace}
    response, (line,) = ask_and_read("GET", "/health", headers=headers)

    assert ROOT_ID == line["id"] == response.headers["X-Request-ID"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Request-ID": ""},
        {"X-Request-ID": "x" * 65},
        {"X-Request-ID": 'a","status":"200'},
        {"X-Request-ID": b"\xff\xfe"},
        {"X-Amzn-Trace-Id": "Root=1-2-3"},
        {"X-Amzn-Trace-Id": f"Root={ROOT_ID}0"},
    ],
)
def test_without_a_sane_id_one_is_made(headers):
    ids = {ask_and_read("GET", "/health", headers=headers)[1][0]["id"] for _ in range(2)}

    assert len(ids) == 2
    assert all(re.fullmatch(r"[0-9a-f]{12}-1", made) for made in ids)


def run(app: Any, path: str = "/", events: tuple[dict[str, Any], ...] = ()) -> tuple[Any, Any]:
    """Run an application as a server does; return what it sent and the lines it logged."""
    sent: list[dict[str, Any]] = []
    written: list[bytes] = []
    incoming = iter(events)

    async def receive() -> Any:
        return next(incoming)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "headers": []}
    observed = Observe(app, [AccessLog(written.append)])
    try:
        asyncio.run(observed(scope, receive, send))
    except RuntimeError as error:
        sent.append({"raised": str(error)})
    return sent, [json.loads(line) for line in written]


def test_a_caller_who_hangs_up_is_logged_as_499():
    app = create_app(LiveStub(FakePredictor()))
    half = {"type": "http.request", "body": b"{", "more_body": True}

    sent, (line,) = run(app, "/predict_sales", (half, {"type": "http.disconnect"}))

    assert sent == []
    assert line["status"] == 499


def test_what_fails_before_it_answers_is_logged_as_500_and_still_fails():
    async def failing(*_: Any) -> None:
        raise RuntimeError("no")

    sent, (line,) = run(failing)

    assert sent == [{"raised": "no"}]
    assert line["status"] == 500


def test_what_fails_after_it_answered_is_logged_as_it_answered():
    async def failing(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 202})
        raise RuntimeError("no")

    _, (line,) = run(failing)

    assert line["status"] == 202


@given(st.text(st.characters(), max_size=3000))
def test_any_path_makes_one_whole_line_of_json(path):
    async def nothing(*_: Any) -> None:
        pass

    _, (line,) = run(nothing, path)
    assert line["path"] == path[:200].encode(errors="replace").decode()

    written: list[bytes] = []
    AccessLog(written.append)(b"x" * 64, "POST", path, 200, 1.0)
    assert len(written[0]) <= PIPE_TAKES_AT_ONCE


def test_a_log_that_cannot_be_written_fails_no_request():
    def write(_: bytes) -> None:
        raise BrokenPipeError

    app = create_app(LiveStub(FakePredictor()), write_log=write)

    assert ask_app(app, "POST", "/predict_sales", PREDICT).status_code == 200

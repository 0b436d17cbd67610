"""What callers rely on when they are wrong: the status, the one shape and the field's name."""

from __future__ import annotations

import asyncio
import json

import pytest

from sales_forecast.service.app import create_app
from sales_forecast.service.json_route import MAX_BODY_BYTES
from tests.fakes import FakePredictor, LiveStub
from tests.service.conftest import EXAMPLES, FORECAST, PREDICT, Ask, ask_app, error_of

INFINITE, NOT_A_NUMBER = float("inf"), float("nan")
HUGE = 10**400
WRONG = [
    *[("Store", value) for value in (True, "1", 1.0, 1.5, None, [1], {}, 2**31, HUGE)],
    *[("Holiday_Flag", value) for value in (True, "0", 1.0, 2, -1, None)],
    *[("CPI", value) for value in (True, "238.2", None, [], NOT_A_NUMBER, INFINITE, HUGE)],
    *[("Temperature", value) for value in (-INFINITE, "75,5")],
    *[("Fuel_Price", value) for value in ({}, "")],
    *[("Unemployment", value) for value in (False, "NaN")],
    *[("store_id", value) for value in (True, "1", 1.0, None, HUGE)],
    *[("steps", value) for value in (0, -1, 53, HUGE, 5.0, "5", True, None)],
]
NO_DAYS = [
    "31-02-2012",
    "29-02-2011",
    "2012-02-31",
    "2012-13-01",
    "13-13-2012",
    "00-01-2012",
    "01-01-0000",
    "3-11-2012",
    "03-11-12",
    "03/11/2012",
    "11/03/2012",
    "20121103",
    "2012-W44-6",
    " 03-11-2012",
    "03-11-2012\n",
    "03-11-2012T00:00",
    "٠٣-11-2012",
    "",
    20121103,
    None,
    ["03-11-2012"],
]


def example_with(field: str, value: object) -> tuple[str, dict[str, object]]:
    path = "/predict_sales" if field in PREDICT else "/forecast_sales"
    return path, {**EXAMPLES[path], field: value}


@pytest.mark.parametrize(("field", "value"), WRONG, ids=lambda value: repr(value)[:20])
def test_a_value_of_another_kind_or_size_is_refused_by_the_name_of_its_field(
    ask: Ask, field, value
):
    response = ask("POST", *example_with(field, value))

    assert response.status_code == 422
    error = error_of(response)
    assert error["code"] == "invalid_request"
    assert [field] == list(error["fields"])
    assert error["message"].startswith(field)


@pytest.mark.parametrize("day", NO_DAYS, ids=repr)
def test_what_is_no_real_day_in_one_of_the_two_forms_is_refused_and_both_are_shown(ask: Ask, day):
    response = ask("POST", "/predict_sales", {**PREDICT, "Date": day})

    assert response.status_code == 422
    error = error_of(response)
    assert list(error["fields"]) == ["Date"]
    assert "DD-MM-YYYY or YYYY-MM-DD" in error["message"]


@pytest.mark.parametrize(
    ("path", "field"), [(path, field) for path, body in EXAMPLES.items() for field in body]
)
def test_a_missing_field_is_named(ask: Ask, path, field):
    body = {name: value for name, value in EXAMPLES[path].items() if name != field}

    response = ask("POST", path, body)

    assert response.status_code == 422
    assert error_of(response) == {
        "code": "invalid_request",
        "message": f"{field} is required.",
        "fields": {field: "is required"},
    }


def test_every_wrong_field_is_named_at_once(ask: Ask):
    response = ask("POST", "/predict_sales", {**PREDICT, "Store": "1", "CPI": None})

    assert set(error_of(response)["fields"]) == {"Store", "CPI"}


def test_a_mistyped_field_is_refused_beside_the_names_there_are(ask: Ask):
    response = ask("POST", "/forecast_sales", {**FORECAST, "step": 5})

    assert response.status_code == 422
    assert error_of(response)["message"] == (
        "step is not a field of this request (known: store_id, steps)."
    )


def test_a_mistyped_field_of_one_of_many_series_is_refused_beside_those_of_a_series(ask: Ask):
    response = ask("POST", "/forecast_sales", {"series": [{"store_id": 1, "Store": 1}], "steps": 5})

    assert response.status_code == 422
    assert error_of(response)["message"] == (
        "series.0.Store is not a field of this request (known: store_id)."
    )


def test_an_empty_body_is_told_to_be_empty(ask: Ask):
    error = error_of(ask("POST", "/predict_sales", b""))

    assert error["code"] == "invalid_json"
    assert error["message"] == "The body is empty; it must be a JSON object."


def test_a_field_given_twice_is_refused_because_nobody_knows_which_was_meant(ask: Ask):
    response = ask("POST", "/forecast_sales", b'{"store_id": 1, "steps": 5, "store_id": 2}')

    assert response.status_code == 422
    assert error_of(response)["fields"] == {"store_id": "given more than once"}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("pooled", '"pooled"'),
        ("Best", '"Best"'),
        ("best%20", '"best "'),
        ("best;model=arima", '"best;model=arima"'),
        ("", '""'),
        ("%00", r'"\u0000"'),
        ("%ff", r'"\ufffd"'),
        ("x" * 20_000, '"' + "x" * 56 + "..."),
    ],
    ids=lambda value: value[:20],
)
def test_another_model_is_refused_beside_those_there_are(ask: Ask, value, shown):
    response = ask("POST", f"/forecast_sales?model={value}", FORECAST)

    assert response.status_code == 422
    assert error_of(response) == {
        "code": "invalid_request",
        "message": f"model must be 'arima' or 'best', not {shown}.",
        "fields": {"model": f"must be 'arima' or 'best', not {shown}"},
    }


@pytest.mark.parametrize("value", ["90", "0.95", "095", "95%25", ""])
def test_another_level_is_refused_beside_those_there_are(ask: Ask, value):
    response = ask("POST", f"/forecast_sales?level={value}", FORECAST)

    assert response.status_code == 422
    assert error_of(response)["message"].startswith("level must be '80' or '95', not ")


@pytest.mark.parametrize(
    ("path", "query", "name", "known"),
    [
        ("/forecast_sales", "models=best", "models", "model, level, quantiles"),
        ("/forecast_sales", "model=best&steps=5", "steps", "model, level, quantiles"),
        ("/forecast_sales", "MODEL=best", "MODEL", "model, level, quantiles"),
        ("/predict_sales", "model=best", "model", "none"),
    ],
)
def test_a_parameter_that_there_is_not_is_refused_beside_those_there_are(
    ask: Ask, path, query, name, known
):
    response = ask("POST", f"{path}?{query}", EXAMPLES[path])

    assert response.status_code == 422
    problem = f"is not a field of this query (known: {known})"
    assert error_of(response)["message"] == f"{name} {problem}."
    assert error_of(response)["fields"] == {name: problem}


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("store_id=1&steps=x", "steps"),
        ("store_id=1&steps=", "steps"),
        ("store_id=1&steps=0", "steps"),
        ("store_id=1&steps=53", "steps"),
        ("store_id=1&steps=1.5", "steps"),
        ("store_id=1&steps=1&steps=2", "steps"),
        ("store_id=1&store_id=1", "store_id"),
        ("store_id=one", "store_id"),
        ("store_id=", "store_id"),
        ("steps=5", "store_id"),
        ("model=best", "store_id"),
        ("store_id=1&step=5", "step"),
        ("store_id=1&level=90", "level"),
        ("store_id=1&model=best&model=best", "model"),
    ],
)
def test_without_a_body_a_wrong_query_is_refused_with_the_field(ask: Ask, query, name):
    response = ask("POST", f"/forecast_sales?{query}")

    assert response.status_code == 422
    assert list(error_of(response)["fields"]) == [name]


@pytest.mark.parametrize("name", ["store_id", "steps"])
def test_beside_a_body_its_fields_are_refused_in_the_query(ask: Ask, name):
    response = ask("POST", f"/forecast_sales?{name}=1&model=best", FORECAST)

    assert response.status_code == 422
    assert list(error_of(response)["fields"]) == [name]


@pytest.mark.parametrize("query", ["model=best&model=arima", "model=best&model=best"])
def test_a_parameter_given_twice_is_refused(ask: Ask, query):
    response = ask("POST", f"/forecast_sales?{query}", FORECAST)

    assert response.status_code == 422
    assert error_of(response)["fields"] == {"model": "given more than once"}


def test_thousands_of_unknown_parameters_get_a_short_answer(ask: Ask):
    query = "&".join(f"{'x' * 200}{number}=1" for number in range(300))

    response = ask("POST", f"/forecast_sales?{query}", FORECAST)

    assert response.status_code == 422
    assert len(response.content) < 5_000
    assert "And 290 more." in error_of(response)["message"]


def test_a_field_whose_name_is_written_with_escapes_is_still_that_field(ask: Ask):
    body = rb'{"st\u006fre_id": 1, "steps": 1}'

    assert ask("POST", "/forecast_sales", body).status_code == 200


def test_thousands_of_unknown_fields_get_a_short_answer(ask: Ask):
    response = ask("POST", "/forecast_sales", {"x" * 200 + str(n): n for n in range(3_000)})

    assert response.status_code == 422
    assert len(response.content) < 5_000
    assert "And 2992 more." in error_of(response)["message"]


@pytest.mark.parametrize("path", EXAMPLES)
def test_more_fields_than_any_question_has_are_not_looked_at(ask: Ask, path):
    response = ask("POST", path, {f"{n:05}": 1 for n in range(70_000)})

    assert response.status_code == 422
    assert "has 70,000 fields" in error_of(response)["message"]


@pytest.mark.parametrize("body", [[], None, 3, "text", True, [FORECAST]], ids=repr)
def test_json_that_is_no_object_is_refused(ask: Ask, body):
    response = ask("POST", "/forecast_sales", json.dumps(body).encode())

    assert response.status_code == 422
    assert list(error_of(response)["fields"]) == ["body"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'store_id': 1, 'steps': 5}",
        b"store_id=1&steps=5",
        b'{"store_id": 1, "steps": 5} trailing',
        b'{"store_id": 1, "steps": 5',
        b"\xff\xfe\x00",
        b'{"store_id": 1, "steps": "\xc3\x28"}',
        json.dumps(FORECAST).encode("utf-16"),
        b'{"store_id": ' + b"9" * 5_000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 9_000,
    ],
    ids=lambda body: repr(body[:20]),
)
def test_what_is_not_json_in_utf_8_is_a_bad_request(ask: Ask, body):
    response = ask("POST", "/forecast_sales", body)

    assert response.status_code == 400
    error = error_of(response)
    assert error["code"] == "invalid_json"
    assert list(error["fields"]) == ["body"]


def test_an_unknown_store_is_not_found(ask: Ask):
    response = ask("POST", "/predict_sales", {**PREDICT, "Store": 99})

    assert response.status_code == 404
    assert error_of(response)["code"] == "unknown_store"
    assert error_of(response)["fields"] == {"Store": 99}


@pytest.mark.parametrize("path", ["/", "/nothing", "/predict_sales/", "/%ff", "//", "/docs/x"])
def test_an_unknown_path_is_answered_in_the_one_shape(ask: Ask, path):
    response = ask("GET", path)

    assert response.status_code == 404
    assert error_of(response)["code"] == "not_found"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_another_method_is_answered_in_the_one_shape_with_the_allowed_one(ask: Ask, method):
    response = ask(method, "/predict_sales")

    assert response.status_code == 405
    assert response.headers["Allow"] == "POST"
    assert error_of(response)["code"] == "method_not_allowed"


def test_a_body_of_exactly_the_limit_is_read(ask: Ask):
    body = json.dumps(FORECAST).encode().ljust(MAX_BODY_BYTES)

    assert ask("POST", "/forecast_sales", body).status_code == 200


def test_a_larger_body_is_refused_by_its_announced_length_before_it_is_read(ask: Ask):
    headers = {"Content-Length": str(MAX_BODY_BYTES + 1)}

    response = ask("POST", "/forecast_sales", FORECAST, headers=headers)

    assert response.status_code == 413
    assert error_of(response)["fields"] == {"body": MAX_BODY_BYTES + 1}


def test_a_larger_body_in_chunks_is_refused_while_it_is_read(live: LiveStub):
    read = 0

    async def endless():
        nonlocal read
        while True:
            read += 100_000
            yield b" " * 100_000

    response = ask_app(create_app(live), "POST", "/forecast_sales", content=endless())

    assert response.status_code == 413
    assert error_of(response)["code"] == "body_too_large"
    assert read <= MAX_BODY_BYTES + 200_000


def test_a_caller_who_hangs_up_halfway_gets_no_answer_and_does_no_harm(live: LiveStub):
    arriving = [
        {"type": "http.request", "body": b'{"store_id"', "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent = []

    async def receive():
        return arriving.pop(0)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/forecast_sales", "headers": []}
    asyncio.run(create_app(live)(scope, receive, send))

    assert sent == []


def test_what_nobody_foresaw_is_answered_in_the_one_shape_without_a_trace():
    class Broken(FakePredictor):
        def forecast(self, *_: int):
            raise ZeroDivisionError("a secret of the inside")

    response = ask_app(create_app(LiveStub(Broken())), "POST", "/forecast_sales", FORECAST)

    assert response.status_code == 500
    assert error_of(response)["code"] == "internal_error"
    assert "secret" not in response.text

"""Whatever a caller can send: never a 5xx, and every refusal in the one shape, naming something.

Some 1,500 requests by default, in the process. `GENERATED_REQUESTS=4000` sends four times as many,
as every night, other ones each time, and
`SERVICE_URL=http://127.0.0.1:8000` sends them to a service that runs, through a real socket.
"""

from __future__ import annotations

import json
import os
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig

from sales_forecast.service.app import create_app
from tests.fakes import FakePredictor, LiveStub
from tests.service.conftest import EXAMPLES, ask_app

REQUESTS = int(os.environ.get("GENERATED_REQUESTS", "1000"))
URL = os.environ.get("SERVICE_URL")
# A day can have the right form and be in no calendar, or lie before all known sales. This service
# asks for no key: it shows what it answered to its own machine alone, and nobody changes its plans.
ALSO_RIGHT = {"expected-statuses": ["2xx", "403", "404", "422"]}
CONFIG = SchemathesisConfig.from_dict({"checks": {"positive_data_acceptance": ALSO_RIGHT}})


def generously(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=REQUESTS == 1000,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def service() -> Any:
    return create_app(LiveStub(FakePredictor()))


schema = (
    schemathesis.openapi.from_url(f"{URL}/openapi.json", config=CONFIG)
    if URL
    else schemathesis.openapi.from_asgi("/openapi.json", service(), config=CONFIG)
)


def check_refusal(body: Any) -> None:
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "fields"}
    assert body["error"]["message"].endswith(".")
    assert body["error"]["fields"]


@schema.parametrize()
@generously(REQUESTS // 16)  # of each operation, of which there are so many
def test_what_the_document_promises_is_kept(case):
    response = case.call_and_validate()

    assert response.status_code < 500
    if response.status_code >= 400:
        check_refusal(response.json())


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


tails = st.binary(max_size=20)
finite = st.floats(allow_nan=False, allow_infinity=False)
days = st.dates().map(lambda day: f"{day:%d-%m-}{day.year:04}")
right = {
    "/predict_sales": st.fixed_dictionaries(
        {
            "Store": st.integers(0, 46),
            "Date": days | days.map(lambda day: "-".join(reversed(day.split("-")))),
            "Holiday_Flag": st.integers(0, 1),
            "Temperature": finite,
            "Fuel_Price": finite,
            "CPI": finite,
            "Unemployment": finite,
        }
    ),
    "/forecast_sales": st.fixed_dictionaries(
        {"store_id": st.integers(0, 46), "steps": st.integers(1, 52)}
    ),
}


def bodies(path: str) -> st.SearchStrategy[bytes]:
    """Right bodies, bodies with one field wrong, JSON of all sorts, cut JSON and plain bytes."""
    field = st.sampled_from([*EXAMPLES[path], "more"])
    nearly = st.builds(lambda name, value: EXAMPLES[path] | {name: value}, field, anything)
    as_json = (right[path] | nearly | anything).map(lambda value: json.dumps(value).encode())
    cut = st.builds(lambda body, end, tail: body[:end] + tail, as_json, st.integers(0, 200), tails)
    return right[path].map(lambda value: json.dumps(value).encode()) | as_json | cut | tails


def send(path: str, body: bytes) -> httpx.Response:
    if URL:
        return httpx.post(URL + path, content=body)
    return ask_app(service(), "POST", path, body)


@pytest.mark.parametrize("path", EXAMPLES)
@given(data=st.data())
@generously(REQUESTS // 4)
def test_any_bytes_get_an_answer_or_a_reason(path, data):
    response = send(path, data.draw(bodies(path)))

    assert response.status_code in {200, 400, 404, 422}
    if response.status_code != 200:
        check_refusal(response.json())

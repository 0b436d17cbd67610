"""The API key: without one the service is open, with one it is not."""

from __future__ import annotations

import httpx
import pytest

from client import ClientError, SalesForecastClient
from sales_forecast.service.api_keys import ApiKeys
from sales_forecast.service.app import create_app
from tests.fakes import FakePredictor, LiveStub
from tests.service.conftest import EXAMPLES, ask_app, error_of

KEY = "a long and secret key"


@pytest.fixture
def live() -> LiveStub:
    return LiveStub(FakePredictor(), keys=ApiKeys(KEY))


def ask_with(live: LiveStub, key: str | bytes | None, path: str, body: object = None):
    method = "GET" if body is None else "POST"
    headers = {} if key is None else {"X-API-Key": key}
    return ask_app(create_app(live), method, path, body, headers=headers)


@pytest.mark.parametrize(("path", "body"), EXAMPLES.items())
def test_the_key_opens_the_service(live, path, body):
    assert 200 == ask_with(live, KEY, path, body).status_code


@pytest.mark.parametrize("path", ["/model", "/docs2", "/metrics", "/nowhere", *EXAMPLES])
def test_without_the_key_nothing_is_answered_not_even_what_exists(live, path):
    response = ask_with(live, None, path, EXAMPLES.get(path))
    assert 401 == response.status_code
    assert 'ApiKey header="X-API-Key"' == response.headers["www-authenticate"]
    error = error_of(response)
    assert "unauthorized" == error["code"]
    assert {"X-API-Key": "is required"} == error["fields"]


@pytest.mark.parametrize("key", ["", KEY[:-1], KEY + " x", KEY.upper(), b"\xff\xfe"])
def test_another_key_is_refused_and_no_key_is_repeated(live, key):
    response = ask_with(live, key, "/model")
    assert 401 == response.status_code
    assert {"X-API-Key": "holds no known key"} == error_of(response)["fields"]
    assert KEY not in response.text


def test_a_header_of_ten_thousand_letters_and_one_that_is_given_twice_are_refused(live):
    assert 401 == ask_with(live, "x" * 10_000, "/model").status_code
    for twice in ([KEY, KEY], [KEY, "another"], ["another", KEY], ["a", "b", KEY]):
        headers = [("X-API-Key", key) for key in twice]
        response = ask_app(create_app(live), "GET", "/model", headers=headers)
        assert 401 == response.status_code
        assert {"X-API-Key": "is given twice"} == error_of(response)["fields"]


@pytest.mark.parametrize("name", ["x-api-key", "X-API-KEY", "x-Api-kEy"])
def test_the_header_has_its_name_in_any_case(live, name):
    assert 200 == ask_app(create_app(live), "GET", "/model", headers={name: KEY}).status_code


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_what_load_balancers_ask_stays_open(live, path):
    assert 200 == ask_with(live, None, path).status_code


@pytest.mark.parametrize("path", ["/docs", "/docs/swagger-ui-bundle.js", "/openapi.json"])
def test_the_documentation_opens_in_a_browser_which_has_no_key(live, path):
    assert 200 == ask_with(live, None, path).status_code


def test_no_path_below_the_documentation_leads_past_the_key(live):
    for path in ("/docs/../model", "/docs/%2e%2e/model", "/docs//model"):
        assert ask_with(live, None, path).status_code in {401, 404}


def test_the_documentation_says_where_the_key_is_asked_for(live):
    document = ask_with(live, None, "/openapi.json").json()

    scheme = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
    assert {"ApiKey": scheme} == document["components"]["securitySchemes"]
    assert [{"ApiKey": []}] == document["security"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            code = ask_app(create_app(live), method.upper(), path).status_code
            declared = "401" in operation["responses"], operation.get("security") != []
            assert (code == 401, code == 401) == declared


def test_without_a_key_set_the_documentation_asks_for_none(live):
    live.keys = None
    document = ask_app(create_app(live), "GET", "/openapi.json").text
    assert "ApiKey" not in document
    assert '"401"' not in document


def test_without_a_key_set_everybody_is_answered(live):
    live.keys = None
    assert 200 == ask_app(create_app(live), "GET", "/model").status_code


def test_the_client_sends_its_key_and_says_when_it_is_refused(live):
    app = create_app(live)

    def service(request: httpx.Request) -> httpx.Response:
        answer = ask_app(app, request.method, request.url.path, headers=dict(request.headers))
        return httpx.Response(answer.status_code, content=answer.content)

    transport = httpx.MockTransport(service)
    with SalesForecastClient("http://service", KEY, transport=transport) as client:
        assert "fake-1" == client.model()["version"]
    with (
        SalesForecastClient("http://service", "wrong", transport=transport) as client,
        pytest.raises(ClientError) as refused,
    ):
        client.model()
    assert ("unauthorized", 401) == (refused.value.code, refused.value.status)

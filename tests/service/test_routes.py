"""What callers rely on: the right questions and their answers."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from typing import Any

import httpx
import pytest

from sales_forecast.data.panel import CONDITIONS
from sales_forecast.data.rows import STORES
from sales_forecast.errors import DatabaseError
from sales_forecast.service.app import create_app
from sales_forecast.service.forms import forms_of
from tests.fakes import FakePredictor, LiveStub
from tests.service.conftest import FORECAST, PREDICT, Ask, ask_app, error_of


def test_a_prediction_has_the_mean_its_interval_both_models_and_the_version(ask: Ask):
    response = ask("POST", "/predict_sales", PREDICT)

    assert response.status_code == 200
    assert response.json() == {
        "prediction": 1000.0,
        "week_ending": "2012-11-09",
        "interval_80": [950.0, 1050.0],
        "interval_95": [910.0, 1090.0],
        "models": {"random_forest": 1050.0, "xgboost": 950.0},
        "model_version": "fake-1",
        "warnings": [],
    }


@pytest.mark.parametrize(
    ("day", "week_ending"),
    [
        ("03-11-2012", "2012-11-09"),
        ("2012-11-03", "2012-11-09"),
        ("09-11-2012", "2012-11-09"),
        ("02-11-2012", "2012-11-02"),
        ("29-02-2012", "2012-03-02"),
    ],
)
def test_any_day_in_either_form_stands_for_the_week_that_contains_it(ask: Ask, day, week_ending):
    answer = ask("POST", "/predict_sales", {**PREDICT, "Date": day}).json()

    assert answer["week_ending"] == week_ending


def test_the_warnings_of_the_model_reach_the_caller(ask: Ask):
    answer = ask("POST", "/predict_sales", {**PREDICT, "Temperature": 121}).json()

    assert answer["warnings"] == ["Temperature is above the range seen in training."]


def test_conditions_are_given_to_the_model_in_the_order_of_the_panel():
    forms = forms_of(STORES)
    request = forms.predict.model_validate_json(json.dumps(PREDICT))

    assert [PREDICT[name] for name in CONDITIONS] == list(forms.covariates_of(request))
    assert (1,) == forms.series_of(request)


def test_the_baseline_is_served_without_answers_of_models():
    app = create_app(LiveStub(FakePredictor(warnings=("Baseline.",), baseline=True)))

    answer = ask_app(app, "POST", "/predict_sales", PREDICT).json()

    assert answer["models"] == {"random_forest": None, "xgboost": None}
    assert answer["warnings"] == ["Baseline."]


def test_a_forecast_starts_with_the_first_week_after_the_last_known_one(ask: Ask):
    response = ask("POST", "/forecast_sales", {"store_id": 2, "steps": 2})

    assert response.status_code == 200
    assert response.json() == [
        {"Date": "2012-11-02", "Sales": 2001.0, "lower": 2000.0, "upper": 2002.0},
        {"Date": "2012-11-09", "Sales": 2002.0, "lower": 2000.0, "upper": 2004.0},
    ]
    assert response.headers["X-Model-Version"] == "fake-1"
    assert response.headers["X-Forecast-Origin"] == "2012-10-26"
    assert response.headers["X-Model"] == "arima"
    assert "X-Warnings" not in response.headers


@pytest.mark.parametrize(
    ("query", "model", "sales"),
    [
        ("", "arima", 2001.0),
        ("?", "arima", 2001.0),
        ("?model=arima", "arima", 2001.0),
        ("?model=best", "pooled", 2011.0),
        ("?%6dodel=%62est", "pooled", 2011.0),
        ("?model=best&", "pooled", 2011.0),
    ],
)
def test_the_query_says_whose_forecast_is_wanted_and_a_header_whose_it_is(
    ask: Ask, query, model, sales
):
    response = ask("POST", f"/forecast_sales{query}", {"store_id": 2, "steps": 1})

    assert response.status_code == 200
    assert response.headers["X-Model"] == model
    assert response.json()[0]["Sales"] == sales


@pytest.mark.parametrize(
    ("query", "ends"),
    [
        ("", (2000.0, 2002.0)),
        ("?level=80", (2000.0, 2002.0)),
        ("?level=95", (1960.0, 2042.0)),
        ("?level=95&model=best", (1970.0, 2052.0)),
    ],
)
def test_the_query_says_how_much_the_interval_is_to_hold(ask: Ask, query, ends):
    (week,) = ask("POST", f"/forecast_sales{query}", {"store_id": 2, "steps": 1}).json()

    assert ends == (week["lower"], week["upper"])


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("store_id=2&steps=5", {"steps": 5}),
        ("store_id=2", {"steps": 3}),
        ("steps=1&store_id=2&model=best&level=95", {"steps": 1}),
    ],
)
def test_without_a_body_the_query_is_answered_as_the_body_is(ask: Ask, query, body):
    wishes = "&".join(pair for pair in query.split("&") if pair[:5] in {"model", "level"})
    same = ask("POST", f"/forecast_sales?{wishes}", {"store_id": 2, **body})

    response = ask("POST", f"/forecast_sales?{query}")

    assert response.status_code == same.status_code == 200
    assert response.json() == same.json()
    assert response.headers["X-Model"] == same.headers["X-Model"]


@pytest.mark.parametrize("query", ["", "?model=arima", "?model=best"])
def test_while_the_baseline_is_served_every_forecast_is_its_own(query):
    app = create_app(LiveStub(FakePredictor(baseline=True)))

    response = ask_app(app, "POST", f"/forecast_sales{query}", FORECAST)

    assert response.headers["X-Model"] == "seasonal_naive_growth"


@pytest.mark.parametrize("steps", [1, 52])
def test_a_forecast_has_one_item_a_week(ask: Ask, steps):
    assert len(ask("POST", "/forecast_sales", {"store_id": 1, "steps": steps}).json()) == steps


def test_warnings_about_the_model_come_in_a_header_whatever_their_letters():
    app = create_app(LiveStub(FakePredictor(warnings=("größer als je — “so”",))))

    header = ask_app(app, "POST", "/forecast_sales", FORECAST).headers["X-Warnings"]

    assert json.loads(header) == ["größer als je — “so”"]


@pytest.mark.parametrize("content_type", [None, "application/x-www-form-urlencoded", "text/plain"])
def test_json_is_read_whatever_the_content_type_says(ask: Ask, content_type):
    headers = {} if content_type is None else {"Content-Type": content_type}

    assert ask("POST", "/predict_sales", PREDICT, headers=headers).status_code == 200


def test_health_needs_no_model():
    response = ask_app(create_app(LiveStub()), "GET", "/health")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_ready_says_what_is_served_and_what_was_refused():
    app = create_app(LiveStub(FakePredictor(), problem="The bundle b2 is damaged."))

    response = ask_app(app, "GET", "/ready")

    assert (response.status_code, response.json()) == (
        200,
        {
            "status": "ready",
            "model_version": "fake-1",
            "forecast_origin": "2012-10-26",
            "refused": "The bundle b2 is damaged.",
        },
    )


def test_ready_says_no_with_the_reason_while_the_database_does_not_answer(live: LiveStub, ask: Ask):
    live.failure = DatabaseError("The database sales.db does not answer.")

    response = ask("GET", "/ready")

    assert response.status_code == 503
    assert error_of(response)["message"] == "The database sales.db does not answer."


def test_model_gives_its_description_and_what_was_refused(ask: Ask):
    assert ask("GET", "/model").json() == {
        "version": "fake-1",
        "trained_at": "2012-10-27T12:00:00+00:00",
        "warnings": [],
        "registry": None,
        "refused": None,
    }


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/predict_sales", PREDICT),
        ("POST", "/forecast_sales", FORECAST),
        ("GET", "/ready", None),
        ("GET", "/model", None),
    ],
)
def test_without_a_model_everything_but_health_says_why(method, path, body):
    app = create_app(LiveStub(problem="There is no model bundle at var/champion."))

    response = ask_app(app, method, path, body)

    assert response.status_code == 503
    assert error_of(response) == {
        "code": "not_ready",
        "message": "There is no model bundle at var/champion.",
        "fields": {},
    }


def test_the_documentation_has_both_examples_and_every_declared_error(ask: Ask):
    document = ask("GET", "/openapi.json").json()

    for path in ("/predict_sales", "/forecast_sales"):
        responses = document["paths"][path]["post"]["responses"]
        assert set(responses) == {"200", "400", "404", "413", "422", "503"}
        for status in set(responses) - {"200"}:
            schema = responses[status]["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/ErrorResponse"}
    schemas = document["components"]["schemas"]
    for name, example in (("PredictRequest", PREDICT), ("ForecastRequest", FORECAST)):
        fields = schemas[name]["properties"]
        assert {field: fields[field]["examples"][0] for field in fields} == example
        assert schemas[name]["additionalProperties"] is False


def test_the_documentation_says_what_may_stand_in_the_query(ask: Ask):
    said = ask("GET", "/openapi.json").json()["paths"]["/forecast_sales"]["post"]["description"]

    assert "`?store_id=1&steps=5`, `steps` 3 if left out." in said


def test_the_documentation_has_model_level_and_quantiles_and_no_other_parameter(ask: Ask):
    paths = ask("GET", "/openapi.json").json()["paths"]

    choice, level, quantiles = paths["/forecast_sales"]["post"]["parameters"]
    assert (quantiles["name"], quantiles["schema"]["type"]) == ("quantiles", "string")
    assert (level["name"], level["in"], level["required"]) == ("level", "query", False)
    assert (level["schema"]["enum"], level["schema"]["default"]) == (["80", "95"], "80")
    assert (choice["name"], choice["in"], choice["required"]) == ("model", "query", False)
    assert choice["schema"]["enum"] == ["arima", "best"]
    assert choice["schema"]["default"] == "arima"
    assert "parameters" not in paths["/predict_sales"]["post"]
    headers = paths["/forecast_sales"]["post"]["responses"]["200"]["headers"]
    assert headers["X-Model"]["required"]


def test_the_documentation_page_asks_nobody_but_the_service(ask: Ask):
    page = ask("GET", "/docs")

    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    asked = re.findall(r"""(?:href=|src=|url: )["']([^"']*)""", page.text)
    assert len(asked) == 4
    assert [200] * 4 == [ask("GET", f"/{address}").status_code for address in asked]
    assert "://" not in page.text
    assert error_of(ask("GET", "/docs/nothing"))["code"] == "not_found"


def test_a_file_of_the_documentation_is_given_whole_whatever_part_is_asked_for(ask: Ask):
    for part in ("bytes=0-1", "bytes=9-0", "bytes=999999999-", "lines=1-2"):
        response = ask("GET", "/docs/swagger-ui.css", headers={"Range": part})
        assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    "path",
    ["/health", "/ready", "/model", "/metrics", "/docs", "/docs/swagger-ui.css", "/openapi.json",
     "/forecast", "/predict_sales", "/nowhere"],
)  # fmt: skip
def test_head_answers_as_get_does_without_a_body(ask: Ask, path):
    got, head = ask("GET", path), ask("HEAD", path)

    own = {"x-request-id": "", "content-length": ""} if path == "/metrics" else {"x-request-id": ""}
    assert got.status_code == head.status_code
    assert {**got.headers, **own} == {**head.headers, **own}
    assert head.content == b""


async def ask_twice_at_once(app: Any, path: str) -> list[httpx.Response]:
    """Start an application as a server does, ask, stop it."""
    events: asyncio.Queue[Any] = asyncio.Queue()
    answers: asyncio.Queue[Any] = asyncio.Queue()
    running = asyncio.create_task(app({"type": "lifespan"}, events.get, answers.put))
    events.put_nowait({"type": "lifespan.startup"})
    assert await answers.get() == {"type": "lifespan.startup.complete"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        both = await asyncio.gather(client.get(path), client.get(path))
    events.put_nowait({"type": "lifespan.shutdown"})
    await running
    return both


@pytest.mark.parametrize(("threads", "ready"), [(1, 0), (2, 2)])
def test_as_many_reads_of_the_database_run_side_by_side_as_there_are_threads(
    live: LiveStub, monkeypatch, threads, ready
):
    both = threading.Barrier(2, timeout=1)

    found = live.forecasts.find

    def find(*arguments: object) -> object:
        try:
            both.wait()
        except threading.BrokenBarrierError as error:
            raise DatabaseError("Nobody else came.") from error
        return found(*arguments)

    monkeypatch.setattr(live.forecasts, "find", find)

    application = create_app(live, threads=threads)
    answers = asyncio.run(ask_twice_at_once(application, "/forecast?store_id=1"))

    assert ready == sum(answer.is_success for answer in answers)


class Pondering(FakePredictor):
    """Answers once somebody else was answered."""

    others = threading.Event()

    def takes_long(self, *question: object) -> bool:
        return True

    def predict(self, *question: Any) -> Any:
        assert self.others.wait(30)
        return super().predict(*question)


def test_a_question_that_takes_long_keeps_nobody_waiting():
    app = create_app(LiveStub(Pondering()))

    async def both() -> list[int]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            long = asyncio.create_task(client.post("/predict_sales", json=PREDICT))
            await asyncio.sleep(0)
            short = await client.post("/forecast_sales", json=FORECAST)
            assert not long.done()
            Pondering.others.set()
            return [short.status_code, (await long).status_code]

    assert [200, 200] == asyncio.run(both())

"""What Prometheus is told, read as Prometheus reads it."""

from __future__ import annotations

import asyncio
import errno
import threading
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from sales_forecast.errors import DatabaseError
from sales_forecast.evaluation.error_sums import Measures
from sales_forecast.service.api_keys import ApiKeys
from sales_forecast.service.app import create_app
from sales_forecast.service.pulse import Pulse
from tests.fakes import FakePredictor, LiveStub
from tests.service.conftest import EXAMPLES, FORECAST, PREDICT, ask_app

KEY = "a long and secret key"


@pytest.fixture
def app(live: LiveStub):
    return create_app(live)


def scrape(app) -> dict[str, float]:
    """Return each number by its name and its labels in their order."""
    response = ask_app(app, "GET", "/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    return {
        " ".join(
            [sample.name.removeprefix("sales_forecast_"), *sample.labels.values()]
        ): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def test_requests_are_counted_by_method_path_and_status(app):
    for _ in range(3):
        ask_app(app, "POST", "/predict_sales", PREDICT)
    ask_app(app, "POST", "/predict_sales", {})
    ask_app(app, "GET", "/health")

    numbers = scrape(app)

    assert numbers["requests_total POST /predict_sales 200"] == 3
    assert numbers["requests_total POST /predict_sales 422"] == 1
    assert numbers["requests_total GET /health 200"] == 1
    assert "requests_total GET /metrics 200" not in numbers  # it is not over yet
    assert scrape(app)["requests_total GET /metrics 200"] == 1


def test_an_answer_that_cannot_be_counted_is_given(app, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)  # which raises what the application does
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.get("/health")

    monkeypatch.setattr("prometheus_client.Counter.inc", full)
    assert asyncio.run(ask()).is_success


def test_what_callers_make_up_is_counted_together(app):
    for number in range(3):
        ask_app(app, "GET", f"/nowhere/{number}")
        ask_app(app, f"METHOD{number}", "/health")

    numbers = scrape(app)

    assert numbers["requests_total GET other 404"] == 3
    assert numbers["requests_total other /health 405"] == 3
    assert not [name for name in numbers if "nowhere" in name or "METHOD" in name]


def test_how_long_requests_take_is_a_histogram_by_path(app):
    for _ in range(2):
        ask_app(app, "POST", "/forecast_sales", FORECAST)

    numbers = scrape(app)

    assert numbers["request_seconds_count /forecast_sales"] == 2
    assert 0 < numbers["request_seconds_sum /forecast_sales"] < 10
    limits = [
        name.split()[1]
        for name in numbers
        if name.startswith("request_seconds_bucket ") and name.endswith(" /forecast_sales")
    ]
    assert (limits[0], limits[-2:]) == ("0.0001", ["1.0", "+Inf"])


@pytest.mark.parametrize("path", EXAMPLES)
def test_answers_are_counted_by_the_model_that_gave_them(live: LiveStub, app, path):
    ask_app(app, "POST", path, EXAMPLES[path])
    ask_app(app, "POST", path, {})  # is no answer
    live._predictor = FakePredictor(version="fake-2")
    for _ in range(2):
        ask_app(app, "POST", path, EXAMPLES[path])

    numbers = scrape(app)

    counted = {name: n for name, n in numbers.items() if name.startswith("predictions_total")}
    assert counted == {f"predictions_total {path} fake-1": 1, f"predictions_total {path} fake-2": 2}


def test_the_ages_of_model_and_data_are_told():
    app = create_app(LiveStub(FakePredictor()))
    trained = datetime(2012, 10, 27, 12, tzinfo=UTC)

    before = datetime.now(UTC)
    numbers = scrape(app)
    after = datetime.now(UTC)

    age = numbers["model_age_seconds"]
    assert (before - trained).total_seconds() <= age <= (after - trained).total_seconds()
    known = datetime(2012, 10, 26, tzinfo=UTC)
    assert (before - known).days <= numbers["data_age_days"] <= (after - known).days
    assert numbers["ready"] == 1


def test_the_last_success_of_each_step_of_the_weekly_job_is_told(live: LiveStub, app):
    assert "last_success_timestamp_seconds monitor" not in scrape(app)
    six, seven = (datetime(2026, 11, 23, hour, tzinfo=UTC) for hour in (6, 7))
    live.watched.succeeded = {"forecast": six, "monitor": seven}

    numbers = scrape(app)

    assert numbers["last_success_timestamp_seconds forecast"] == 1795413600
    assert numbers["last_success_timestamp_seconds monitor"] == 1795413600 + 3600


def test_without_a_model_it_is_not_ready_and_nothing_has_an_age():
    numbers = scrape(create_app(LiveStub()))

    assert numbers["ready"] == 0
    assert "model_age_seconds" not in numbers
    assert "data_age_days" not in numbers


def test_while_the_database_does_not_answer_it_is_not_ready(live: LiveStub, app):
    live.failure = DatabaseError("The database sales.db does not answer.")

    assert scrape(app)["ready"] == 0


def test_a_database_that_keeps_silent_does_not_silence_the_metrics(live, app, monkeypatch):
    monkeypatch.setattr("sales_forecast.service.pulse._SECONDS_TO_ANSWER", 0.05)
    monkeypatch.setattr(live, "check", Pulse(threading.Event().wait).check)

    assert scrape(app)["ready"] == 0


def test_how_good_forecasts_were_is_told_by_how_far_ahead(live: LiveStub, app):
    one = Measures(90, 0.05, -0.02, 1000.0, 0.25, 0.79, 0.96, 0.04)
    far = replace(one, wape=0.07, skill=float("nan"), coverage_95=float("nan"))
    live.watched.realised = {1: one, 2: far, 8: far}

    numbers = scrape(app)

    expected = {
        "realised_wape_ratio 1": 0.05,
        "realised_wape_ratio 8": 0.07,
        "realised_bias_ratio 1": -0.02,
        "realised_bias_ratio 8": -0.02,
        "coverage_ratio 1 80": 0.79,
        "coverage_ratio 1 95": 0.96,
        "coverage_ratio 8 80": 0.79,
        "skill_ratio 1": 0.25,
    }
    assert expected == {name: value for name, value in numbers.items() if "_ratio" in name}


def test_where_no_usual_step_was_judged_the_nearest_is_told(live: LiveStub, app):
    live.watched.realised = {3: Measures(9, 0.05, 0.0, 1.0, 0.2, 0.8, 0.9, 0.0)}

    assert scrape(app)["realised_wape_ratio 3"] == 0.05


def test_while_nothing_is_judged_nothing_is_told_of_it(live: LiveStub, app):
    assert not [name for name in scrape(app) if "_ratio" in name]


def test_two_applications_in_one_process_count_for_themselves(live: LiveStub):
    first, second = create_app(live), create_app(live)

    ask_app(first, "GET", "/health")

    assert "requests_total GET /health 200" in scrape(first)
    assert "requests_total GET /health 200" not in scrape(second)


def test_metrics_want_the_key_as_everything_else(live: LiveStub):
    live.keys = ApiKeys(KEY)
    app = create_app(live)

    assert ask_app(app, "GET", "/metrics").status_code == 401
    assert ask_app(app, "GET", "/metrics", headers={"X-API-Key": KEY}).is_success

"""The headline contract: both endpoints, the error shape, the arithmetic, and no leak.

A small chain is loaded, trained and served for real, in a temporary folder; everything else
is tested beside the package, in `tests/`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from starlette.types import ASGIApp

from sales_forecast.bundles.writing import set_alias, write_bundle
from sales_forecast.data.database import Database
from sales_forecast.data.panel import Panel
from sales_forecast.data.rows import SalesRows
from sales_forecast.data.sample import sample_rows
from sales_forecast.evaluation import metrics
from sales_forecast.evaluation.backtest import backtest
from sales_forecast.evaluation.protocols import MANY_STEPS, ONE_STEP, RollingOrigin
from sales_forecast.models.catalogue import ALL_FORECASTERS
from sales_forecast.service.app import create_app
from sales_forecast.service.live import Live
from sales_forecast.settings import Settings
from sales_forecast.training.challenger import model_challenger
from tests.service.conftest import FORECAST, PREDICT, ask_app

STORES = (1, 2, 20)
ERROR_KEYS = {"code", "message", "fields"}


def small_chain() -> SalesRows:
    rows = sample_rows()
    kept = np.isin(rows.store, STORES)
    conditions = {name: values[kept] for name, values in rows.conditions.items()}
    return SalesRows(rows.store[kept], rows.week[kept], rows.sales[kept], conditions)


@pytest.fixture(scope="module")
def panel() -> Panel:
    return small_chain().to_panel()


@dataclass(frozen=True)
class Client:
    """Asks the application in this process."""

    app: ASGIApp

    def get(self, path: str) -> httpx.Response:
        return ask_app(self.app, "GET", path)

    def post(self, path: str, body: object) -> httpx.Response:
        return ask_app(self.app, "POST", path, body)


@pytest.fixture(scope="module")
def client(panel: Panel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder: Path = tmp_path_factory.mktemp("deployment")
    settings = Settings(
        database_url=f"sqlite:///{folder}/sales.db", model_uri=str(folder / "champion")
    )
    Database(settings.database_url).write(small_chain(), "unit tests")
    challenger = model_challenger(panel, "unit tests", {}, lambda _: None)
    set_alias(folder / "champion", write_bundle(folder / "bundles", challenger.sealed))
    with Live.from_settings(settings) as live:
        live.wait(30)
        yield Client(create_app(live))


def test_predict_sales_answers_the_mean_of_both_models(client):
    response = client.post("/predict_sales", PREDICT)
    assert 200 == response.status_code
    answer = response.json()
    assert {
        "prediction", "week_ending", "interval_80", "interval_95", "models", "model_version",
        "warnings",
    } == set(answer)  # fmt: skip
    mean = (answer["models"]["random_forest"] + answer["models"]["xgboost"]) / 2
    assert answer["prediction"] == pytest.approx(mean, abs=0.011)
    assert round(answer["prediction"], 2) == answer["prediction"]
    assert "2012-11-09" == answer["week_ending"]


def test_both_forms_of_a_date_mean_the_same_day_and_never_month_first(client):
    answers = [
        client.post("/predict_sales", {**PREDICT, "Date": day}).json()
        for day in ("03-11-2012", "2012-11-03")
    ]
    assert answers[0] == answers[1]
    assert "2012-11-09" == answers[0]["week_ending"]


def test_forecast_sales_answers_one_item_a_week_from_the_first_unknown_one(client):
    response = client.post("/forecast_sales", FORECAST)
    assert 200 == response.status_code
    weeks = response.json()
    assert ["2012-11-02", "2012-11-09", "2012-11-16", "2012-11-23", "2012-11-30"] == [
        week["Date"] for week in weeks
    ]
    assert all({"Date", "Sales", "lower", "upper"} == set(week) for week in weeks)
    assert "2012-10-26" == response.headers["X-Forecast-Origin"]
    model = client.get("/model").json()
    assert model["model_version"] == response.headers["X-Model-Version"]


def test_the_best_forecast_has_the_same_shape_and_names_its_model(client):
    response = client.post("/forecast_sales?model=best", FORECAST)
    assert 200 == response.status_code
    assert all({"Date", "Sales", "lower", "upper"} == set(week) for week in response.json())
    best = client.get("/model").json()["answered_by"]["best"]
    assert best == response.headers["X-Model"]


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("/predict_sales", {**PREDICT, "Store": 99}, 404, "Store"),
        ("/predict_sales", {**PREDICT, "Store": "1"}, 422, "Store"),
        ("/predict_sales", {**PREDICT, "Date": "31-02-2012"}, 422, "Date"),
        ("/predict_sales", {**PREDICT, "Date": "11/03/2012"}, 422, "Date"),
        ("/predict_sales", {**PREDICT, "Holiday_Flag": 2}, 422, "Holiday_Flag"),
        ("/predict_sales", {**PREDICT, "Temperature": None}, 422, "Temperature"),
        ("/predict_sales", {k: v for k, v in PREDICT.items() if k != "CPI"}, 422, "CPI"),
        ("/predict_sales", {**PREDICT, "Stor": 1}, 422, "Stor"),
        ("/forecast_sales", {**FORECAST, "store_id": 99}, 404, "store_id"),
        ("/forecast_sales", {**FORECAST, "steps": 0}, 422, "steps"),
        ("/forecast_sales", {**FORECAST, "steps": 53}, 422, "steps"),
        ("/forecast_sales", {"steps": 5}, 422, "store_id"),
        ("/forecast_sales?model=worst", FORECAST, 422, "model"),
    ],
)
def test_wrong_input_is_refused_in_the_one_shape_and_names_the_field(
    client, path, body, status, field
):
    response = client.post(path, body)
    assert status == response.status_code
    error = response.json()["error"]
    assert ERROR_KEYS == set(error)
    assert field in error["fields"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_is_none_is_refused(client, number):
    body = f'{{"Store": 1, "Date": "03-11-2012", "Holiday_Flag": 0, "Temperature": {number}, '
    body += '"Fuel_Price": 3.4, "CPI": 210, "Unemployment": 7}'
    response = client.post("/predict_sales", body.encode())
    assert 422 == response.status_code
    assert ["Temperature"] == list(response.json()["error"]["fields"])


def test_unknown_paths_and_oversized_bodies_have_the_same_shape(client):
    for response, status in (
        (client.get("/nowhere"), 404),
        (client.get("/predict_sales"), 405),
        (client.post("/predict_sales", b"x" * 1_000_001), 413),
        (client.post("/predict_sales", b"{not json"), 400),
    ):
        assert status == response.status_code
        assert ERROR_KEYS == set(response.json()["error"])


def test_the_service_is_alive_and_ready(client):
    assert 200 == client.get("/health").status_code
    assert 200 == client.get("/ready").status_code


def test_metrics_are_what_their_definitions_say():
    y, prediction = np.array([100.0, 200.0, 300.0]), np.array([110.0, 180.0, 300.0])
    holiday = np.array([0.0, 1.0, 0.0])
    assert metrics.mae(y, prediction) == pytest.approx(10)
    assert metrics.wmae(y, prediction, holiday) == pytest.approx((10 + 5 * 20) / 7)
    assert metrics.wape(y, prediction) == pytest.approx(30 / 600)
    assert metrics.rmse(y, prediction) == pytest.approx(np.sqrt(500 / 3))


def test_the_protocols_test_the_same_stretch_of_weeks(panel):
    cutoffs = ONE_STEP.cutoffs(panel), MANY_STEPS.cutoffs(panel)
    assert ["2012-01-27", "2012-10-19"] == [str(cutoffs[0][0]), str(cutoffs[0][-1])]
    assert ["2012-01-27", "2012-08-10"] == [str(cutoffs[1][0]), str(cutoffs[1][-1])]


def test_no_value_after_a_cutoff_moves_a_prediction_made_at_it(panel):
    split = RollingOrigin(horizon=2, windows=2, step=26)
    honest = backtest(panel, ALL_FORECASTERS, split)
    cutoff = split.cutoffs(panel)[0]
    later = panel.periods > cutoff
    rng = np.random.default_rng(0)
    changed = replace(
        panel,
        y=np.where(later, rng.uniform(1, 1e7, panel.y.shape), panel.y),
        conditions={
            name: np.where(later, rng.uniform(0, 1, panel.y.shape), values)
            for name, values in panel.conditions.items()
        },
    )
    perturbed = backtest(changed, ALL_FORECASTERS, split)
    names = [forecaster.name for forecaster in ALL_FORECASTERS]
    first = honest["cutoff"] == cutoff
    assert len(STORES) * 2 == first.sum()
    np.testing.assert_array_equal(honest.loc[first, names], perturbed.loc[first, names])
    # The same change does move what was predicted after it, but for last year's own week.
    moved = (honest.loc[~first, names] != perturbed.loc[~first, names]).any()
    assert {"seasonal_naive", "seasonal_average"} == set(moved.index[~moved])

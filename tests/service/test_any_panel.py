"""The same two questions of departments, of days and of articles, through the whole application."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from sales_forecast.bundles.bundle import Bundle, read_bundle
from sales_forecast.bundles.writing import write_bundle
from sales_forecast.data.files.daily import StoreDays
from sales_forecast.data.panel import Panel
from sales_forecast.data.spec import Covariate, Key, PanelSpec, StaticFeature, covariates
from sales_forecast.errors import BundleRefused
from sales_forecast.prediction.forecast import forecast
from sales_forecast.service.app import create_app
from sales_forecast.service.covariates import UsedCovariate
from sales_forecast.service.forms import forms_of
from sales_forecast.service.predictor import Predictor
from sales_forecast.training.challenger import model_challenger
from tests.builders import daily_folder, daily_panel, sample_panel
from tests.fakes import LiveStub
from tests.service.conftest import ask_app, error_of

DEPARTMENTS = PanelSpec(
    layout="departments",
    keys=(
        Key(column="Store", kind="number", field="store_id"),
        Key(column="Dept", kind="number", field="dept_id"),
    ),
    date="Date",
    target="Weekly_Sales",
    past=(
        Covariate(name="Holiday_Flag", column="IsHoliday"),
        *covariates(("Temperature", "Fuel_Price", "CPI", "Unemployment")),
    ),
    static=(
        StaticFeature(name="store", column="Store", kind="whole"),
        StaticFeature(name="department", column="Dept", kind="label", vocabulary=("3", "7")),
    ),
    pool="department",
    holiday="Holiday_Flag",
)
Ask = Callable[..., httpx.Response]


def departments() -> Panel:
    """Two departments of three stores: one began 20 weeks ago, one has no sales yet."""
    stores = sample_panel(3)
    rng = np.random.default_rng(0)
    both = [stores.y * share * np.exp(rng.normal(0, 0.03, stores.y.shape)) for share in (0.3, 0.7)]
    y = np.stack(both, axis=1).reshape(6, -1)
    y[3, :-20], y[5] = np.nan, np.nan
    store, department = np.repeat([1, 2, 3], 2), np.tile([3, 7], 3)
    return Panel(
        y=y,
        periods=stores.periods,
        series=tuple(f"{s}-{d}" for s, d in zip(store, department, strict=True)),
        conditions={name: np.repeat(of, 2, axis=0) for name, of in stores.conditions.items()},
        traits={"store": store, "department": department.astype(str)},
        pooled_by="department",
        keys={"Store": store, "Dept": department},
        spec=DEPARTMENTS,
    )


@cache
def trained() -> tuple[Panel, Any]:
    panel = departments()
    return panel, model_challenger(panel, "departments", {}, lambda _: None)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> tuple[Panel, Bundle]:
    panel, challenger = trained()
    folder = write_bundle(tmp_path_factory.mktemp("bundles"), challenger.sealed)
    return panel, read_bundle(folder)


@pytest.fixture(scope="module")
def ask(served: tuple[Panel, Bundle]) -> Ask:
    panel, bundle = served
    app = create_app(LiveStub(Predictor(bundle, panel)))
    return lambda *arguments, **options: ask_app(app, *arguments, **options)


WEEK = {"Store": 1, "Dept": 3, "Date": "2012-11-02", "IsHoliday": 0}


def test_a_department_is_asked_for_by_its_keys(ask: Ask, served: tuple[Panel, Bundle]) -> None:
    panel, bundle = served
    answer = ask("POST", "/predict_sales", WEEK).json()
    assert "2012-11-02" == answer["week_ending"]
    assert {"random_forest", "xgboost"} == set(answer["models"])
    expected = forecast(bundle.models, panel, 1)["rf_xgb_mean"].if_sold[0, 0]
    assert pytest.approx(expected, rel=1e-4) == answer["prediction"]


def test_what_is_left_out_is_told_with_where_it_came_from(ask: Ask) -> None:
    told = ask("POST", "/predict_sales", {**WEEK, "Temperature": 200.0}).json()
    sources = {name: of["source"] for name, of in told["covariates"].items()}
    assert {
        "IsHoliday": "supplied",
        "Temperature": "supplied",
        "Fuel_Price": "last known",
        "CPI": "last known",
        "Unemployment": "last known",
    } == sources
    assert 200.0 == told["covariates"]["Temperature"]["value"]
    assert any(text.startswith("Temperature 200 is outside") for text in told["warnings"])
    guessed = ask("POST", "/predict_sales", WEEK).json()["covariates"]["Temperature"]
    assert "same week last year" == guessed["source"]


def test_a_guess_says_what_it_is_of_a_young_series_and_where_nothing_is_known(
    served: tuple[Panel, Bundle],
) -> None:
    panel, bundle = served
    conditions = {**panel.conditions, "CPI": np.full(panel.y.shape, np.nan)}
    predictor = Predictor(bundle, replace(panel, conditions=conditions))
    day = panel.after(1)[0].item()
    old, young = (predictor.predict(of, day, [None] * 5).covariates for of in ((1, 3), (2, 7)))
    assert "same week last year" == old["Temperature"].source
    last = panel.conditions["Temperature"][panel.positions["2-7"], -1]
    assert UsedCovariate(last, "last known") == young["Temperature"]
    assert UsedCovariate(None, "not known") == old["CPI"]


def test_a_covariate_that_is_told_as_expected_changes_nothing(ask: Ask) -> None:
    answer = ask("POST", "/predict_sales", WEEK).json()
    told = {name: of["value"] for name, of in answer["covariates"].items()}
    again = ask("POST", "/predict_sales", {**WEEK, **told, "IsHoliday": 0}).json()
    assert answer["prediction"] == again["prediction"]


def test_departments_ahead_young_and_new_ones_too(ask: Ask, served: tuple[Panel, Bundle]) -> None:
    panel, bundle = served
    for row, (store, department) in enumerate([(1, 3), (1, 7), (2, 3), (2, 7), (3, 3), (3, 7)]):
        body = {"store_id": store, "dept_id": department, "steps": 4}
        response = ask("POST", "/forecast_sales", body)
        model = response.headers["X-Model"]
        expected = forecast({model: bundle.models[model]}, panel, 4)[model].if_sold[row]
        assert [round(value, 2) for value in expected.tolist()] == [
            item["Sales"] for item in response.json()
        ]
        assert ("X-Warnings" in response.headers) == (row in {3, 5})


def test_several_series_in_one_answer(ask: Ask) -> None:
    series = [{"store_id": 1, "dept_id": 3}, {"store_id": 3, "dept_id": 7}]
    answer = ask("POST", "/forecast_sales", {"series": series, "steps": 2}).json()
    alone = ask("POST", "/forecast_sales", {**series[0], "steps": 2}).json()
    assert series == [{name: of[name] for name in series[0]} for of in answer]
    assert alone == answer[0]["forecast"]
    assert [] == answer[0]["warnings"]
    assert answer[1]["warnings"]


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "says"),
    [
        ("/predict_sales", {**WEEK, "Dept": 4}, 404, "unknown_series",
         "Store 1, Dept 4 is not in the model. Known of Store 1: Dept 3, 7."),
        ("/predict_sales", {**WEEK, "Store": 9}, 404, "unknown_series",
         "Store 9, Dept 3 is not in the model. Known: Store 1-3."),
        ("/predict_sales", {"Store": 1, "Date": "2012-11-02"}, 422, "invalid_request",
         "Dept is required."),
        ("/predict_sales", {**WEEK, "IsHoliday": 2}, 422, "invalid_request", "IsHoliday must be"),
        ("/predict_sales", {**WEEK, "Promo": 1}, 422, "invalid_request", "Promo is not a field"),
        ("/forecast_sales", {"store_id": 1, "steps": 1}, 422, "invalid_request",
         "dept_id is required."),
        ("/forecast_sales", {"series": [{"store_id": 1}], "steps": 1}, 422, "invalid_request",
         "series.0.dept_id is required."),
        ("/forecast_sales", {"series": [], "steps": 1}, 422, "invalid_request",
         "series must have 1 to 100 items, not 0."),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_says_why(ask, path, body, status, code, says) -> None:  # noqa: PLR0917
    response = ask("POST", path, body)
    assert status == response.status_code
    error = error_of(response)
    assert code == error["code"]
    assert error["message"].startswith(says)


def test_the_same_may_stand_in_the_query(ask: Ask) -> None:
    asked = ask("POST", "/forecast_sales?store_id=1&dept_id=3")
    assert (
        asked.json()
        == ask("POST", "/forecast_sales", {"store_id": 1, "dept_id": 3, "steps": 3}).json()
    )
    assert 422 == ask("POST", "/forecast_sales?store_id=1").status_code
    assert 422 == ask("POST", "/forecast_sales?store_id=1&store_id=1&dept_id=3").status_code


def test_the_documentation_shows_the_fields_and_an_example_of_the_panel(ask: Ask) -> None:
    document = ask("GET", "/openapi.json").json()
    fields = document["components"]["schemas"]["PredictRequest"]
    assert ["Store", "Dept", "Date"] == fields["required"]
    assert fields["properties"]["Date"]["description"] == (
        "DD-MM-YYYY or YYYY-MM-DD. Any day stands for its week, which ends on a Friday."
    )
    sundays = forms_of(DEPARTMENTS, 6).predict.model_json_schema()["properties"]["Date"]
    assert sundays["description"].endswith("which ends on a Sunday.")
    bodies = {
        path: document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        for path in ("/predict_sales", "/forecast_sales")
    }
    for path, body in bodies.items():
        assert 200 == ask("POST", path, body["example"]).status_code


def test_a_bundle_of_another_panel_is_refused_with_both_named(
    served: tuple[Panel, Bundle],
) -> None:
    panel, bundle = served
    assert panel.spec is not None
    other = replace(panel, spec=panel.spec.model_copy(update={"target": "Units"}))
    with pytest.raises(BundleRefused, match="target Weekly_Sales against Units"):
        Predictor(bundle, other)


# Days


@pytest.fixture(scope="module")
def ask_days(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    folder = tmp_path_factory.mktemp("days")
    panel = StoreDays().panel(daily_folder(folder, daily_panel(4, 460, ahead=21)))
    challenger = model_challenger(panel, "days", {}, lambda _: None)
    bundle = read_bundle(write_bundle(Path(folder) / "bundles", challenger.sealed))
    app = create_app(LiveStub(Predictor(bundle, panel)))
    return lambda *arguments, **options: ask_app(app, *arguments, **options)


def test_days_ahead_honour_what_is_closed_by_plan(ask_days: Ask) -> None:
    days = ask_days("POST", "/forecast_sales", {"store_id": 1, "steps": 14}).json()
    assert "2014-04-06" == days[0]["Date"]
    sundays = [day for day in days if day["Date"] in {"2014-04-06", "2014-04-13"}]
    assert [0.0, 0.0] == [day["Sales"] for day in sundays]
    assert all(day["Sales"] > 0 for day in days if day not in sundays[:2])


def test_a_day_is_asked_for_and_answered_as_a_day(ask_days: Ask) -> None:
    answer = ask_days("POST", "/predict_sales", {"Store": 1, "Date": "2014-04-07"}).json()
    assert "2014-04-07" == answer["date"]
    assert {"Open", "Promo", "StateHoliday", "SchoolHoliday"} <= set(answer["covariates"])
    assert {"planned"} == {of["source"] for of in answer["covariates"].values()}


def test_a_plan_that_a_caller_knows_better_is_used(ask_days: Ask) -> None:
    body = {"Store": 1, "Date": "2014-04-07"}
    planned = ask_days("POST", "/predict_sales", body).json()
    other = 1 - planned["covariates"]["Promo"]["value"]
    supplied = ask_days("POST", "/predict_sales", {**body, "Promo": other}).json()
    assert {"value": other, "source": "supplied"} == supplied["covariates"]["Promo"]
    assert abs(supplied["prediction"] / planned["prediction"] - 1) > 0.1
    assert planned["warnings"] == supplied["warnings"]


def test_a_year_of_days_can_be_asked_for_and_the_end_of_the_plan_is_said(ask_days: Ask) -> None:
    within = ask_days("POST", "/forecast_sales", {"store_id": 1, "steps": 21})
    assert "X-Warnings" not in within.headers
    year = ask_days("POST", "/forecast_sales", {"store_id": 1, "steps": 365})
    assert 365 == len(year.json())
    assert "The plan ends with 2014-04-26" in year.headers["X-Warnings"]
    later = ask_days("POST", "/predict_sales", {"Store": 1, "Date": "2014-04-28"}).json()
    assert {"value": None, "source": "not known"} == later["covariates"]["Promo"]
    assert 422 == ask_days("POST", "/forecast_sales", {"store_id": 1, "steps": 366}).status_code
    beyond = ask_days("POST", "/predict_sales", {"Store": 1, "Date": "2015-04-07"}).json()
    assert "The day 2015-04-07 is 367 days after the last known one" in beyond["warnings"][0]

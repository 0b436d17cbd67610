"""A panel of one series without keys: what is asked of it names none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from pydantic import BaseModel
from starlette.types import ASGIApp

from sales_forecast.bundles.writing import write_bundle
from sales_forecast.data.database import Database
from sales_forecast.data.files.layouts import read_panel
from sales_forecast.data.frequency import DAILY, WEEKLY, Frequency
from sales_forecast.data.reserved import ANSWERED, RESERVED
from sales_forecast.data.spec import PanelSpec
from sales_forecast.service.app import create_app
from sales_forecast.service.forms import forms_of
from sales_forecast.service.live import Live
from sales_forecast.service.routes import ForecastQuery
from sales_forecast.service.schemas import SeriesForecast, StoredDay, StoredWeek
from sales_forecast.service.stored import stored_query
from sales_forecast.settings import Settings
from sales_forecast.training.challenger import baseline_challenger
from tests.builders import weeks
from tests.service.conftest import ask_app


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ASGIApp]:
    folder = tmp_path_factory.mktemp("deployment")
    (folder / "my.toml").write_text('date = "week"\ntarget = "sold"\nconditions = ["rain"]\n')
    rows = [f"{day},{100 + number},1" for number, day in enumerate(weeks("2021-01-01", 120))]
    (folder / "sales.csv").write_text("\n".join(["week,sold,rain", *rows]))
    panel = read_panel(folder / "sales.csv", str(folder / "my.toml"))
    bundle = write_bundle(folder, baseline_challenger(panel, "a file", {}, "").sealed)
    settings = Settings(database_url=f"sqlite:///{folder}/sales.db", model_uri=str(bundle))
    with closing(Database(settings.database_url)) as database:
        database.write(panel, "a file")
    with Live.from_settings(settings) as live:
        live.wait(60)
        yield create_app(live)


def test_it_is_forecast_by_a_body_by_a_query_and_by_nothing(app: ASGIApp) -> None:
    told = ask_app(app, "POST", "/forecast_sales", {"steps": 3})
    assert ["2023-04-21", "2023-04-28", "2023-05-05"] == [item["Date"] for item in told.json()]
    assert told.json() == ask_app(app, "POST", "/forecast_sales?steps=3").json()
    assert told.json() == ask_app(app, "POST", "/forecast_sales").json()


def test_it_is_predicted_without_a_key(app: ASGIApp) -> None:
    response = ask_app(app, "POST", "/predict_sales", {"week": "2023-04-20"})
    assert "2023-04-21" == response.json()["week_ending"]


def test_what_would_name_it_is_no_field(app: ASGIApp) -> None:
    response = ask_app(app, "POST", "/predict_sales", {"week": "2023-04-20", "shop": "a"})
    assert 422 == response.status_code
    assert "shop is not a field of this request (known: week, rain)." in response.text


@pytest.mark.parametrize("frequency", [WEEKLY, DAILY])
def test_whatever_requests_and_answers_are_told_by_is_no_name_of_a_key(
    frequency: Frequency,
) -> None:
    spec = PanelSpec(layout="my.toml", keys=(), date="d", target="y", frequency=frequency)
    forms = forms_of(spec)
    asked = (ForecastQuery, stored_query(spec), forms.forecast, forms.many)
    answered = (StoredDay if frequency == DAILY else StoredWeek, SeriesForecast)
    assert names(*asked) <= RESERVED
    assert names(*answered) <= RESERVED | ANSWERED


def names(*models: type[BaseModel]) -> set[str]:
    return {of.alias or name for model in models for name, of in model.model_fields.items()}

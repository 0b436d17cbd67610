"""GET /forecast: what was forecast before, of one series or of a sum, through the application."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import numpy as np
import pytest

from sales_forecast.bundles.bundle import Bundle, read_bundle
from sales_forecast.bundles.writing import write_bundle
from sales_forecast.data.database import Database
from sales_forecast.data.forecasts.issuing import ForecastTable
from sales_forecast.data.panel import Panel
from sales_forecast.evaluation.backtest import backtest
from sales_forecast.evaluation.protocols import RollingOrigin
from sales_forecast.evaluation.scoring import with_quantiles
from sales_forecast.models.naive import BASELINES, GROWTH
from sales_forecast.models.spread import tail
from sales_forecast.operations.batch import issues_of
from sales_forecast.service.app import create_app
from sales_forecast.service.live import Live
from sales_forecast.service.schemas import StoredDay, StoredWeek
from sales_forecast.settings import Settings
from sales_forecast.training.challenger import baseline_challenger
from tests.builders import panel_of_layout
from tests.fakes import FakeForecasts, FakePredictor, LiveStub
from tests.service.conftest import ask_app, error_of
from tests.two_keys import KEYS, panel

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WINDOWS = 40
FAR = ["Beyond 2 weeks ahead the interval is extrapolated: no backtest reached further."]
Ask = Callable[[str], httpx.Response]


class Deployment:
    """A database with sales, a bundle of the growth baseline, and the service of both."""

    def __init__(self, folder: Path, sales: Panel, windows: int = WINDOWS) -> None:
        self.sales = sales
        self.url = f"sqlite:///{folder}/sales.db"
        with closing(Database(self.url)) as database:
            database.write(sales, "panel")
        tables = {}
        if windows:
            table = backtest(sales, BASELINES, RollingOrigin(2, windows, 1))
            tables = {"many_steps": with_quantiles(table, sales)}
        sealed = baseline_challenger(sales, "panel", tables, "").sealed
        self.folder = write_bundle(folder, sealed)
        settings = Settings(database_url=self.url, model_uri=str(self.folder))
        self.live = Live.from_settings(settings)
        self.live.refresh()
        self.app = create_app(self.live)

    @property
    def bundle(self) -> Bundle:
        return read_bundle(self.folder)

    def issue(self, horizon: int = 4, at: datetime = NOW, sales: Panel | None = None) -> None:
        """Let the batch run, as if at another time or knowing other sales."""
        given = sales or self.sales
        with closing(ForecastTable(self.url)) as table:
            assert table.write(given, list(issues_of(self.bundle, given, horizon)), at).forecasts

    def ask(self, query: str) -> httpx.Response:
        return ask_app(self.app, "GET", f"/forecast{query}")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    deployment = Deployment(tmp_path_factory.mktemp("shared"), panel(120))
    early = deployment.sales.until(deployment.sales.periods[-2])
    deployment.issue(at=NOW - timedelta(days=7), sales=early)
    deployment.issue()
    return deployment


@pytest.fixture
def ask(shared: Deployment) -> Iterator[Ask]:
    return shared.ask


def week(shared: Deployment, step: int) -> str:
    return str(shared.sales.after(step)[-1])


def answer(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    return response.json()


def test_one_series_and_week_is_answered_as_it_was_issued(shared: Deployment, ask: Ask) -> None:
    (best, _) = issues_of(shared.bundle, shared.sales, 4)
    row = KEYS.index((10, "A"))
    at = {name: round(of[row, 1], 2) for name, of in best.quantiles.items()}
    lower, upper = at["lower_80"], at["upper_80"]
    assert lower < at["q50"] < upper
    found = answer(ask(f"?store_id=10&dept_id=A&week={week(shared, 2)}"))
    assert found == {
        "store_id": 10,
        "dept_id": "A",
        "week": week(shared, 2),
        "sales": round(best.mean[row, 1], 2),
        "planned": round(best.mean[row, 1], 2),
        "median": at["q50"],
        "lower": lower,
        "upper": upper,
        "level": 80,
        "origin": str(shared.sales.last),
        "model": GROWTH.name,
        "model_version": shared.bundle.version,
        "issued_at": "2026-03-01T12:00:00Z",
        "version": "3-0",
        "warnings": [],
    }
    StoredWeek.model_validate(found)
    wide = answer(ask(f"?store_id=10&dept_id=A&week={week(shared, 2)}&level=95"))
    assert [at["lower_95"], at["upper_95"]] == [wide["lower"], wide["upper"]]
    assert wide["lower"] < lower < upper < wide["upper"]


def test_any_day_stands_for_its_week_and_without_one_all_are_answered(
    shared: Deployment, ask: Ask
) -> None:
    whole = answer(ask("?store_id=1&dept_id=a"))
    assert [week(shared, step) for step in (1, 2, 3, 4)] == [of["week"] for of in whole]
    assert [[], [], FAR, FAR] == [of["warnings"] for of in whole]
    for days in range(7):
        day = shared.sales.after(2)[-1].item() - timedelta(days=days)
        for written in (str(day), f"{day:%d-%m-%Y}"):
            assert whole[1] == answer(ask(f"?store_id=1&dept_id=a&week={written}"))


def test_a_chain_is_the_sum_of_its_stores_and_these_of_their_departments_to_the_cent(
    ask: Ask,
) -> None:
    def cents(query: str) -> np.ndarray:
        items = answer(ask(query))
        assert all(item["median"] is None for item in items if "&" not in query)
        found = [round(item["sales"] * 100) for item in items]
        assert [value / 100 for value in found] == [item["sales"] for item in items]
        return np.array(found)

    stores = {store: cents(f"?store_id={store}") for store in (1, 2, 10)}
    np.testing.assert_array_equal(cents(""), sum(stores.values()))
    np.testing.assert_array_equal(cents(""), sum(cents(f"?dept_id={of}") for of in "aAb"))
    for store, sums in stores.items():
        of_store = sum(cents(f"?store_id={store}&dept_id={of}") for of in "aAb")
        np.testing.assert_array_equal(sums, of_store)


def test_a_sum_has_the_interval_that_was_measured_on_sums(shared: Deployment, ask: Ask) -> None:
    sums = shared.bundle.manifest.sums[GROWTH.name]
    for query, level, name in (("", "", "[]"), ("&store_id=2", "k1", '["2"]'),
                               ("&dept_id=b", "k2", '["b"]')):  # fmt: skip
        spread = sums[level].spread()
        width = spread.widths_of([name])
        for percent in (80, 95):
            for step in (1, 2, 4):
                found = answer(ask(f"?week={week(shared, step)}&level={percent}{query}"))
                both = (tail(percent), 1 - tail(percent))
                (factors,) = spread.factors(both, width, np.array([step]), np.ones(1))
                expected = factors * found["sales"]
                np.testing.assert_allclose([found["lower"], found["upper"]], expected, atol=0.01)
                assert found["lower"] < found["sales"] < found["upper"]
                assert found["warnings"] == (FAR if step > 2 else [])


def test_a_sum_of_which_too_little_was_measured_says_so(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, panel(120), windows=14)
    deployment.issue()
    chain, store = (answer(deployment.ask(query))[0] for query in ("", "?store_id=1"))
    assert (None, None) == (chain["lower"], chain["upper"])
    (said,) = chain["warnings"]
    assert "No interval: the backtest has fewer than 30 such sums, and 80% needs them." == said
    assert store["lower"] < store["sales"] < store["upper"]
    assert [] == store["warnings"]
    (wide, *_) = answer(deployment.ask("?level=95"))
    assert "fewer than 80 such sums" in wide["warnings"][0]


def test_the_newest_origin_that_knows_a_week_answers_as_of_a_day(
    shared: Deployment, ask: Ask
) -> None:
    early, late = str(shared.sales.periods[-2]), str(shared.sales.last)
    second = week(shared, 2)
    assert late == answer(ask(f"?week={second}"))["origin"]
    assert early == answer(ask(f"?week={second}&as_of=2026-02-28"))["origin"]
    assert late == answer(ask(f"?week={second}&as_of=01-03-2026"))["origin"]
    assert early == answer(ask(f"?week={late}"))["origin"]  # it knows more by now
    assert {early} == {of["origin"] for of in answer(ask("?as_of=2026-02-22"))}
    assert late == answer(ask(f"?week={second}&as_of=9999-12-31"))["origin"]
    response = ask("?as_of=2026-02-21")
    assert (404, "no_forecasts") == (response.status_code, error_of(response)["code"])
    assert "the first forecasts are of 2026-02-22" in error_of(response)["message"]


@pytest.mark.parametrize(
    ("query", "message", "fields"),
    [
        ("store_id=99", "Store 99 is not in the model. Known: Store 1-2, 10.", {"store_id": 99}),
        ("dept_id=c", "Dept c is not in the model. Known: Dept A, a, b.", {"dept_id": "c"}),
        (
            "store_id=2&dept_id=c",
            "Store 2, Dept c is not in the model. Known of Store 2: Dept A, a, b.",
            {"store_id": 2, "dept_id": "c"},
        ),
    ],
)
def test_what_is_not_known_is_404_with_what_is(
    ask: Ask, query: str, message: str, fields: dict[str, object]
) -> None:
    response = ask(f"?{query}")
    expected = {"code": "unknown_series", "message": message, "fields": fields}
    assert (404, expected) == (response.status_code, error_of(response))


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("week=2020-01-01", "week 2020-01-03 was not forecast: what was reaches from 2012-05-"),
        ("week=2012-02-30", "week must be a real day written DD-MM-YYYY or YYYY-MM-DD"),
        ("week=05/11/2012", "week must be a real day"),
        ("week=9999-12-31", "week 9999-12-31"),
        ("week=", "week must be a real day"),
        ("as_of=yesterday", "as_of must be a real day"),
        ("date=2012-06-01", "date is not a field of this query (known: store_id, dept_id, week, "),
        ("Store=1", "Store is not a field of this query"),
        ("store_id=1.0", 'store_id must be a whole number, not "1.0"'),
        ("store_id=", "store_id must be a whole number"),
        ("store_id=" + "9" * 5000, "store_id must be a whole number"),
        ("store_id=9999999999", "store_id must be less than 2147483648"),
        ("dept_id=", "dept_id "),
        ("level=90", "level must be '80' or '95'"),
        ("store_id=1&store_id=2", "Given more than once: store_id."),
    ],
)
def test_what_makes_no_sense_is_422_and_named(ask: Ask, query: str, message: str) -> None:
    response = ask(f"?{query}")
    assert response.status_code == 422
    found = error_of(response)
    assert found["message"].replace("Input should", "must").startswith(message), found
    assert "invalid_request" == found["code"]
    assert found["fields"]


def test_before_the_first_batch_the_command_is_named(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, panel(60), windows=0)
    for query in ("", "?store_id=1&week=2012-11-02"):
        response = deployment.ask(query)
        assert (404, "no_forecasts") == (response.status_code, error_of(response)["code"])
        assert "Run `python train.py forecast`." in error_of(response)["message"]


def test_the_warnings_of_a_series_are_told(tmp_path: Path) -> None:
    young = panel(120)
    young.y[0, :-3] = np.nan
    deployment = Deployment(tmp_path, young)
    deployment.issue()
    (first, *_) = answer(deployment.ask("?store_id=1&dept_id=a"))
    assert first["warnings"] == ["Only 3 weeks of its sales are known, too few to tell its season."]
    assert [] == answer(deployment.ask("?store_id=1&dept_id=b"))[0]["warnings"]


def test_weekly_stores_and_daily_ones_have_their_own_words(tmp_path: Path) -> None:
    stores, days = (panel_of_layout(layout, (tmp_path / layout)) for layout in made(tmp_path))
    weekly = Deployment(tmp_path / "stores", stores, windows=0)
    weekly.issue()
    response = weekly.ask("?store_id=99")
    assert (404, "unknown_store") == (response.status_code, error_of(response)["code"])
    assert "Store 99 is not in the model. Known stores: 1-3." == error_of(response)["message"]
    daily = Deployment(tmp_path / "daily", days, windows=0)
    daily.issue(90)
    day = str(daily.sales.after(3)[-1])
    found = answer(daily.ask(f"?store_id=1&date={day}"))
    assert day == found["date"]
    StoredDay.model_validate(found)
    response = daily.ask("?store_id=1&week=2013-01-01")
    assert "known: store_id, date, as_of, level" in error_of(response)["message"]
    outside = error_of(daily.ask("?date=2020-01-01"))["message"]
    assert f"from {daily.sales.after(1)[0]} to {daily.sales.after(90)[-1]}" in outside


def made(folder: Path) -> tuple[str, str]:
    for layout in ("stores", "daily"):
        (folder / layout).mkdir()
    return "stores", "daily"


def test_a_correction_is_answered_from_once_it_was_issued(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, panel(60), windows=0)
    deployment.issue()
    before = answer(deployment.ask(""))
    corrected = replace(deployment.sales, y=deployment.sales.y * 2)
    deployment.issue(at=NOW + timedelta(days=1), sales=corrected)
    assert before == answer(deployment.ask("?as_of=2026-03-01"))
    assert [pytest.approx(2 * of["sales"], abs=0.2) for of in before] == [
        of["sales"] for of in answer(deployment.ask(""))
    ]


def test_the_document_shows_the_keys_of_the_panel(shared: Deployment) -> None:
    document = ask_app(shared.app, "GET", "/openapi.json").json()
    parameters = document["paths"]["/forecast"]["get"]["parameters"]
    names = ["store_id", "dept_id", "week", "as_of", "level", "quantiles"]
    assert names == [of["name"] for of in parameters]
    assert "integer" == parameters[0]["schema"]["type"]
    assert "string" == parameters[1]["schema"]["type"]
    assert [1, "A"] == [of["example"] for of in parameters[:2]]


def test_a_database_that_fails_is_503_and_says_so(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, panel(60), windows=0)
    deployment.issue()
    with closing(sqlite3.connect(tmp_path / "sales.db")) as connection:
        connection.execute("DROP VIEW forecasts_newest")
        connection.execute("DROP TABLE forecasts")
    response = deployment.ask("")
    assert (503, "database_unavailable") == (response.status_code, error_of(response)["code"])


def test_a_database_that_is_slow_keeps_nobody_else_waiting() -> None:
    answered = Event()

    class Slow(FakeForecasts):
        def find(self, *asked: Any) -> Any:
            assert answered.wait(30)
            return super().find(*asked)

    live = LiveStub(FakePredictor())
    live.forecasts = Slow()
    transport = httpx.ASGITransport(create_app(live))

    async def both() -> list[int]:
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            slow = asyncio.create_task(client.get("/forecast?store_id=1"))
            await asyncio.sleep(0)
            quick = await client.get("/health")
            assert not slow.done()
            answered.set()
            return [quick.status_code, (await slow).status_code]

    assert [200, 200] == asyncio.run(both())


def test_a_number_of_thousands_of_digits_is_refused_by_both_endpoints() -> None:
    app = create_app(LiveStub(FakePredictor()))
    for method, path in (("GET", "/forecast"), ("POST", "/forecast_sales")):
        response = ask_app(app, method, f"{path}?store_id={'9' * 5000}")
        assert (422, {"store_id"}) == (response.status_code, set(error_of(response)["fields"]))


def test_deciles_of_a_series_are_those_of_the_table_and_of_a_sum_measured_on_sums(
    ask: Ask,
) -> None:
    every = ",".join(f"0.{tenths}" for tenths in range(1, 10))
    one = answer(ask(f"?store_id=10&dept_id=A&quantiles={every}"))[1]
    assert [one["lower"], one["median"], one["upper"]] == [
        one["quantiles"][of] for of in ("0.1", "0.5", "0.9")
    ]
    chain = answer(ask(f"?quantiles={every}"))[1]
    assert [chain["lower"], chain["sales"], chain["upper"]] == [
        chain["quantiles"][of] for of in ("0.1", "0.5", "0.9")
    ]
    for found in (one, chain):
        said = [*found["quantiles"].values()]
        assert said == sorted(said)


def test_other_quantiles_are_not_stored(ask: Ask) -> None:
    refused = ask("?quantiles=0.25")
    assert 422 == refused.status_code
    assert "some of 0.1, 0.2 .. 0.9" in refused.json()["error"]["message"]

"""What is kept of each answer, as it stands in the ledger's database."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sales_forecast.data.ledger.ledger import Ledger
from sales_forecast.data.ledger.store import LedgerStore
from sales_forecast.data.ledger.stored_predictions import StoredPredictions
from sales_forecast.data.ledger.tables import PREDICTION_KEYS, PREDICTIONS, key_hash
from sales_forecast.service.api_keys import ApiKeys, new_entry
from sales_forecast.service.app import create_app
from sales_forecast.service.covariates import UsedCovariate
from sales_forecast.service.json_route import Question
from sales_forecast.service.kept import Kept
from tests.fakes import FakePredictor, LiveStub
from tests.service.conftest import EXAMPLES, FORECAST, PREDICT, Ask, ask_app
from tests.service.test_prometheus import scrape

HEADER = "X-Prediction-ID"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(f"sqlite:///{tmp_path}/sales.predictions.db", tmp_path / "ledger")
    yield ledger
    ledger.close()


@pytest.fixture
def app(live: LiveStub, ledger: Ledger) -> Any:
    return create_app(live, ledger=ledger)


@pytest.fixture
def ask(app: Any) -> Ask:
    return lambda *arguments, **options: ask_app(app, *arguments, **options)


def rows(tmp_path: Path) -> Mapping[str, Mapping[str, Any]]:
    """The rows by their ids."""
    return {row["id"]: row for row in stored(tmp_path, PREDICTIONS)}


def stored(tmp_path: Path, table: sa.Table) -> Sequence[Mapping[str, Any]]:
    url = f"sqlite:///{tmp_path}/sales.predictions.db"
    with closing(LedgerStore(url)) as store, store.connection() as connection:
        return connection.execute(sa.select(table)).mappings().all()


@pytest.mark.parametrize("path", EXAMPLES)
def test_every_answer_names_its_row(ask: Ask, ledger: Ledger, tmp_path: Path, path: str) -> None:
    before = datetime.now(UTC).replace(tzinfo=None)
    answers = [ask("POST", path, EXAMPLES[path], headers={"X-Request-ID": "mine"}) for _ in "abc"]
    assert ledger.move()

    found = rows(tmp_path)

    assert [of.headers[HEADER] for of in answers] == sorted(found)
    for row in found.values():
        assert before <= row["answered_at"] <= datetime.now(UTC).replace(tzinfo=None)
        assert (row["request_id"], row["endpoint"], row["caller"]) == ("mine", path, None)
        assert (row["model_version"], row["origin"]) == ("fake-1", date(2012, 10, 26))
        assert (row["bundle_hash"], row["git_commit"]) == ("b" * 64, "c" * 40)
        assert (row["fingerprint"], row["corrects"]) == ("d" * 64, None)


def test_a_prediction_is_kept_with_what_was_told_and_both_intervals(
    ask: Ask, ledger: Ledger, tmp_path: Path
) -> None:
    ask("POST", "/predict_sales", {**PREDICT, "Temperature": 130.0})
    ledger.move()

    (row,) = rows(tmp_path).values()

    assert row["model"] == "trees"
    assert row["warnings"] == ["Temperature is above the range seen in training."]
    assert row["covariates"]["Temperature"] == {"value": 130.0, "source": "supplied"}
    assert set(row["covariates"]) == set(PREDICT) - {"Store", "Date"}
    quantiles = {"0.025": 910.0, "0.1": 950.0, "0.9": 1050.0, "0.975": 1090.0}
    of_week = {"step": 2, "target": "2012-11-09", "median": 1000.0, "mean": 1007.0}
    forecast = [of_week | {"quantiles": quantiles}]
    assert row["answer"] == [{"series": {"store_id": 1}, "forecast": forecast}]


def test_what_no_model_looks_at_is_kept_as_not_used(ledger: Ledger, tmp_path: Path) -> None:
    app = create_app(LiveStub(FakePredictor(baseline=True)), ledger=ledger)
    ask_app(app, "POST", "/predict_sales", PREDICT)
    ledger.move()

    (row,) = rows(tmp_path).values()

    assert {of["source"] for of in row["covariates"].values()} == {"not used"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ("arima", {"0.1": 1000.0, "0.9": 1002.0})),
        ("?model=best", ("pooled", {"0.1": 1010.0, "0.9": 1012.0})),
        ("?level=95", ("arima", {"0.025": 960.0, "0.975": 1042.0})),
        ("?quantiles=0.4", ("arima", {"0.1": 1000.0, "0.9": 1002.0, "0.4": 991.0})),
    ],
)
def test_a_forecast_is_kept_with_the_quantiles_that_were_asked_for(
    ask: Ask, ledger: Ledger, tmp_path: Path, query: str, expected: tuple[str, object]
) -> None:
    answer = ask("POST", f"/forecast_sales{query}", FORECAST)
    ledger.move()

    (row,) = rows(tmp_path).values()
    (of,) = row["answer"]
    model, quantiles = expected

    assert (row["model"], row["covariates"]) == (model, {})
    assert [each["median"] for each in of["forecast"]] == [each["Sales"] for each in answer.json()]
    assert [each["step"] for each in of["forecast"]] == [1, 2, 3, 4, 5]
    first = of["forecast"][0]
    assert first["quantiles"] == pytest.approx(quantiles)
    assert (first["target"], first["mean"]) == ("2012-11-02", first["median"] + 7)


def test_a_row_holds_what_was_answered_whatever_was_asked_before(
    live: LiveStub, app: Any, ledger: Ledger, tmp_path: Path
) -> None:
    later = FakePredictor(origin=date(2012, 11, 2))
    given = {}
    for live._predictor in (FakePredictor(), later, FakePredictor()):
        for query in ("", "?model=best", "?level=95", "?quantiles=0.4", "?quantiles=0.4,0.1"):
            for store, steps in ((1, 2), (2, 2), (1, 3), (1, 2)):
                body = {"store_id": store, "steps": steps}
                answer = ask_app(app, "POST", f"/forecast_sales{query}", body)
                given[answer.headers[HEADER]] = store, answer.json()
    ledger.move()

    for name, row in rows(tmp_path).items():
        store, expected = given.pop(name)
        (of,) = row["answer"]
        assert of["series"] == {"store_id": store}
        for kept, item in zip(of["forecast"], expected, strict=True):
            ends = ("0.025", "0.975") if "0.025" in kept["quantiles"] else ("0.1", "0.9")
            both = dict(zip(ends, (item["lower"], item["upper"]), strict=True))
            assert (kept["target"], kept["median"]) == (item["Date"], item["Sales"])
            assert kept["quantiles"] == both | item.get("quantiles", {})
    assert not given


def test_several_series_are_one_row_that_each_of_them_finds(
    ask: Ask, ledger: Ledger, tmp_path: Path
) -> None:
    series = [{"store_id": 2}, {"store_id": 1}, {"store_id": 2}]
    answer = ask("POST", "/forecast_sales", {"series": series, "steps": 2})
    ledger.move()

    (row,) = rows(tmp_path).values()

    assert [of["series"] for of in row["answer"]] == series
    assert [len(of["forecast"]) for of in row["answer"]] == [2, 2, 2]
    assert [of["warnings"] for of in row["answer"]] == [[], [], []]
    name = answer.headers[HEADER]
    found = [tuple(of.values()) for of in stored(tmp_path, PREDICTION_KEYS)]
    assert set(found) == {(key_hash({"store_id": n}), name) for n in (1, 2)}


def test_a_caller_finds_its_own_answers_about_a_series_and_no_others(
    ledger: Ledger, tmp_path: Path
) -> None:
    names = ("ana", "ben")
    entries = [new_entry(name, "viewer") for name in names]
    (tmp_path / "keys.toml").write_text("".join(lines for _, lines in entries))
    live = LiveStub(FakePredictor(), keys=ApiKeys("of the admin", tmp_path / "keys.toml"))
    live.predictions = StoredPredictions(f"sqlite:///{tmp_path}/sales.db")
    app = create_app(live, ledger=ledger)
    headers = {name: {"X-API-Key": key} for name, (key, _) in zip(names, entries, strict=True)}
    given = {
        name: [
            ask_app(app, "POST", path, body, headers=headers[name]).headers[HEADER]
            for path, body in EXAMPLES.items()
        ]
        for name in names
    }
    ledger.move()

    def shown(name: str, store: int) -> list[str]:
        response = ask_app(app, "GET", f"/predictions?store_id={store}", headers=headers[name])
        return [of["id"] for of in response.json()["items"]]

    assert {name: shown(name, 1) for name in names} == {
        name: of[::-1] for name, of in given.items()
    }
    assert [shown(name, 2) for name in names] == [[], []]


def test_names_that_are_no_plain_text_are_kept_as_they_are(ledger: Ledger, tmp_path: Path) -> None:
    """Signs that mean something to JSON, to a form that is filled, or to neither."""
    odd = 'None %s %% "ü" \\ {0}'
    used = {odd: UsedCovariate(None, odd), "100%": UsedCovariate(1e-9, "supplied")}
    answer = FakePredictor().predict((1,), date(2012, 11, 2), (None, 0.0))
    answer = answer._replace(covariates=used, warnings=(odd,), interval_95=None)
    question = Question(b"", [], "/predict_sales", b"mine", odd)

    Kept(ledger).predicted(question, FakePredictor(), (odd,), (), answer)
    ledger.move()

    (row,) = rows(tmp_path).values()
    (of,) = row["answer"]
    assert row["covariates"] == {name: asdict(of) for name, of in used.items()}
    assert (row["caller"], row["warnings"]) == (odd, [odd])
    assert of["series"] == {"store_id": odd}
    assert of["forecast"][0]["quantiles"] == {"0.025": None, "0.1": 950, "0.9": 1050, "0.975": None}


def test_what_is_refused_is_no_answer(ask: Ask, ledger: Ledger, tmp_path: Path) -> None:
    refused = [
        ask("POST", "/predict_sales", {}),
        ask("POST", "/predict_sales", {**PREDICT, "Store": 99}),
        ask("POST", "/forecast_sales", {"store_id": 1, "steps": 0}),
        ask("POST", "/forecast_sales?level=7", FORECAST),
        ask("GET", "/predict_sales"),
    ]
    ledger.move()

    assert not any(of.is_success or HEADER in of.headers for of in refused)
    assert not (tmp_path / "sales.predictions.db").exists()


def test_without_a_ledger_nothing_is_kept_or_named(live: LiveStub) -> None:
    app = create_app(live)

    assert all(HEADER not in ask_app(app, "POST", *of).headers for of in EXAMPLES.items())


def test_answers_go_on_where_nothing_can_be_written_and_it_is_said_once(
    live: LiveStub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    with closing(Ledger(f"sqlite:///{tmp_path}/p.db", tmp_path / "file" / "ledger")) as ledger:
        app = create_app(live, ledger=ledger)
        with caplog.at_level(logging.WARNING):
            answers = [ask_app(app, "POST", *of) for of in [*EXAMPLES.items()] * 2]

        assert all(of.is_success and HEADER in of.headers for of in answers)
        assert scrape(app)["ledger_rows_total lost"] == 4
        assert scrape(app)["ledger_rows_total written"] == 0
    (said,) = caplog.messages
    assert said.startswith(f"Answers are not kept: {tmp_path}/file/ledger: Not a directory.")


def test_rows_are_counted_as_they_come_and_go(app: Any, ask: Ask, ledger: Ledger) -> None:
    for _ in range(3):
        ask("POST", "/forecast_sales", FORECAST)
    before = scrape(app)
    ledger.move()
    after = scrape(app)

    counted = [
        {name: of[f"ledger_rows_total {name}"] for name in ("written", "moved", "lost", "torn")}
        for of in (before, after)
    ]
    assert counted == [
        {"written": 3, "moved": 0, "lost": 0, "torn": 0},
        {"written": 3, "moved": 3, "lost": 0, "torn": 0},
    ]


def test_the_documentation_shows_the_header_of_both_questions(ask: Ask) -> None:
    paths = ask("GET", "/openapi.json").json()["paths"]

    for path in EXAMPLES:
        assert HEADER in paths[path]["post"]["responses"]["200"]["headers"]

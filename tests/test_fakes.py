"""The stand-ins do what they say, so that a failing test points at the service."""

from __future__ import annotations

import asyncio
from datetime import date
from threading import Event

import pytest

from sales_forecast.errors import BundleRefused, DatabaseError, NotReady, UnknownStore
from tests.fakes import FakeDatabase, FakeModel, FakePredictor, LiveStub, build_fake

DAY = date(2012, 11, 3)


def test_the_predictor_answers_by_its_formulas():
    fake = FakePredictor()

    answer = fake.predict((3,), DAY, [0, 70, 3, 200, 5])

    assert sum(answer.models.values()) / 2 == answer.prediction == 3000.0
    assert [week.sales for week in fake.forecast((3,), 2)] == [3001.0, 3002.0]
    assert [week.sales for week in fake.forecast((3,), 2, "best")] == [3011.0, 3012.0]
    assert [week.period for week in fake.forecast((3,), 2)] == [
        date(2012, 11, 2),
        date(2012, 11, 9),
    ]


def test_the_predictor_names_an_unknown_store_as_each_endpoint_does():
    with pytest.raises(UnknownStore) as predicting:
        FakePredictor().predict((46,), DAY, [0, 70, 3, 200, 5])
    with pytest.raises(UnknownStore) as forecasting:
        FakePredictor().forecast((0,), 1)

    assert predicting.value.fields == {"Store": 46}
    assert forecasting.value.fields == {"store_id": 0}


def test_the_database_has_another_version_for_another_history():
    database = FakeDatabase("a")
    before = database.version()

    database.history = "b"

    assert database.version() != before
    assert database.read_panel() == "b"


def test_the_database_can_be_empty_or_fail():
    with pytest.raises(NotReady):
        FakeDatabase(None).read_panel()

    broken = FakeDatabase()
    broken.failure = DatabaseError("down")
    for method in (broken.version, broken.read_panel):
        with pytest.raises(DatabaseError):
            method()


def test_a_published_version_is_what_is_built(tmp_path):
    model = FakeModel(tmp_path / "bundle")
    model.publish("v1")

    assert build_fake(model.find(Event()), "panel").version == "v1 on panel"

    model.publish("bad")
    with pytest.raises(BundleRefused):
        build_fake(model.find(Event()), "panel")


def test_the_stub_serves_one_predictor_or_none():
    predictor = FakePredictor()

    assert LiveStub(predictor).predictor is predictor
    with pytest.raises(NotReady):
        asyncio.run(LiveStub().check())

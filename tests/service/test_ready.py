"""`/ready` tells the truth about the database, soon, and no names to those who have no key."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from sales_forecast.data import schema
from sales_forecast.data.admission import SAMPLE
from sales_forecast.data.database import Database
from sales_forecast.data.database_server import BRING_UP_TO_DATE
from sales_forecast.data.sample import sample_rows
from sales_forecast.errors import DatabaseError, NotReady, SalesForecastError
from sales_forecast.service.api_keys import ApiKeys
from sales_forecast.service.app import create_app
from sales_forecast.service.live import Live
from tests.fakes import FakePredictor, LiveStub, live_fake
from tests.service.conftest import ask_app, error_of
from tests.service.deployment import Deployment
from tests.service.test_server import eventually, url_in
from tests.service.way import Way
from tests.silent import silent_server

# What a database answers, or does not


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("loaded") / "sales.db"
    with closing(Database(f"sqlite:///{file}")) as database:
        database.write(sample_rows(), SAMPLE)
    return file


@pytest.fixture
def file(loaded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(loaded, tmp_path / "sales.db"))


@pytest.fixture
def served(file: Path, tmp_path: Path) -> Iterator[Live]:
    with closing(Database(f"sqlite:///{file}")) as database:
        live = live_fake(tmp_path / "bundle", database=database)
        live.refresh()
        yield live


def check(live: Live) -> None:
    asyncio.run(live.check())


def drop_loads(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("DROP TABLE loads")


def overwrite(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.seek(100)
        opened.write(bytes(range(256)) * 80)


def become_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "deleted": Path.unlink,
    "emptied": lambda file: os.truncate(file, 0),
    "cut short": lambda file: os.truncate(file, 5000),
    "overwritten in part": overwrite,
    "of another program": lambda file: file.write_bytes(b"not a database at all" * 1000),
    "a folder": become_a_folder,
    "without a table": drop_loads,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_file_that_is_no_more_what_it_was_is_not_ready_and_not_made_anew(
    served: Live, file: Path, loaded: Path, damage: Callable[[Path], object]
) -> None:
    check(served)
    damage(file)
    before = file.stat().st_size if file.exists() else None

    with pytest.raises((DatabaseError, NotReady)):
        check(served)
    served.refresh()
    served.watched.read(None)
    assert before == (file.stat().st_size if file.exists() else None)
    assert served.problem is not None
    assert served.predictor is not None

    shutil.rmtree(file) if file.is_dir() else file.unlink(missing_ok=True)
    shutil.copy(loaded, file)
    served.refresh()
    check(served)
    assert served.problem is None


def test_a_service_before_the_upgrade_of_its_tables_is_ready_and_names_the_command(
    served: Live, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for revision, said in (("v0_6_quantiles", True), (schema.NEWEST, False)):
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        served.refresh()
        served.refresh()
        body = ask_app(create_app(served), "GET", "/ready").json()
        assert "ready" == body["status"]
        assert said is body.get("warning", "").endswith(BRING_UP_TO_DATE)
    assert 1 == caplog.text.count(BRING_UP_TO_DATE)


@pytest.mark.parametrize("scheme", ["mysql+pymysql", "postgresql+psycopg"])
def test_ten_who_ask_of_a_silent_database_are_answered_by_one_question(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sales_forecast.service.pulse._SECONDS_TO_ANSWER", 0.3)

    async def ten(live: Live) -> list[object]:
        return await asyncio.gather(*(live.check() for _ in range(10)), return_exceptions=True)

    with silent_server() as (port, taken):
        database = Database(f"{scheme}://anna:s3cret@127.0.0.1:{port}/sales")
        live = live_fake(tmp_path / "bundle", database=database)
        live._predictor = FakePredictor()
        found = asyncio.run(ten(live))

        assert [DatabaseError] * 10 == [type(one) for one in found]
        assert "The database has been silent for 0 s." == found[0].message
        assert 1 == len(taken)


@pytest.mark.parametrize("url", ["mysql", "postgresql"], indirect=True)
def test_a_database_that_stands_still_is_told_soon_and_holds_no_stop_up(
    url: str, tmp_path: Path
) -> None:
    way = Way(url)
    deployment = Deployment(tmp_path, url)
    deployment.load()
    deployment.publish("the growth baseline")
    with (
        closing(way),
        closing(deployment.database),
        deployment.served(DATABASE_URL=way.url, REFRESH_SECONDS="0.2") as (process, first),
        httpx.Client(base_url=url_in(first), timeout=10) as client,
    ):
        eventually(lambda: client.get("/ready").status_code == 200)

        def ask(_: int) -> tuple[int, float]:
            begun = time.monotonic()
            return client.get("/ready").status_code, time.monotonic() - begun

        with way.stalled(), ThreadPoolExecutor(10) as callers:
            found = list(callers.map(ask, range(10)))
        assert {503} == {status for status, _ in found}
        assert max(seconds for _, seconds in found) < 4  # two, and a busy machine

        eventually(lambda: client.get("/ready").status_code == 200)

        with way.stalled():
            assert 503 == client.get("/ready").status_code
            begun = time.monotonic()
            process.terminate()
            assert 0 == process.wait(20)
        assert time.monotonic() - begun < 8  # drivers wait for ten


# Who is told names

PLACE = "mysql+pymysql://forecast@db.internal/sales"
FAILURE = DatabaseError(
    f"The database {PLACE} does not answer as it should: Access denied for user 'forecast'.",
    {"database": PLACE},
    public="The database does not answer as it should; the log of the service says why.",
)
FAR = {"X-Forwarded-For": "203.0.113.9"}


def said(live: LiveStub, headers: dict[str, str]) -> str:
    response = ask_app(create_app(live), "GET", "/ready", headers=headers)
    assert 503 == response.status_code
    error = error_of(response)
    assert ("database" in error["fields"]) == ("db.internal" in error["message"])
    return error["message"]


def failing(keys: ApiKeys | None = None) -> LiveStub:
    live = LiveStub(FakePredictor(), keys=keys)
    live.failure = FAILURE
    return live


def test_names_of_hosts_and_users_are_for_those_with_a_key() -> None:
    live = failing(ApiKeys("a long and secret key"))

    assert FAILURE.public == said(live, {})
    assert FAILURE.public == said(live, {"X-API-Key": "another"})
    assert FAILURE.message == said(live, {"X-API-Key": "a long and secret key"})


def test_without_keys_they_are_for_those_on_the_machine_of_the_service() -> None:
    assert FAILURE.message == said(failing(), {})
    assert FAILURE.public == said(failing(), FAR)


def test_why_something_newer_is_not_served_names_them_no_more_than_that() -> None:
    live = LiveStub(FakePredictor())
    live.problem = FAILURE
    for path in ("/ready", "/model"):
        for headers, words in (({}, FAILURE.message), (FAR, FAILURE.public)):
            response = ask_app(create_app(live), "GET", path, headers=headers)
            assert words == response.json()["refused"]


def test_what_a_database_fails_with_has_words_without_its_names(tmp_path: Path) -> None:
    def public(url: str, ask: Callable[[Database], object]) -> str:
        with closing(Database(url)) as database, pytest.raises(SalesForecastError) as failed:
            ask(database)
        assert "sales" in failed.value.message
        return failed.value.public

    with silent_server() as (port, taken):
        for of in taken:
            of.close()
        closed = port
    found = [
        public(f"mysql+pymysql://anna@127.0.0.1:{closed}/sales", Database.version),
        public(f"postgresql+psycopg://anna@127.0.0.1:{closed}/sales", Database.version),
        public(f"sqlite:///{tmp_path}/sales.db", Database.read_panel),
    ]
    assert not [said for said in found if "anna" in said or "127" in said or "sales.db" in said]
    assert "holds no sales yet. Load sales first" in found[2]

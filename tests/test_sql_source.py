"""Sales come out of any database by a query, and are judged like those of a file."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Timer

import numpy as np
import pytest
import sqlalchemy as sa

import database_loader
from sales_forecast.data import database_address
from sales_forecast.data.connectors.sql import answered
from sales_forecast.data.database import Database
from sales_forecast.errors import DataRefused, SettingsError
from tests.builders import sample_panel
from tests.service.way import Way

QUERY = """
SELECT shop AS "Store", day AS "Date", sold AS "Weekly_Sales", flag AS "Holiday_Flag",
       t AS "Temperature", f AS "Fuel_Price", c AS "CPI", u AS "Unemployment"
FROM warehouse_sales WHERE note NOT LIKE '%:draft%' ORDER BY shop, day
"""
SALES = sa.Table(
    "warehouse_sales",
    sa.MetaData(),
    sa.Column("shop", sa.Integer),
    sa.Column("day", sa.DateTime),
    sa.Column("sold", sa.Numeric(14, 2)),
    *(sa.Column(name, sa.Double) for name in "tfcu"),
    sa.Column("flag", sa.Boolean),
    sa.Column("note", sa.String(20)),
)


def urls() -> list[object]:
    return [
        pytest.param("", id="sqlite"),
        *(
            pytest.param(
                os.environ.get(name, ""),
                id=name,
                marks=pytest.mark.skipif(name not in os.environ, reason=f"{name} is not set"),
            )
            for name in ("TEST_MYSQL_URL", "TEST_POSTGRES_URL")
        ),
    ]


@pytest.fixture(params=urls())
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database that somebody else fills; it is named by its URL."""
    url = request.param or f"sqlite:///{tmp_path}/warehouse.db"
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    panel = sample_panel(2, n_weeks=3)
    SALES.drop(engine, checkfirst=True)
    SALES.create(engine)
    others = [*panel.conditions.values()][1:]
    rows = [
        {
            "shop": int(store),
            "day": panel.periods[week].item(),
            "sold": panel.y[row, week],
            **dict(zip("tfcu", (of[row, week] for of in others), strict=True)),
            "flag": bool(panel.holidays[row, week]),
            "note": "",
        }
        for row, store in enumerate(panel.series)
        for week in range(3)
    ]
    with engine.begin() as connection:
        connection.execute(SALES.insert(), [*rows, {**rows[0], "note": "a :draft"}])
    yield url
    SALES.drop(engine)
    engine.dispose()


def written(folder: Path, query: str) -> str:
    file = folder / "sales.sql"
    file.write_text(query)
    return str(file)


def for_dialect(url: str, query: str) -> str:
    return query.replace('"', "`") if url.startswith("mysql") else query


@pytest.fixture
def load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str, str], tuple[int, str]]:
    def load(url: str, query: str) -> tuple[int, str]:
        monkeypatch.setenv("SOURCE_DATABASE_URL", url)
        monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/ours.db")
        code = database_loader.main(["--csv", written(tmp_path, for_dialect(url, query))])
        said = capsys.readouterr()
        return code, said.out + said.err

    return load


def test_the_rows_of_a_query_are_stored_as_those_of_a_file(
    warehouse: str, load: Callable[[str, str], tuple[int, str]], tmp_path: Path
) -> None:
    code, said = load(warehouse, QUERY)
    assert 0 == code, said
    assert "inserted 6, corrected 0, unchanged 0" in said
    with closing(Database(f"sqlite:///{tmp_path}/ours.db")) as database:
        stored = database.read_panel()
    expected = sample_panel(2, n_weeks=3)
    np.testing.assert_allclose(stored.y, expected.y, atol=0.005)
    for name, values in expected.conditions.items():
        np.testing.assert_allclose(stored.conditions[name], values, rtol=1e-6)


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("SELECT * FROM nowhere", "the database of SOURCE_DATABASE_URL refuses it: "),
        ("DELETE FROM warehouse_sales", "refuses it: "),
        (
            QUERY.replace("sold AS", "'much' AS"),
            "sales.sql, line 2, column Weekly_Sales: 'much' is not a number",
        ),
        (QUERY.replace("note NOT", "1 = 0 AND note NOT"), "no rows"),
    ],
)
def test_what_gives_no_sales_is_refused_and_nothing_is_written_there(
    warehouse: str, load: Callable[[str, str], tuple[int, str]], query: str, problem: str
) -> None:
    code, said = load(warehouse, query)
    assert 1 == code
    assert problem in said
    assert "Traceback" not in said
    engine = sa.create_engine(warehouse)
    with engine.connect() as connection:
        assert 7 == connection.scalar(sa.select(sa.func.count()).select_from(SALES))
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        (None, "set SOURCE_DATABASE_URL to the URL of the database"),
        ("mydb", "SOURCE_DATABASE_URL is no URL of a database; it is ..."),
        ("nosuch://me:secret@host/x", "needs a driver that is not installed"),
    ],
)
def test_a_database_that_cannot_be_asked_is_a_matter_of_settings(
    tmp_path: Path, url: str | None, problem: str
) -> None:
    with (
        pytest.raises(SettingsError) as refused,
        answered(written(tmp_path, "SELECT 1"), url),
    ):
        pass
    assert problem in refused.value.message
    assert "secret" not in refused.value.message


# SQLAlchemy closes no cursor of a connection that broke.
@pytest.mark.filterwarnings("ignore:.*deleted while still open:ResourceWarning")
@pytest.mark.skipif("TEST_POSTGRES_URL" not in os.environ, reason="TEST_POSTGRES_URL is not set")
def test_a_warehouse_that_stands_still_is_given_up_and_one_that_works_for_long_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sales_forecast.data.postgres_silence._SECONDS", 0.3)
    monkeypatch.setitem(database_address.CONNECT["postgresql+psycopg"], "connect_timeout", 2)
    with closing(Way(os.environ["TEST_POSTGRES_URL"])) as way:
        works = written(tmp_path, "SELECT 1 AS a FROM pg_sleep(1.5)")
        with answered(works, way.url) as path:
            assert "a\n1\n" == Path(path).read_text()
        endless = written(tmp_path, "SELECT 1 FROM generate_series(1, 9), pg_sleep(30)")
        with ExitStack() as until_here:
            begun = Timer(1.0, lambda: until_here.enter_context(way.stalled()))
            begun.start()
            with (
                pytest.raises(DataRefused, match="silent, to whoever else asks"),
                answered(endless, way.url),
            ):
                pass
            begun.join()
        gc.collect()


def test_a_query_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(DataRefused, match="cannot be read: No such file"),
        answered("no.sql", "sqlite://"),
    ):
        pass
    with answered("my.csv", None) as path:
        assert "my.csv" == path

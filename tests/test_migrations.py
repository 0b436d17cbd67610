"""Databases of release 0.5: read as they are, brought up to date by loader and training alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

import database_loader
from sales_forecast.data import schema, star
from sales_forecast.data.admission import SAMPLE
from sales_forecast.data.database import Database, LoadReport
from sales_forecast.data.forecasts.stored_forecasts import StoredForecasts
from sales_forecast.data.monitor_steps import MonitorSteps
from sales_forecast.data.panel import Panel
from sales_forecast.data.rows import STORES, SalesRows
from sales_forecast.data.sample import sample_rows
from sales_forecast.data.spec import PanelSpec
from sales_forecast.errors import DatabaseError, NotReady
from tests.builders import panel_of_layout, sample_panel
from tests.killed import stopped_after

TABLES = {
    "weekly_sales": """CREATE TABLE weekly_sales (store INTEGER NOT NULL, week DATE NOT NULL,
        sales {double} NOT NULL, holiday_flag {double} NOT NULL, temperature {double} NOT NULL,
        fuel_price {double} NOT NULL, cpi {double} NOT NULL, unemployment {double} NOT NULL,
        PRIMARY KEY (store, week))""",
    "loads": """CREATE TABLE loads (id BIGINT NOT NULL, loaded_at {time} NOT NULL,
        source TEXT NOT NULL, inserted INTEGER NOT NULL, corrected INTEGER NOT NULL,
        PRIMARY KEY (id))""",
    "forecasts": """CREATE TABLE forecasts (origin DATE NOT NULL, store INTEGER NOT NULL,
        week DATE NOT NULL, sales {double} NOT NULL, lower_80 {double}, upper_80 {double},
        lower_95 {double}, upper_95 {double}, model VARCHAR(64) NOT NULL,
        model_version VARCHAR(64) NOT NULL, warnings TEXT NOT NULL,
        PRIMARY KEY (origin, store, week))""",
}
WORDS: Mapping[str, Mapping[str, str]] = {
    "sqlite": {"double": "DOUBLE", "time": "DATETIME"},
    "mysql": {"double": "DOUBLE", "time": "DATETIME"},
    "postgresql": {"double": "DOUBLE PRECISION", "time": "TIMESTAMP WITH TIME ZONE"},
}
VIEWS = {"weekly_sales", "vw_sales_analytics", "forecasts_newest", "scores_newest"}
MIGRATIONS = str(Path(schema.__file__).with_name("migrations"))
COLUMNS = ("sales", "holiday_flag", "temperature", "fuel_price", "cpi", "unemployment")


@contextmanager
def connected(url: str) -> Iterator[sa.Connection]:
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        yield connection


def make_v05(url: str, panel: Panel, source: str = "a.csv") -> None:
    """Write what release 0.5 would have, by the statements of its tables."""
    with connected(url) as connection:
        for table in TABLES.values():
            connection.exec_driver_sql(table.format(**WORDS[connection.dialect.name]))
        names = ("store", "week", *COLUMNS)
        insert = f"INSERT INTO weekly_sales ({', '.join(names)}) VALUES (:{', :'.join(names)})"  # noqa: S608
        tables = (panel.y, *panel.conditions.values())
        rows = [
            {"store": int(store), "week": str(week)}
            | {name: float(of[s, w]) for name, of in zip(COLUMNS, tables, strict=True)}
            for s, store in enumerate(panel.series)
            for w, week in enumerate(panel.periods)
        ]
        connection.execute(sa.text(insert), rows)
        connection.execute(
            sa.text("INSERT INTO loads VALUES (7, '2026-01-01 00:00:00', :source, :n, 0)"),
            {"source": source, "n": len(rows)},
        )
        connection.exec_driver_sql(
            "INSERT INTO forecasts VALUES"
            " ('2010-05-07', 1, '2010-05-14', 5.5, 1, 9, NULL, NULL, 'pooled', 'v1', '')"
        )


def asked(url: str, query: str) -> list[tuple[object, ...]]:
    with connected(url) as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


def names(url: str) -> tuple[set[str], set[str]]:
    """The tables and the views."""
    with connected(url) as connection:
        inspector = sa.inspect(connection)
        return set(inspector.get_table_names()), set(inspector.get_view_names())


@pytest.fixture
def panel() -> Panel:
    return sample_panel(3, 14)


def test_release_0_5_is_read_as_it_is_and_reading_changes_nothing(url: str, panel: Panel) -> None:
    make_v05(url, panel)
    before = names(url)
    with closing(Database(url)) as database:
        database.version()
        assert (7, "a.csv") == (database.version(), database.source())
        found = database.read_panel()
    assert panel == found
    assert STORES == found.spec
    assert before == names(url)


def test_a_migrated_database_holds_the_same_sales_loads_and_forecasts(
    url: str, panel: Panel
) -> None:
    make_v05(url, panel)
    with closing(Database(url)) as database:
        database.migrate()
        database.migrate()
        found = database.read_panel()
        assert (7, "a.csv") == (database.version(), database.source())
        rows = SalesRows(
            panel.keys["Store"].repeat(14),
            panel.periods[None].repeat(3, axis=0).ravel(),
            panel.y.ravel(),
            {name: of.ravel() for name, of in panel.conditions.items()},
        )
        assert LoadReport(0, 0, 42) == database.write(rows, "b.csv")
    assert panel == found
    assert STORES == found.spec
    assert panel.keys["Store"].tolist() == found.keys["Store"].tolist()
    tables, views = names(url)
    assert {"weekly_sales_v05", "forecasts_v05", "fact_sales", "loads"} <= tables
    assert VIEWS == views
    assert [(5.5,)] == asked(url, "SELECT sales FROM forecasts_v05")


def test_release_0_5_reads_a_migrated_database(url: str, panel: Panel) -> None:
    make_v05(url, panel)
    query = f"SELECT store, week, {', '.join(COLUMNS)} FROM weekly_sales ORDER BY store, week"  # noqa: S608
    before = asked(url, query)
    with closing(Database(url)) as database:
        database.migrate()
    assert before == asked(url, query)


def test_the_next_load_migrates_and_adds(url: str, panel: Panel) -> None:
    make_v05(url, panel.until(panel.periods[-3]))
    with closing(Database(url)) as database:
        assert LoadReport(6, 0, 36) == database.write(panel, "b.csv")
        assert panel == database.read_panel()
        assert 7 < database.version()
    assert [("a.csv",), ("b.csv",)] == asked(url, "SELECT source FROM loads ORDER BY id")


def test_the_sample_of_release_0_5_gives_way_to_any_layout(
    url: str, panel: Panel, tmp_path: Path
) -> None:
    make_v05(url, panel, SAMPLE)
    departments = panel_of_layout("departments", tmp_path)
    with closing(Database(url)) as database:
        assert 42 == database.write(departments, "folder").sample_rows_removed
        assert departments == database.read_panel()
    assert VIEWS - {"weekly_sales"} == names(url)[1]


def test_a_database_of_release_0_5_without_sales_is_migrated(url: str, panel: Panel) -> None:
    make_v05(url, panel)
    with connected(url) as connection:
        for name in ("weekly_sales", "loads"):
            connection.exec_driver_sql(f"DELETE FROM {name}")  # noqa: S608
    with closing(Database(url)) as database:
        with pytest.raises(NotReady, match=r"holds no sales yet.*python database_loader\.py"):
            database.read_panel()
        database.migrate()
        with pytest.raises(NotReady, match="holds no sales yet"):
            database.read_panel()
        database.write(panel, "a.csv")
        assert panel == database.read_panel()


def test_a_migration_stopped_after_any_statement_is_completed_by_the_next(
    url: str, panel: Panel
) -> None:
    make_v05(url, panel)
    statements = 0
    with closing(Database(url)) as database:
        while True:
            statements += 1
            try:
                with stopped_after(statements):
                    database.migrate()
            except DatabaseError as error:
                assert "killed" in error.message  # noqa: PT017 - the last run does not fail
            else:
                break
            # Whatever is there then: the panel, or the command that completes it.
            try:
                assert panel == database.read_panel()
            except NotReady as error:
                assert "python database_loader.py" in error.message  # noqa: PT017
        assert panel == database.read_panel()
    assert statements > 10
    assert VIEWS == names(url)[1]
    assert [(42,)] == asked(url, "SELECT COUNT(*) FROM weekly_sales")
    assert [(5.5,)] == asked(url, "SELECT sales FROM forecasts_v05")


def test_tables_of_a_newer_release_are_refused_with_both_named(url: str, panel: Panel) -> None:
    with closing(Database(url)) as database:
        database.write(panel, "a.csv")
        with connected(url) as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'v9_9_next'")
        for ask in (database.version, database.read_panel, database.migrate):
            with pytest.raises(NotReady, match=f"newer release: v9_9_next.*{schema.NEWEST}"):
                ask()
        with pytest.raises(NotReady, match="v9_9_next"):
            database.write(panel, "b.csv")


@pytest.mark.parametrize("revision", ["v0_6_star", "v0_6_quantiles"], ids=["first", "release 0.6"])
def test_sales_in_tables_of_an_earlier_release_are_read_and_the_command_is_named(
    url: str, panel: Panel, revision: str
) -> None:
    make_v05(url, panel)
    with connected(url) as connection:
        config = Config()
        config.set_main_option("script_location", MIGRATIONS)
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    with closing(Database(url)) as database:
        assert database.read_panel() == panel
        assert database.version()
        with closing(StoredForecasts(url)) as forecasts:
            assert forecasts.newest() is None
        assert "python database_loader.py" in (database.look().behind or "")
        with closing(MonitorSteps(url)) as steps, pytest.raises(DatabaseError, match="up to date"):
            steps.done(date(2012, 10, 29))
        database.migrate()
        assert database.read_panel() == panel
        assert database.look().behind is None


def test_tables_of_the_next_release_are_read_and_not_written(url: str, panel: Panel) -> None:
    with closing(Database(url)) as database:
        database.write(panel, "a.csv")
        with connected(url) as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'v0_8_more'")
        assert database.read_panel() == panel
        assert database.version()
        assert database.look().behind is None
        for ask in (database.migrate, lambda: database.write(panel, "b.csv")):
            with pytest.raises(NotReady, match=f"newer release: v0_8_more.*{schema.NEWEST}"):
                ask()


def test_an_unfinished_migration_names_the_command_it_waits_for(url: str, panel: Panel) -> None:
    with closing(Database(url)) as database:
        database.write(panel, "a.csv")
        with connected(url) as connection:
            connection.exec_driver_sql("DELETE FROM alembic_version")
        for ask in (database.version, database.read_panel):
            with pytest.raises(NotReady, match=r"up to date: python database_loader\.py, or pyth"):
                ask()
        database.migrate()
        assert panel == database.read_panel()


def test_a_loader_beside_one_that_is_half_way_through_a_migration_ends_well(
    url: str, panel: Panel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", url)
    with closing(Database(url)) as database:
        database.write(panel, SAMPLE)
        with connected(url) as connection:
            connection.exec_driver_sql("DELETE FROM alembic_version")
        assert 0 == database_loader.main([])
        assert database.version()


def test_the_newest_revision_is_the_one_that_readers_know() -> None:
    config = Config()
    config.set_main_option("script_location", MIGRATIONS)
    assert schema.NEWEST == ScriptDirectory.from_config(config).get_current_head()


def test_migrated_and_new_tables_have_equal_columns_and_specs(url: str, panel: Panel) -> None:
    make_v05(url, panel)
    with closing(Database(url)) as database:
        database.migrate()
    with connected(url) as connection:
        for table in (star.dim_series(STORES), star.fact_sales(STORES), star.LOADS):
            found = [column["name"] for column in sa.inspect(connection).get_columns(table.name)]
            assert [column.name for column in table.columns] == found
    ((text,),) = asked(url, "SELECT spec FROM panel_spec")
    assert PanelSpec.model_validate_json(str(text)) == STORES


def test_nothing_is_said_on_the_terminal(
    tmp_path: Path, panel: Panel, capfd: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/sales.db"
    make_v05(url, panel)
    with closing(Database(url)) as database:
        database.migrate()
    said = capfd.readouterr()
    assert ("", "") == (said.out, said.err)


def test_the_whole_sample_of_release_0_5_is_carried_over(url: str) -> None:
    whole = sample_rows().to_panel()
    make_v05(url, whole, SAMPLE)
    with closing(Database(url)) as database:
        assert LoadReport(0, 0, 6435) == database.write(sample_rows(), SAMPLE)
        assert whole == database.read_panel()

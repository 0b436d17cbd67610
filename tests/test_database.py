from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from sales_forecast.data import database_address, database_server, database_turn
from sales_forecast.data.admission import SAMPLE
from sales_forecast.data.database import Database, LoadReport
from sales_forecast.data.database_server import Server
from sales_forecast.data.panel import CONDITIONS, Panel
from sales_forecast.data.rows import SalesRows
from sales_forecast.data.sample import sample_rows
from sales_forecast.errors import DatabaseError, DataRefused, NotReady, SettingsError
from tests.service.way import Way

FRIDAY = date(2010, 2, 5)
LONG_ENOUGH = 60  # seconds, for another process to start on a busy machine
SPAWN = multiprocessing.get_context("spawn")


def sales_rows(n_stores: int = 2, n_weeks: int = 3, first: date = FRIDAY) -> SalesRows:
    """Every store and week once, with sales of 100 * store + week."""
    store, week = (grid.ravel() for grid in np.mgrid[1 : n_stores + 1, 0:n_weeks])
    return SalesRows(
        store=store,
        week=np.datetime64(first) + week * np.timedelta64(7, "D"),
        sales=100.0 * store + week,
        conditions={name: number + 0.1 * week for number, name in enumerate(CONDITIONS)},
    )


def with_sales(rows: SalesRows, row: int, sales: float) -> SalesRows:
    changed = rows.sales.copy()
    changed[row] = sales
    return SalesRows(rows.store, rows.week, changed, rows.conditions)


def stored(database: Database) -> str:
    return database.read_panel().fingerprint


def fingerprint(rows: SalesRows) -> str:
    return rows.to_panel().fingerprint


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with closing(Database(url)) as opened:
        yield opened


def test_an_empty_database_answers_and_names_the_remedy(database: Database) -> None:
    assert database.version() == 0
    assert database.source() is None
    with pytest.raises(NotReady, match=r"holds no sales yet.*python database_loader\.py"):
        database.read_panel()


def test_written_rows_are_read_back(database: Database) -> None:
    rows = sales_rows(n_stores=3, n_weeks=20)

    assert database.write(rows, "a.csv") == LoadReport(inserted=60, corrected=0, unchanged=0)
    assert fingerprint(rows) == stored(database)
    assert database.source() == "a.csv"


def test_every_float_is_kept_to_the_last_bit(database: Database) -> None:
    random = np.random.default_rng(5).integers(0, 2**64, 6_000, dtype=np.uint64).view(np.float64)
    edges = [0.1 + 0.2, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, -1e22, 2**53 + 2]
    numbers = np.concatenate([edges, random[np.isfinite(random)][: 50 * 60 - len(edges)]])
    grid = sales_rows(n_stores=50, n_weeks=10)
    sales, *conditions = numbers.reshape(6, 500)
    rows = SalesRows(grid.store, grid.week, sales, dict(zip(CONDITIONS, conditions, strict=True)))

    database.write(rows, "a.csv")

    assert fingerprint(rows) == stored(database)


def test_loading_twice_changes_nothing_and_records_nothing(database: Database) -> None:
    database.write(sales_rows(), "a.csv")
    before = database.version()

    assert database.write(sales_rows(), "copy.csv") == LoadReport(0, 0, unchanged=6)
    assert before == database.version()
    assert database.source() == "a.csv"


def test_new_weeks_are_added_to_the_old_ones(database: Database) -> None:
    database.write(sales_rows(n_weeks=3), "a.csv")
    before = database.version()

    assert database.write(sales_rows(n_weeks=5), "b.csv") == LoadReport(4, 0, 6)
    assert database.version() > before
    assert fingerprint(sales_rows(n_weeks=5)) == stored(database)


def test_rows_that_the_new_file_lacks_stay(database: Database) -> None:
    database.write(sales_rows(n_stores=1, n_weeks=3), "a.csv")
    later = sales_rows(n_stores=1, n_weeks=2, first=date(2010, 3, 5))

    assert database.write(later, "later.csv") == LoadReport(2, 0, 0)
    panel = database.read_panel()
    np.testing.assert_array_equal([[100, 101, 102, np.nan, 100, 101]], panel.y)


def test_a_corrected_row_replaces_the_old_one(database: Database) -> None:
    database.write(sales_rows(), "a.csv")
    before = database.version()
    corrected = with_sales(sales_rows(), row=4, sales=-7.5)

    assert database.write(corrected, "b.csv") == LoadReport(0, 1, 5)
    assert database.version() > before
    assert fingerprint(corrected) == stored(database)


def test_a_corrected_condition_counts_as_a_correction(database: Database) -> None:
    database.write(sales_rows(), "a.csv")
    rows = sales_rows()
    warmer = SalesRows(
        rows.store, rows.week, rows.sales, {**rows.conditions, "Temperature": rows.sales}
    )

    assert database.write(warmer, "b.csv") == LoadReport(0, 6, 0)
    assert fingerprint(warmer) == stored(database)


def test_every_change_is_recorded_with_its_time_and_numbers(database: Database, url: str) -> None:
    start = datetime.now(UTC)
    database.write(sales_rows(), "a.csv")
    database.write(with_sales(sales_rows(n_weeks=4), row=0, sales=1.0), "ümläut 日本.csv")
    end = datetime.now(UTC)

    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        query = sa.text("SELECT source, inserted, corrected, loaded_at FROM loads ORDER BY id")
        first, second = connection.execute(query).all()
    assert tuple(first[:3]) == ("a.csv", 6, 0)
    assert tuple(second[:3]) == ("ümläut 日本.csv", 2, 1)
    # Some servers keep whole seconds, rounded; some answer in text, some in local time.
    if isinstance(second[3], datetime) and second[3].tzinfo:
        assert start <= second[3] <= end
    else:
        moment = datetime.fromisoformat(str(second[3])).replace(tzinfo=UTC)
        assert start.timestamp() - 1 <= moment.timestamp() <= end.timestamp() + 1


def test_weeks_that_end_on_another_weekday_are_refused(database: Database) -> None:
    database.write(sales_rows(), "a.csv")
    before = database.version()

    with pytest.raises(DataRefused) as refusal:
        database.write(sales_rows(first=date(2010, 2, 27)), "b.csv")

    assert refusal.value.message == (
        "b.csv: its weeks end on a Saturday (2010-03-13), those stored on a Friday (2010-02-19);"
        " name another database in DATABASE_URL"
    )
    assert before == database.version()
    assert fingerprint(sales_rows()) == stored(database)


def test_weeks_of_a_weekday_that_nobody_explained_are_noted_until_somebody_does(
    database: Database,
) -> None:
    mondays = sales_rows(first=FRIDAY - timedelta(days=4))
    database.write(mondays, "a.csv")
    (note,) = database.read_panel().notes
    assert note == (
        "The stored weeks end on a Monday (2010-02-15), and no file said that it is the last day:"
        " if it is the first (2010-02-15 to 2010-02-21), load them with --dates first into a new"
        " database; if it is the last, load them again with --dates last."
    )
    database.write(replace(mondays, dates="last"), "a.csv")
    database.write(mondays, "a.csv")  # what was said is kept
    assert () == database.read_panel().notes


def test_the_first_real_file_replaces_the_sample_as_a_whole(database: Database) -> None:
    database.write(sales_rows(n_stores=5, n_weeks=9), SAMPLE)
    # On another weekday and with fewer stores: nothing of the sample is in the way.
    real = sales_rows(first=date(2010, 2, 27))

    assert database.write(real, "a.csv") == LoadReport(6, 0, 0, sample_rows_removed=45)
    assert fingerprint(real) == stored(database)
    assert database.source() == "a.csv"


def test_the_sample_is_never_written_over_real_sales(database: Database) -> None:
    database.write(sales_rows(), "a.csv")

    with pytest.raises(DataRefused, match=r"holds real sales from a\.csv"):
        database.write(sales_rows(n_stores=5), SAMPLE)

    assert fingerprint(sales_rows()) == stored(database)


@contextmanager
def after_statement(begins: str, act: Callable[[], None]) -> Iterator[None]:
    """Do something right after every statement that begins so, in this process."""

    def after(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith(begins):
            act()

    sa.event.listen(sa.Engine, "after_cursor_execute", after)
    yield
    sa.event.remove(sa.Engine, "after_cursor_execute", after)


def _fail() -> None:
    raise OSError("the disk is full")


def test_a_write_that_fails_at_its_last_statement_leaves_nothing_behind(database: Database) -> None:
    database.write(sales_rows(), "a.csv")
    before = database.version()

    with after_statement("INSERT INTO loads", _fail), pytest.raises(DatabaseError) as error:
        database.write(with_sales(sales_rows(n_weeks=9), row=0, sales=1.0), "b.csv")

    assert "the disk is full" in error.value.message
    assert before == database.version()
    assert fingerprint(sales_rows()) == stored(database)
    assert database.write(sales_rows(n_weeks=4), "c.csv") == LoadReport(2, 0, 6)


def _write_and_be_killed(url: str) -> None:
    with after_statement("UPDATE fact_sales", lambda: os.kill(os.getpid(), signal.SIGKILL)):
        Database(url).write(with_sales(sales_rows(n_weeks=50), row=0, sales=-1.0), "killed.csv")


def test_a_loader_killed_in_the_middle_leaves_the_last_good_state(url: str) -> None:
    with closing(Database(url)) as database:
        database.write(sales_rows(), "a.csv")
        before = database.version()

    child = SPAWN.Process(target=_write_and_be_killed, args=(url,), daemon=True)
    child.start()
    child.join(LONG_ENOUGH)

    assert child.exitcode == -signal.SIGKILL
    with closing(Database(url)) as database:
        assert before == database.version()
        assert fingerprint(sales_rows()) == stored(database)
        assert database.write(sales_rows(n_weeks=4), "b.csv") == LoadReport(2, 0, 6)


def _write(url: str, reports: SimpleQueue[LoadReport]) -> None:
    with closing(Database(url)) as database:
        reports.put(database.write(sales_rows(45, 130), "a.csv"))


def _write_slowly(url: str, reports: SimpleQueue[LoadReport], inside: Event, go: Event) -> None:
    def pause() -> None:
        inside.set()
        assert go.wait(LONG_ENOUGH)

    with after_statement("INSERT INTO dim_series", pause):
        _write(url, reports)


def test_two_processes_that_load_the_same_file_at_once_both_succeed(url: str) -> None:
    reports: SimpleQueue[LoadReport] = SPAWN.SimpleQueue()
    inside, go = SPAWN.Event(), SPAWN.Event()
    first = SPAWN.Process(target=_write_slowly, args=(url, reports, inside, go), daemon=True)
    second = SPAWN.Process(target=_write, args=(url, reports), daemon=True)
    first.start()
    assert inside.wait(LONG_ENOUGH)
    second.start()

    with closing(Database(url)) as database:
        # The first is in the middle of its transaction: readers neither wait nor see it.
        with pytest.raises(NotReady):
            database.read_panel()
        go.set()
        first.join(LONG_ENOUGH)
        second.join(LONG_ENOUGH)

        assert (first.exitcode, second.exitcode) == (0, 0)
        assert reports.get() == LoadReport(5850, 0, 0)
        assert reports.get() == LoadReport(0, 0, 5850)
        assert fingerprint(sales_rows(45, 130)) == stored(database)


def test_many_threads_that_start_on_an_empty_database_write_every_row_once(url: str) -> None:
    reports: list[LoadReport] = []
    start = threading.Barrier(6)

    def load() -> None:
        with closing(Database(url)) as own:
            start.wait()
            reports.append(own.write(sales_rows(), "a.csv"))

    threads = [threading.Thread(target=load) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    expected = [LoadReport(0, 0, 6)] * 5 + [LoadReport(6, 0, 0)]
    assert expected == sorted(reports, key=lambda report: report.inserted)


def test_a_writer_that_waits_says_so_and_ends_well(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(database_turn, "_TURN_SECONDS", 1)
    said = threading.Event()
    with (
        closing(database_server.Server(url)) as server,
        closing(Database(url)) as waiting,
        ThreadPoolExecutor(1) as pool,
    ):
        monkeypatch.setattr(caplog.handler, "emit", lambda _: said.set())
        with server.writing():
            report = pool.submit(waiting.write, sales_rows(), "a.csv")
            assert said.wait(LONG_ENOUGH)
        assert LoadReport(6, 0, 0) == report.result(LONG_ENOUGH)


def test_a_writer_that_waits_for_too_long_says_how_long(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_turn, "_TURN_SECONDS", 1)
    with (
        closing(database_server.Server(url)) as first,
        closing(database_server.Server(url)) as second,
        first.writing(),
        pytest.raises(
            DatabaseError, match=r"Another writer still works after [12] s\. Try again\."
        ),
        second.writing(1),
    ):
        pass


def test_a_database_in_memory_keeps_its_rows_between_calls_and_threads() -> None:
    panels: list[Panel] = []
    with closing(Database("sqlite://")) as database:
        database.write(sales_rows(), "a.csv")
        thread = threading.Thread(target=lambda: panels.append(database.read_panel()))
        thread.start()
        thread.join()

    assert [fingerprint(sales_rows())] == [panel.fingerprint for panel in panels]


def test_a_database_file_that_was_made_anew_has_another_version(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/sales.db"
    with closing(Database(url)) as reader, closing(Database(url)) as writer:
        writer.write(sales_rows(), "a.csv")
        before = reader.version()
        for file in tmp_path.iterdir():
            file.unlink()
        writer.write(sales_rows(n_weeks=4), "a.csv")

        assert before != reader.version()
        assert fingerprint(sales_rows(n_weeks=4)) == stored(reader)


def test_stored_weeks_of_two_weekdays_are_an_error_and_no_panel(url: str) -> None:
    with closing(Database(url)) as database:
        database.write(sales_rows(), "a.csv")
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            by_hand = "UPDATE fact_sales SET period = '2010-02-06' WHERE period = '2010-02-05'"
            connection.execute(sa.text(by_hand))

        with pytest.raises(DatabaseError, match="do not all end on the same weekday"):
            database.read_panel()


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.mark.parametrize(
    "form",
    [
        "mysql+pymysql://anna:s3cret@127.0.0.1:{port}/sales",
        "postgresql+psycopg://anna:s3cret@127.0.0.1:{port}/sales",
        "postgresql+psycopg://anna@127.0.0.1:{port}/sales?password=s3cret",
    ],
)
@pytest.mark.parametrize(
    "ask",
    [
        Database.version,
        Database.source,
        Database.read_panel,
        lambda database: database.write(sales_rows(), "a.csv"),
    ],
)
def test_a_database_that_is_not_there_is_one_line_without_the_password(
    form: str, ask: Callable[[Database], object], closed_port: int
) -> None:
    with (
        closing(Database(form.format(port=closed_port))) as database,
        pytest.raises(DatabaseError) as error,
    ):
        ask(database)

    assert "refused" in error.value.message
    assert f"127.0.0.1:{closed_port}/sales" in error.value.message
    assert "Check DATABASE_URL, and that the database runs" in error.value.message
    assert "s3cret" not in f"{error.value.message} {error.value.fields}"
    assert "\n" not in error.value.message


@pytest.mark.skipif(sys.platform != "linux", reason="Linux lends a disk that is full")
def test_a_connection_that_broke_leaves_no_trace_beside_the_sentence(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    connection = database_server._engine(sa.make_url(url)).raw_connection()
    assert connection.dbapi_connection is not None
    connection.dbapi_connection.close()
    connection.close()
    assert [] == caplog.messages


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_statement_ends_where_its_server_is_silent_to_everybody_and_not_where_it_works(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sales_forecast.data.postgres_silence._SECONDS", 0.3)
    monkeypatch.setitem(database_address.CONNECT["postgresql+psycopg"], "connect_timeout", 2)
    with closing(Way(url)) as way, closing(Server(way.url)) as server:
        dead = pytest.raises(DatabaseError, match="silent, to whoever else asks")
        with dead, server.connection() as connection:
            begun = connection.execute(sa.text("SELECT 1, pg_sleep(1.5)")).scalar_one()
            with way.stalled():
                connection.execute(sa.text("SELECT 2"))
        with server.connection() as connection:
            again = connection.execute(sa.text("SELECT 3")).scalar_one()

    assert (1, 3) == (begun, again)


@pytest.mark.parametrize(
    ("variable", "option"),
    [("TEST_MYSQL_URL", "charset=latin1"), ("TEST_POSTGRES_URL", "client_encoding=latin1")],
)
def test_a_letter_that_a_database_has_not_is_named(variable: str, option: str) -> None:
    if variable not in os.environ:
        pytest.skip(f"set {variable} to a database")
    with (
        closing(database_server.Server(f"{os.environ[variable]}?{option}")) as server,
        pytest.raises(
            DatabaseError, match="it has no letter '\N{BEER MUG}', as it is not in UTF-8"
        ),
        server.connection() as connection,
    ):
        connection.scalar(sa.text("SELECT :name"), {"name": "Theke \N{BEER MUG}"})


def test_a_disk_without_room_for_what_readers_share_is_called_full(tmp_path: Path) -> None:
    import resource  # noqa: PLC0415 - Windows has none

    url = f"sqlite:///{tmp_path}/sales.db"
    with closing(Database(url)) as database:
        database.write(sample_rows(), "a.csv")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with closing(Database(url)) as database:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
        try:
            with pytest.raises(DatabaseError) as failed:
                database.version()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert database.version()
    assert "does not answer as it should: the disk is full. Make room" in failed.value.message


def test_a_full_disk_is_called_that_and_nothing_is_written(tmp_path: Path) -> None:
    def fill(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA max_page_count = 60")

    sa.event.listen(sa.Engine, "connect", fill)
    try:
        with closing(Database(f"sqlite:///{tmp_path}/sales.db")) as database:
            with pytest.raises(DatabaseError) as failed:
                database.write(sample_rows(), "a.csv")
            assert 0 == database.version()
    finally:
        sa.event.remove(sa.Engine, "connect", fill)
    assert "does not answer as it should: the disk is full. Make room" in failed.value.message


def test_a_file_that_is_no_database_is_an_error_that_names_it(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("milk, bread, a database\n" * 100)

    with pytest.raises(DatabaseError, match=r"notes\.txt.*file is not a database.*Check that"):
        Database(f"sqlite:///{file}").read_panel()


def test_sales_that_are_no_numbers_are_an_error_in_one_line_and_endless_ones_are_not_known(
    tmp_path: Path,
) -> None:
    file = tmp_path / "sales.db"
    with closing(Database(f"sqlite:///{file}")) as database:
        database.write(sample_rows(), SAMPLE)
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            connection.execute("UPDATE fact_sales SET target = 9e999 WHERE series_id = 1")
            assert np.isnan(database.read_panel().y[0]).all()
            connection.execute("UPDATE fact_sales SET target = 'many' WHERE series_id = 1")
        with pytest.raises(DatabaseError, match=r"cannot be used: could not convert .*'many'\.$"):
            database.read_panel()


def test_the_last_folder_of_a_path_is_made_and_no_others(tmp_path: Path) -> None:
    Database(f"sqlite:///{tmp_path}/var/sales.db").close()
    assert (tmp_path / "var").is_dir()

    with pytest.raises(SettingsError) as refused:
        Database(f"sqlite:///{tmp_path}/vra/data/sales.db")

    assert refused.value.message == (
        f"The database is to lie in {tmp_path}/vra/data, and {tmp_path}/vra is not there either. "
        "Make that folder, or correct the path: DATABASE_URL, or VAR_DIR without one."
    )
    assert ["var"] == [of.name for of in tmp_path.iterdir()]


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(DatabaseError, match="Check that the file may be written"):
        Database(f"sqlite:///{tmp_path}/file/sales.db")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sales.db",
        "mysql://anna:s3cret@host/sales",
        "oracle://anna:s3cret@host/sales",
        "mysql+pymysql://anna:s3cret@host:port/sales",
        "postgresql+psycopg://anna:s3cret@host",
    ],
)
def test_a_url_of_another_form_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(SettingsError) as error:
        Database(url)

    assert error.value.message.startswith("DATABASE_URL must be of the form sqlite:///FILE, mysql+")
    assert "s3cret" not in error.value.message


def test_a_file_that_is_damaged_further_on_is_refused_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "sales.db"
    with closing(Database(f"sqlite:///{file}")) as database:
        database.migrate()
        database.write(sales_rows(n_stores=20, n_weeks=400), "sales.csv")
    with closing(sqlite3.connect(file)) as connection:
        (page,) = connection.execute("PRAGMA page_size").fetchone()
    whole = file.read_bytes()
    told = []
    for number in range(len(whole) // page // 4, len(whole) // page):
        start = number * page
        file.write_bytes(whole[:start] + b"\xff" * page + whole[start + page :])
        with closing(Database(f"sqlite:///{file}")) as database:
            try:
                database.read_panel()
            except DatabaseError as error:
                told.append(error.message)

    assert told
    assert all(str(file) in message for message in told)

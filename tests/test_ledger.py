"""The ledger: rows come into the database once each, whatever happens, and stay as they are."""

from __future__ import annotations

import json
import logging
import resource
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sales_forecast.data.database import Database
from sales_forecast.data.ledger import retention
from sales_forecast.data.ledger.ids import first_id, new_id
from sales_forecast.data.ledger.ledger import Ledger, Result, rest_after
from sales_forecast.data.ledger.retention import prune
from sales_forecast.data.ledger.segments import Segment
from sales_forecast.data.ledger.store import COLUMNS, LedgerStore
from sales_forecast.data.ledger.tables import (
    HISTORY_CLEARED,
    METADATA,
    PREDICTION_DELETIONS,
    PREDICTION_KEYS,
    PREDICTIONS,
    key_hash,
    ledger_url,
)
from sales_forecast.settings import Settings

STORE = key_hash({"store_id": 1})
ODD = "é \" ' \\ %s :x \U0001f600"


def line(prediction_id: str | None = None, **other: object) -> bytes:
    row: dict[str, object] = {
        "id": prediction_id or new_id(),
        "answered_at": "2026-11-26 20:30:00.123456",
        "request_id": "abc-1",
        "endpoint": "/forecast_sales",
        "caller": ODD,
        "model": "arima",
        "model_version": "2012-10-26-4249dce31234",
        "bundle_hash": None,
        "git_commit": "a" * 40,
        "fingerprint": "b" * 64,
        "origin": "2012-10-26",
        "covariates": {"Temperature": {"value": 75.5, "source": "supplied"}},
        "warnings": [ODD],
        "answer": [{"series": {"store_id": 1}, "forecast": [{"step": 1, "median": 0.1}]}],
        "corrects": None,
        **other,
    }
    cells = [*(row[name] for name in COLUMNS), [STORE, -(2**63), 2**63 - 1]]
    return json.dumps(cells, ensure_ascii=False).encode() + b"\n"


@pytest.fixture
def ledger_at(url: str) -> str:
    """A database with the tables of the ledger, or, of SQLite, none yet."""
    with closing(Database(url)) as database:
        database.migrate()
    found = ledger_url(url)
    assert found is not None
    return found


@contextmanager
def opened(at: str, folder: Path, **options: Any) -> Iterator[tuple[Ledger, Counter[str]]]:
    """Give a ledger and what it counts."""
    counts: Counter[str] = Counter()
    with closing(Ledger(at, folder / "ledger", **options)) as ledger:
        ledger.count = lambda result, number: counts.update({result: number})
        yield ledger, counts


def stored(at: str, table: sa.Table = PREDICTIONS) -> Sequence[Mapping[str, Any]]:
    with closing(LedgerStore(at)) as store, store.connection() as connection:
        return connection.execute(sa.select(table).order_by(*table.primary_key)).mappings().all()


def execute(at: str, *statements: str) -> None:
    engine = sa.create_engine(at, poolclass=sa.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_a_row_comes_back_as_it_was_written(ledger_at: str, tmp_path: Path) -> None:
    written = line()
    with opened(ledger_at, tmp_path) as (ledger, counts):
        ledger.append(written)
        assert ledger.move()

    (row,) = stored(ledger_at)

    *cells, keys = json.loads(written)
    expected = dict(zip(COLUMNS, cells, strict=True))
    expected["answered_at"] = datetime(2026, 11, 26, 20, 30, 0, 123456, tzinfo=UTC)
    assert {**row, "answered_at": row["answered_at"].replace(tzinfo=UTC)} == {
        **expected,
        "origin": date(2012, 10, 26),
    }
    assert sorted(keys) == [of["key_hash"] for of in stored(ledger_at, PREDICTION_KEYS)]
    assert counts == {"written": 1, "moved": 1}
    assert not [*(tmp_path / "ledger").iterdir()][1:], "only the one that is written to"


def test_killed_between_commit_and_deletion_nothing_is_doubled(
    ledger_at: str, tmp_path: Path
) -> None:
    with opened(ledger_at, tmp_path) as (ledger, _):
        for _ in range(1000):
            ledger.append(line())
        (segment,) = (tmp_path / "ledger").iterdir()
        shutil.copy(segment, tmp_path / "again")
        assert ledger.move()
        before = stored(ledger_at)
        shutil.copy(tmp_path / "again", segment)
        assert ledger.move()

    assert len(before) == 1000
    assert before == stored(ledger_at)
    assert len(stored(ledger_at, PREDICTION_KEYS)) == 3000


def test_lines_that_were_cut_off_are_skipped_and_counted(ledger_at: str, tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    folder.mkdir()
    good, cut = [line() for _ in range(3)], line()[:100]
    damaged = [good[0], cut + b"\n", b"\0\0\0\n", b"[1]\n", "é".encode()[:1] + b"\n", good[1]]
    (folder / "1.jsonl").write_bytes(b"".join([*damaged, cut]))
    (folder / "2.jsonl").write_bytes(good[2])
    with opened(ledger_at, tmp_path) as (ledger, counts):
        assert ledger.move()

    assert sorted(json.loads(of)[0] for of in good) == [of["id"] for of in stored(ledger_at)]
    assert counts == {"moved": 3, "torn": 5}


def test_what_others_write_is_theirs_until_they_are_gone(ledger_at: str, tmp_path: Path) -> None:
    with opened(ledger_at, tmp_path) as (mine, counts):
        with opened(ledger_at, tmp_path) as (other, _):
            other.append(line())
            mine.append(line())
            assert mine.move()
            assert counts == {"written": 1, "moved": 1}
            # closed with its row unmoved, as a process that is killed leaves it
        assert mine.move()

    assert counts == {"written": 1, "moved": 2}
    assert len(stored(ledger_at)) == 2


def test_while_the_database_is_away_rows_wait_and_that_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    at = f"sqlite:///{tmp_path}/p.db"
    (tmp_path / "p.db").mkdir()
    with opened(at, tmp_path) as (ledger, counts), caplog.at_level(logging.WARNING):
        for _ in range(3):
            ledger.append(line())
            assert not ledger.move()
        (tmp_path / "p.db").rmdir()
        assert ledger.move()
        assert ledger.move()

    assert counts == {"written": 3, "moved": 3}
    assert len(stored(at)) == 3
    away, back = caplog.messages
    assert away.startswith(f"Rows of the ledger wait in {tmp_path}/ledger: The database")
    assert back == "The ledger's database takes rows again."


def test_more_than_may_wait_is_lost_and_counted_until_there_is_room(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    size = len(line())
    at = f"sqlite:///{tmp_path}/p.db"
    with opened(at, tmp_path, most_bytes=10 * size) as (ledger, counts), caplog.at_level(30):
        for _ in range(25):
            ledger.append(line())
        ledger.tell()
        assert counts == {"written": 10, "lost": 15}
        ledger.move()
        ledger.move()  # finds out that there is room
        ledger.append(line())
        ledger.tell()

    assert counts == {"written": 11, "lost": 15, "moved": 10}
    lost, again = caplog.messages
    assert f"{10 * size:,} bytes wait in it" in lost
    assert again == "Answers are kept again."


@pytest.mark.parametrize(
    ("full", "rest"), [(0.0, 0.9), (0.25, 0.45), (0.49, 0.018), (0.5, 0.0), (0.9, 0.0), (1.0, 0.0)]
)
def test_the_more_waits_the_shorter_is_the_rest_between_two_slices(
    full: float, rest: float
) -> None:
    assert rest == pytest.approx(rest_after(0.1, full))


def test_answers_that_come_faster_than_they_are_moved_are_told_once_and_caught_up_with(
    ledger_at: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    size = len(line())
    monkeypatch.setattr("sales_forecast.data.ledger.ledger._SLICE", 2 * size)
    with (
        opened(ledger_at, tmp_path, most_bytes=100 * size) as (ledger, counts),
        caplog.at_level(30),
    ):
        counting = ledger.count

        def saturated(result: Result, n: int) -> None:
            counting(result, n)
            if result == "moved" and counts["moved"] < 20:
                for _ in range(2 * n):  # twice as many as were moved
                    ledger.append(line())

        ledger.count = saturated
        for _ in range(25):
            ledger.append(line())
        assert all(ledger.move() for _ in range(3))

    assert counts["moved"] == counts["written"] > 60
    assert "lost" not in counts
    assert len(stored(ledger_at)) == counts["written"]
    behind, again = caplog.messages
    assert behind.startswith("Answers come faster than the ledger's database takes them: 5")
    assert f"% of what may wait in {tmp_path}/ledger does." in behind
    assert again == "The ledger's database keeps up with the answers again."


def test_a_disk_that_is_full_costs_the_row_that_it_cut_off(tmp_path: Path) -> None:
    """A short write, as it happens where some bytes are left."""
    at = f"sqlite:///{tmp_path}/p.db"
    with opened(at, tmp_path) as (ledger, counts):
        ledger.append(line())
        (segment,) = (tmp_path / "ledger").iterdir()
        with segment.open("ab") as file:
            file.write(line()[:50])
        ledger._segments._torn = True  # what `append` has then noticed
        ledger.append(line())
        ledger.move()

    assert counts == {"written": 2, "moved": 2, "torn": 1}


@pytest.mark.parametrize("rest", [b"", b"cut of"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_a_long_file_is_read_by_some_whole_lines_at_a_time(
    tmp_path: Path, size: int, rest: bytes
) -> None:
    content = b"a\n\nbcdefgh\ni\n" * 3 + rest
    (tmp_path / "lines").write_bytes(content)
    slices = [*Segment(tmp_path / "lines", 0).slices(size)]

    assert content == b"".join(slices)
    assert rest == (slices.pop() if rest else b"")
    assert all(of.endswith(b"\n") for of in slices)
    assert max(map(len, slices)) <= size + len(b"bcdefgh\n")


def test_what_finds_a_full_disk_waits_in_memory_for_room_and_no_more_than_fits_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sales_forecast.data.ledger.ledger._MOST_HELD", 3 * len(line()))
    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    with opened(f"sqlite:///{tmp_path}/p.db", tmp_path) as (ledger, counts), caplog.at_level(30):
        ledger.append(line())
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, most[1]))
        for _ in range(5):
            ledger.append(line())
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
        ledger.append(line())
        ledger.move()

    assert counts == {"written": 5, "lost": 2, "moved": 5}
    full, again = caplog.messages
    assert f"Answers are not kept: {tmp_path}/ledger: File too large." in full
    assert again == "Answers are kept again."


def test_the_thread_moves_and_the_end_of_the_context_moves_the_rest(
    ledger_at: str, tmp_path: Path
) -> None:
    with opened(ledger_at, tmp_path) as (ledger, counts), ledger:
        for _ in range(300):
            ledger.append(line())

    assert counts == {"written": 300, "moved": 300}
    assert len(stored(ledger_at)) == 300
    assert not [*(tmp_path / "ledger").iterdir()]


def test_a_correction_is_a_row_that_names_the_one_it_puts_right(
    ledger_at: str, tmp_path: Path
) -> None:
    name = new_id()
    with opened(ledger_at, tmp_path) as (ledger, _):
        ledger.append(line(name))
        ledger.move()
    right = [{"series": {"store_id": 1}, "forecast": []}]
    with closing(LedgerStore(ledger_at)) as store:
        corrected = store.correct(name, right, "The unit was wrong.", "ana")
        assert store.correct(new_id(), right, "There is none.", "ana") is None

    first, second = stored(ledger_at)
    assert (first["id"], first["corrects"], first["caller"]) == (name, None, ODD)
    assert (second["id"], second["corrects"]) == (corrected, name)
    assert second["caller"] == ODD, "who is shown what was wrong is shown what is right"
    assert second["warnings"] == ["The unit was wrong.", "Corrected by ana."]
    assert second["answer"] == right
    same = ("model", "model_version", "fingerprint", "origin", "covariates", "endpoint")
    assert [first[of] for of in same] == [second[of] for of in same]
    assert len(stored(ledger_at, PREDICTION_KEYS)) == 6


def test_a_ledger_of_sqlite_refuses_to_be_changed(tmp_path: Path) -> None:
    at, name = f"sqlite:///{tmp_path}/p.db", new_id()
    with opened(at, tmp_path) as (ledger, _):
        ledger.append(line(name))
        ledger.move()
    before = stored(at)
    for statement in (
        "UPDATE predictions SET answer = '[]'",
        "UPDATE prediction_keys SET key_hash = 0",
        "DELETE FROM predictions",
        "DELETE FROM prediction_keys",
    ):
        with pytest.raises(sa.exc.IntegrityError, match="is append-only"):
            execute(at, statement)
    execute(at, f"INSERT OR REPLACE INTO predictions SELECT '{name}', answered_at, request_id,"  # noqa: S608
            " endpoint, 'somebody else', model, model_version, bundle_hash, git_commit,"
            " fingerprint, origin, covariates, warnings, '[]', NULL FROM predictions")  # fmt: skip
    assert before == stored(at)


def answered(days_ago: float) -> str:
    return first_id(datetime.now(UTC) - timedelta(days=days_ago))


def test_what_is_too_old_is_deleted_and_counted(
    ledger_at: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_AT_ONCE", 10)
    old = [answered(10 + n / 100) for n in range(25)]
    young = [answered(9.9), new_id()]
    with opened(ledger_at, tmp_path) as (ledger, _):
        for name in (*old, *young):
            ledger.append(line(name))
        ledger.move()
    with closing(LedgerStore(ledger_at)) as store:
        for _ in range(2):
            store.clear("ana", datetime.now(UTC))
    execute(ledger_at, f"INSERT INTO history_cleared SELECT '{answered(10.1)}', cleared_at, 'ben',"  # noqa: S608
            " up_to FROM history_cleared LIMIT 1")  # fmt: skip
    settings = Settings(database_url=url, prediction_retention_days=10)

    assert (prune(settings), prune(settings)) == (25, 0)

    assert young == [of["id"] for of in stored(ledger_at)]
    assert set(young) == {of["prediction_id"] for of in stored(ledger_at, PREDICTION_KEYS)}
    assert ["ana", "ana"] == [of["caller"] for of in stored(ledger_at, HISTORY_CLEARED)]
    traces = stored(ledger_at, PREDICTION_DELETIONS)
    assert [of["predictions"] for of in traces] == [10, 10, 5]
    assert max(old) < traces[-1]["before_id"] <= young[0]
    if url.startswith("sqlite"):
        for table in METADATA.tables:
            with pytest.raises(sa.exc.IntegrityError, match="append-only"):
                execute(ledger_at, f"DELETE FROM {table}")  # noqa: S608


@contextmanager
def account(at: str, rights: str) -> Iterator[str]:
    """Give the URL of a login that has these rights on the tables of the ledger alone."""
    root = sa.make_url(at)
    name = f"service_{new_id().replace('-', '')[-12:]}"
    tables = ("predictions", "prediction_keys")
    if root.drivername.startswith("mysql"):
        login = f"'{name}'@'%%'"
        made = [f"CREATE USER {login} IDENTIFIED BY 'secret'"]
        made += [f"GRANT {rights} ON {root.database}.{table} TO {login}" for table in tables]
        gone = [f"DROP USER {login}"]
    else:
        login = name
        made = [f"CREATE ROLE {login} LOGIN PASSWORD 'secret'"]
        made += [f"GRANT {rights} ON {', '.join(tables)} TO {login}"]
        gone = [f"DROP OWNED BY {login}", f"DROP ROLE {login}"]
    execute(at, *made)
    try:
        yield root.set(username=name, password="secret").render_as_string(hide_password=False)  # noqa: S106
    finally:
        execute(at, *gone)


def test_the_account_of_the_service_may_add_and_nothing_else(
    ledger_at: str, tmp_path: Path
) -> None:
    if ledger_at.startswith("sqlite"):
        pytest.skip("SQLite knows no accounts; its triggers are tested above")
    with account(ledger_at, "SELECT, INSERT") as login:
        with opened(login, tmp_path) as (ledger, _):
            ledger.append(line())
            assert ledger.move()
            before = stored(login)
            for statement in (
                "UPDATE predictions SET caller = NULL",
                "UPDATE prediction_keys SET key_hash = 0",
                "DELETE FROM predictions",
                "DELETE FROM prediction_keys",
                "DROP TABLE predictions",
                "INSERT INTO prediction_deletions (id) VALUES (NULL)",
            ):
                with pytest.raises(sa.exc.DBAPIError, match=r"denied|must be owner"):
                    execute(login, statement)
            ledger.append(line())
            assert ledger.move()
        assert before == stored(login)[:1]
        assert len(stored(login)) == 2


def test_an_account_that_may_not_add_is_told_once_and_its_rows_wait(
    ledger_at: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if ledger_at.startswith("sqlite"):
        pytest.skip("SQLite knows no accounts")
    with account(ledger_at, "SELECT") as login, opened(login, tmp_path) as (ledger, counts):
        for _ in range(3):
            ledger.append(line())
            assert not ledger.move()
    assert counts == {"written": 3}
    (said,) = caplog.messages
    assert "denied" in said
    assert "secret" not in said

"""The history of sales in a database: the tables, and what may be written to them.

Takes validated rows and gives back a `Panel`. One transaction per write, one writer at a time,
readers never wait for it. Must not validate values, and must not keep a second form of the history.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import sqlalchemy as sa

from sales_forecast.data.database_server import Server, lock_writers
from sales_forecast.errors import DatabaseError, DataRefused, NotReady
from sales_forecast.data.panel import CONDITIONS, DAYS_PER_PERIOD, Panel
from sales_forecast.data.rows import SalesRows

SAMPLE = "generated sample"
"""The source under which the sample is recorded; a file is recorded by its path."""

_METADATA = sa.MetaData()
_OPTIONS: Mapping[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}
_SALES = sa.Table(
    "weekly_sales",
    _METADATA,
    sa.Column("store", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("week", sa.Date, primary_key=True, comment="the day that ends the week"),
    sa.Column("sales", sa.Double, nullable=False),
    *(sa.Column(name.lower(), sa.Double, nullable=False) for name in CONDITIONS),
    **_OPTIONS,
)
_LOADS = sa.Table(
    "loads",
    _METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False, comment="UTC"),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("inserted", sa.Integer, nullable=False),
    sa.Column("corrected", sa.Integer, nullable=False),
    **_OPTIONS,
)
_VALUES = [column.name for column in _SALES.columns if not column.primary_key]

_REMEDY = "Load sales first: python database_loader.py"

Key = tuple[int, date]
Values = tuple[float, ...]


@dataclass(frozen=True)
class LoadReport:
    """What one write did, in rows; `sample_rows_removed` made place for the first real file."""

    inserted: int
    corrected: int
    unchanged: int
    sample_rows_removed: int = 0


class Database:
    """The stored history. Connects at the first call; safe to share between threads.

    Every method raises DatabaseError when the database does not answer as it should.
    """

    def __init__(self, url: str) -> None:
        """Take a URL as in the setting DATABASE_URL. Raises SettingsError for another form."""
        self._server = Server(url)

    def close(self) -> None:
        """Close the idle connections."""
        self._server.close()

    def ping(self) -> None:
        """Return if the database answers."""
        with self._server.connection() as connection:
            connection.execute(sa.select(1))

    def version(self) -> int:
        """Return a number that changes whenever the stored sales do; 0 if there are none."""
        newest = self._newest_load()
        return newest[0] if newest else 0

    def source(self) -> str | None:
        """Return where the newest change came from: a path, `SAMPLE`, or None if nowhere."""
        newest = self._newest_load()
        return newest[1] if newest else None

    def read_panel(self) -> Panel:
        """Return all sales. Raises NotReady, with the remedy, while nothing is stored."""
        with self._server.connection() as connection:
            found = connection.execute(sa.select(_SALES)).all() if _has_tables(connection) else ()
        if not found:
            raise NotReady(f"The database {self._server.shown} holds no sales yet. {_REMEDY}")
        store, week, *numbers = zip(*found, strict=True)
        sales, *conditions = (np.array(column, dtype=np.float64) for column in numbers)
        rows = SalesRows(
            store=np.array(store, dtype=np.int64),
            week=np.array(week, dtype="datetime64[D]"),
            sales=sales,
            conditions=dict(zip(CONDITIONS, conditions, strict=True)),
        )
        try:
            return rows.to_panel()
        except ValueError as error:
            raise DatabaseError(
                f"The sales in {self._server.shown} cannot be used: {error}."
            ) from error

    def write(self, rows: SalesRows, source: str) -> LoadReport:
        """Insert new rows and correct those that differ: all of `rows` (one or more) or nothing.

        A second writer waits for the first. The first rows of another source replace the
        sample as a whole. Raises DataRefused, with nothing written, if the weeks end on
        another weekday than the stored ones, or if the sample would mix with real sales.
        """
        given = _by_key(rows)
        with self._server.connection() as connection:
            lock_writers(connection)
            _METADATA.create_all(connection)
            newest = _newest_load(connection)
            removed = _make_place(connection, newest[1], source) if newest else 0
            _refuse_other_weekday(connection, given, source)
            inserted, corrected = _upsert(connection, given)
            if inserted or corrected:
                record = {
                    # Time, so that a database that was made anew has another version, too.
                    "id": max(time.time_ns() // 1000, newest[0] + 1 if newest else 0),
                    "loaded_at": datetime.now(UTC),
                    "source": source,
                    "inserted": inserted,
                    "corrected": corrected,
                }
                connection.execute(sa.insert(_LOADS), record)
            connection.commit()
        return LoadReport(inserted, corrected, len(given) - inserted - corrected, removed)

    def _newest_load(self) -> tuple[int, str] | None:
        with self._server.connection() as connection:
            return _newest_load(connection) if _has_tables(connection) else None


def _has_tables(connection: sa.Connection) -> bool:
    return sa.inspect(connection).has_table(_LOADS.name)


def _newest_load(connection: sa.Connection) -> tuple[int, str] | None:
    newest = sa.select(_LOADS.c.id, _LOADS.c.source).order_by(_LOADS.c.id.desc()).limit(1)
    found = connection.execute(newest).one_or_none()
    return None if found is None else (found.id, found.source)


def _make_place(connection: sa.Connection, stored: str, source: str) -> int:
    """Keep the sample and real sales apart; return how many rows of the sample were removed."""
    if source == SAMPLE != stored:
        problem = f"the database holds real sales from {stored}, the sample would mix with them"
        raise DataRefused(source, f"{problem}; name an empty database in DATABASE_URL")
    return connection.execute(sa.delete(_SALES)).rowcount if stored == SAMPLE != source else 0


def _refuse_other_weekday(
    connection: sa.Connection, given: Mapping[Key, Values], source: str
) -> None:
    stored = connection.scalar(sa.select(sa.func.max(_SALES.c.week)))
    week = max(week for _, week in given)
    if stored is not None and (week - stored).days % DAYS_PER_PERIOD:
        problem = f"its weeks end on a {week:%A} ({week}), those stored on a {stored:%A} ({stored})"
        raise DataRefused(source, f"{problem}; name an empty database in DATABASE_URL")


def _by_key(rows: SalesRows) -> dict[Key, Values]:
    conditions = [rows.conditions[name].tolist() for name in CONDITIONS]
    keys = zip(rows.store.tolist(), rows.week.astype("datetime64[D]").tolist(), strict=True)
    return dict(zip(keys, zip(rows.sales.tolist(), *conditions, strict=True), strict=True))


def _upsert(connection: sa.Connection, given: Mapping[Key, Values]) -> tuple[int, int]:
    """Write what is new or different; return how many rows of each."""
    found = connection.execute(sa.select(_SALES))
    stored = {(store, week): tuple(values) for store, week, *values in found}
    new = [key for key in given if key not in stored]
    wrong = [key for key in given if stored.get(key, given[key]) != given[key]]

    def records(keys: list[Key], store: str, week: str) -> list[dict[str, Any]]:
        return [
            {store: key[0], week: key[1], **dict(zip(_VALUES, given[key], strict=True))}
            for key in keys
        ]

    if new:
        connection.execute(sa.insert(_SALES), records(new, "store", "week"))
    if wrong:
        is_row = sa.and_(
            _SALES.c.store == sa.bindparam("of_store"), _SALES.c.week == sa.bindparam("of_week")
        )
        connection.execute(sa.update(_SALES).where(is_row), records(wrong, "of_store", "of_week"))
    return len(new), len(wrong)

"""Many rows of sales, to a server and back.

Takes blocks of arrays, gives them to SQLite, MySQL or PostgreSQL in the form that each takes
fastest, and reads a whole table into arrays; every finite number stays exact. Must not know what
the columns mean, and must not begin or end a transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
import sqlalchemy as sa

from sales_forecast.data.facts import Facts
from sales_forecast.data.panel import Array

_EPOCH = np.datetime64("1970-01-01")
_MYSQL_ROWS = 5_000  # a statement of half a megabyte: every server takes it
_MYSQL_SERIES = 250  # read by one statement: it answers within seconds
_MYSQL_CELL = 1 << 30
_SQLITE_ROWS = 50_000
_NOTHING = Facts(np.zeros(0, np.int64), np.zeros(0, "datetime64[D]"), ())


def insert(
    connection: sa.Connection, table: sa.Table, facts: Facts, *, issue: int | None = None
) -> None:
    """Add rows to a table. The columns of `facts` are those of the table, in its order.

    `issue`: what stands in a column before them, alike in all rows; None where there is none.
    """
    same = [] if issue is None else [issue]
    match connection.dialect.name:
        case "sqlite":
            marks = ", ".join("?" * len(table.columns))
            for part in _parts(facts, _SQLITE_ROWS):
                cells = [of.tolist() for of in (part.series, part.days.astype(str), *part.values)]
                cells = [[of] * len(part) for of in same] + cells
                # The driver writes NaN as NULL.
                rows = list(zip(*cells, strict=True))
                connection.exec_driver_sql(f"{_into(table)} VALUES ({marks})", rows)
        case "postgresql":
            from sales_forecast.data import bulk_postgres  # its driver, by need

            bulk_postgres.insert(connection, table, facts, same)
        case _:
            for part in _parts(facts, _MYSQL_ROWS):
                days = [f"'{day}'" for day in part.days.astype(str).tolist()]
                before = "".join(f"{number}," for number in same)
                numbers = (f"{before}{of}" for of in part.series.tolist())
                cells = [numbers, days, *map(_literals, part.values)]
                values = "),(".join(map(",".join, zip(*cells, strict=True)))
                connection.exec_driver_sql(f"{_into(table)} VALUES ({values})")


def read(connection: sa.Connection, table: sa.Table) -> Facts:
    """Return all rows of a table, in any order."""
    match connection.dialect.name:
        case "sqlite":
            return _read_sqlite(connection, table)
        case "postgresql":
            from sales_forecast.data import bulk_postgres  # its driver, by need

            return bulk_postgres.read(connection, table, _numbers(table))
        case _:
            return _read_mysql(connection, table)


def _into(table: sa.Table) -> str:
    return f"INSERT INTO {table.name} ({', '.join(column.name for column in table.columns)})"


def _numbers(table: sa.Table) -> list[str]:
    return [column.name for column in table.columns if not column.primary_key]


def _parts(facts: Facts, size: int) -> Iterator[Facts]:
    for start in range(0, len(facts), size):
        part = slice(start, start + size)
        yield Facts(facts.series[part], facts.days[part], [of[part] for of in facts.values])


def _literals(values: Array) -> Iterator[str]:
    """Yield numbers with an exponent: MySQL takes others for decimals."""
    for value in values.tolist():
        text = repr(value)
        yield "NULL" if value != value else text if "e" in text else f"{text}e0"  # noqa: PLR0124


def _read_sqlite(connection: sa.Connection, table: sa.Table) -> Facts:
    """Read all cells as one stream of numbers: no row is kept as Python objects."""
    numbers = _numbers(table)
    days = "julianday(period) - julianday('1970-01-01')"
    statement = f"SELECT series_id, {days}, {', '.join(numbers)} FROM {table.name}"  # noqa: S608
    rows: Any = connection.exec_driver_sql(statement).cursor
    try:
        # NULL, which is None here, is NaN to numpy.
        cells = np.fromiter(chain.from_iterable(rows), dtype=np.float64)
    except sqlite3.Error as error:  # as of a file that is damaged further on
        raise sa.exc.DBAPIError(statement, None, error) from error
    cells[np.isinf(cells)] = np.nan  # endless numbers, which only others write, are not known
    series, period, *values = cells.reshape(-1, 2 + len(numbers)).T
    return Facts(
        series.astype(np.int64),
        _EPOCH + period.astype(np.int64).astype("timedelta64[D]"),
        values,
    )


def _read_mysql(connection: sa.Connection, table: sa.Table) -> Facts:
    """Read a series as one cell of text: a row of many cells costs this driver too much."""
    numbers = _numbers(table)
    # Of itself the server allows 22 characters for a number, and cuts -0.0000000000000012796...
    cells = ", ".join(f"COALESCE(CAST({name} AS CHAR(64)), 'nan')" for name in numbers)
    connection.exec_driver_sql(f"SET SESSION group_concat_max_len = {_MYSQL_CELL}")
    row = f"CONCAT_WS(',', DATEDIFF(period, '1970-01-01'), {cells})"
    query = (
        f"SELECT series_id, COUNT(*), GROUP_CONCAT({row}) FROM {table.name}"  # noqa: S608
        " WHERE series_id BETWEEN %s AND %s GROUP BY series_id"
    )
    last = connection.scalar(sa.select(sa.func.max(table.c.series_id))) or 0
    series, tables = [], []
    for start in range(0, last + 1, _MYSQL_SERIES):
        found = connection.exec_driver_sql(query, (start, start + _MYSQL_SERIES - 1))
        for number, count, text in found:
            series.append(np.full(count, number, dtype=np.int64))
            tables.append(np.fromstring(text, sep=",").reshape(count, 1 + len(numbers)))
    if not series:
        return _NOTHING
    days, *values = np.concatenate(tables).T
    return Facts(
        np.concatenate(series),
        _EPOCH + days.astype(np.int64).astype("timedelta64[D]"),
        [np.ascontiguousarray(of) for of in values],
    )

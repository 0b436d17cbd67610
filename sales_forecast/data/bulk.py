"""Many rows of sales, to a server and back.

Takes blocks of arrays, gives them to SQLite, MySQL or PostgreSQL in the form that each takes
fastest, and reads a whole table into arrays; every finite number stays exact. Must not know what
the columns mean, and must not begin or end a transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
import psycopg
import sqlalchemy as sa

from sales_forecast.data.facts import Facts
from sales_forecast.data.panel import Array

_EPOCH = np.datetime64("1970-01-01")
_POSTGRES_EPOCH = np.datetime64("2000-01-01")
_MYSQL_ROWS = 5_000  # a statement of half a megabyte: every server takes it
_MYSQL_SERIES = 250  # read by one statement: it answers within seconds
_MYSQL_CELL = 1 << 30
_SQLITE_ROWS = 50_000
_COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END = b"\xff\xff"
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
            content = _COPY_HEADER + b"".join(_copied(facts, same)) + _COPY_END
            names = ", ".join(column.name for column in table.columns)
            statement = f"COPY {table.name} ({names}) FROM STDIN (FORMAT BINARY)"
            try:
                with _psycopg(connection).cursor() as cursor, cursor.copy(statement) as copy:
                    copy.write(content)
            except psycopg.Error as error:
                raise sa.exc.DBAPIError(statement, None, error) from error
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
            return _read_postgres(connection, table)
        case _:
            return _read_mysql(connection, table)


def _psycopg(connection: sa.Connection) -> psycopg.Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)  # noqa: S101 - as the dialect says
    return driver


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


def _copied(facts: Facts, same: Sequence[int]) -> Iterator[bytes]:
    """Yield rows in the binary form of COPY; those with the same NULLs have the same length."""
    series = facts.series
    days = (facts.days - _POSTGRES_EPOCH).astype(np.int64)
    known = np.column_stack([~np.isnan(of) for of in facts.values])
    _, first, group = np.unique(
        np.packbits(known, axis=1), axis=0, return_index=True, return_inverse=True
    )
    group = group.ravel()
    for number, example in enumerate(first.tolist()):
        rows = np.flatnonzero(group == number)
        has = known[example]
        fields = [("n", ">i2")]
        for column in range(len(same)):
            fields += [(f"length of same{column}", ">i4"), (f"same{column}", ">i4")]
        fields += [("l0", ">i4"), ("series", ">i4"), ("l1", ">i4"), ("day", ">i4")]
        for column, there in enumerate(has):
            fields.append((f"length{column}", ">i4"))
            if there:
                fields.append((f"value{column}", ">f8"))
        block = np.empty(len(rows), dtype=fields)
        block["n"] = len(same) + 2 + len(facts.values)
        for column, value in enumerate(same):
            block[f"length of same{column}"], block[f"same{column}"] = 4, value
        block["l0"] = block["l1"] = 4
        block["series"], block["day"] = series[rows], days[rows]
        for column, there in enumerate(has):
            block[f"length{column}"] = 8 if there else -1
            if there:
                block[f"value{column}"] = facts.values[column][rows]
        yield block.tobytes()


def _read_sqlite(connection: sa.Connection, table: sa.Table) -> Facts:
    """Read all cells as one stream of numbers: no row is kept as Python objects."""
    numbers = _numbers(table)
    # NULL as infinity, which is never stored.
    known = ", ".join(f"IFNULL({name}, 9e999)" for name in numbers)
    days = "julianday(period) - julianday('1970-01-01')"
    statement = f"SELECT series_id, {days}, {known} FROM {table.name}"  # noqa: S608
    rows: Any = connection.exec_driver_sql(statement).cursor
    try:
        cells = np.fromiter(chain.from_iterable(rows), dtype=np.float64)
    except sqlite3.Error as error:  # as of a file that is damaged further on
        raise sa.exc.DBAPIError(statement, None, error) from error
    series, period, *values = cells.reshape(-1, 2 + len(numbers)).T
    return Facts(
        series.astype(np.int64),
        _EPOCH + period.astype(np.int64).astype("timedelta64[D]"),
        [np.where(np.isinf(of), np.nan, of) for of in values],
    )


def _read_postgres(connection: sa.Connection, table: sa.Table) -> Facts:
    numbers = _numbers(table)
    known = ", ".join(f"COALESCE({name}, 'NaN')" for name in numbers)
    query = f"SELECT series_id, period, {known} FROM {table.name}"  # noqa: S608 - names of our own
    statement = f"COPY ({query}) TO STDOUT (FORMAT BINARY)"
    try:
        with _psycopg(connection).cursor() as cursor, cursor.copy(statement) as copy:
            content = b"".join(copy)
    except psycopg.Error as error:
        raise sa.exc.DBAPIError(statement, None, error) from error
    fields = [("n", ">i2"), ("l0", ">i4"), ("series", ">i4"), ("l1", ">i4"), ("day", ">i4")]
    for name in numbers:
        fields += [(f"length {name}", ">i4"), (name, ">f8")]
    kind = np.dtype(fields)
    count = (len(content) - len(_COPY_HEADER) - len(_COPY_END)) // kind.itemsize
    rows = np.frombuffer(content, kind, count, offset=len(_COPY_HEADER))
    return Facts(
        rows["series"].astype(np.int64),
        _POSTGRES_EPOCH + rows["day"].astype("timedelta64[D]"),
        [rows[name].astype(np.float64) for name in numbers],
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

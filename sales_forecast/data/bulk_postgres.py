"""Many rows of sales, to PostgreSQL and back, in the binary form of its COPY.

Takes blocks of arrays, gives a whole table as arrays; see `bulk`, which alone asks here. The only
module beside `postgres_silence` that needs this driver.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import psycopg
import sqlalchemy as sa

from sales_forecast.data.facts import Facts

_EPOCH = np.datetime64("2000-01-01")
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"


def insert(connection: sa.Connection, table: sa.Table, facts: Facts, same: Sequence[int]) -> None:
    """Add rows to a table. `same`: what stands in columns before them, alike in all rows."""
    content = _HEADER + b"".join(_copied(facts, same)) + _END
    names = ", ".join(column.name for column in table.columns)
    statement = f"COPY {table.name} ({names}) FROM STDIN (FORMAT BINARY)"
    try:
        with _psycopg(connection).cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(content)
    except psycopg.Error as error:
        raise sa.exc.DBAPIError(statement, None, error) from error


def read(connection: sa.Connection, table: sa.Table, numbers: Sequence[str]) -> Facts:
    """Return all rows of a table, in any order. `numbers`: its columns that are no key."""
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
    count = (len(content) - len(_HEADER) - len(_END)) // kind.itemsize
    rows = np.frombuffer(content, kind, count, offset=len(_HEADER))
    return Facts(
        rows["series"].astype(np.int64),
        _EPOCH + rows["day"].astype("timedelta64[D]"),
        [rows[name].astype(np.float64) for name in numbers],
    )


def _psycopg(connection: sa.Connection) -> psycopg.Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)  # noqa: S101 - as the dialect says
    return driver


def _copied(facts: Facts, same: Sequence[int]) -> Iterator[bytes]:
    """Yield rows in the binary form of COPY; those with the same NULLs have the same length."""
    series = facts.series
    days = (facts.days - _EPOCH).astype(np.int64)
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

"""The rows that a query gives, as a file: sales, and whatever a layout takes beside them.

Takes a file that holds one query and the URL of a database, gives a CSV file for as long as it is
read, which is then judged like any other. Any URL that SQLAlchemy has a driver for. Writes nothing
there: the transaction is read-only where the database knows such a thing, and rolled back.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import sqlalchemy as sa

from sales_forecast.data.database_server import end_where_silent
from sales_forecast.errors import DataRefused, SettingsError, scheme_of

ENDING = ".sql"
SETTING = "SOURCE_DATABASE_URL"
_ROWS_AT_ONCE = 5_000
_READ_ONLY = {
    "sqlite": "PRAGMA query_only = ON",
    "postgresql": "SET TRANSACTION READ ONLY",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
}


@contextmanager
def answered(place: str, url: str | None) -> Iterator[str]:
    """Give a path for a place: itself, or of `FILE.sql` a file of the rows of its query.

    Raises SettingsError where `url` is missing or has no driver here, DataRefused where the
    database refuses the query or there are no rows.
    """
    if not place.endswith(ENDING):
        yield place
        return
    if url is None:
        raise SettingsError(
            f"{place} is a query: set {SETTING} to the URL of the database that is asked, such as "
            "postgresql+psycopg://USER:PASSWORD@HOST/NAME."
        )
    try:
        query = Path(place).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise DataRefused(place, f"cannot be read: {reason}") from None
    with TemporaryDirectory() as folder:
        file = Path(folder) / f"{Path(place).stem}.csv"
        _write(place, query, url, file)
        try:
            yield str(file)
        except DataRefused as error:
            error.message = error.message.replace(str(file), place)
            raise


def _write(place: str, query: str, url: str, file: Path) -> None:
    engine = _engine(url)
    try:
        with engine.connect() as connection:
            if before := _READ_ONLY.get(engine.dialect.name):
                connection.exec_driver_sql(before)
            # A percent sign of the query is no place of a parameter.
            options = {"no_parameters": True, "stream_results": True}
            found = connection.exec_driver_sql(query, execution_options=options)
            if not found.returns_rows:
                raise DataRefused(place, "the query gives no rows: it must be one SELECT")
            _copy(found, file)
    # Drivers raise RuntimeError, too, and ValueError for what they cannot read.
    except (sa.exc.SQLAlchemyError, OSError, RuntimeError, ValueError) as error:
        cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        reason = " ".join(str(cause).split()).rstrip(".")
        raise DataRefused(place, f"the database of {SETTING} refuses it: {reason}") from error
    finally:
        engine.dispose()


def _engine(url: str) -> sa.Engine:
    try:
        engine = sa.create_engine(url, poolclass=sa.NullPool)
    except (sa.exc.NoSuchModuleError, ImportError) as error:
        problem = f"needs a driver that is not installed ({' '.join(str(error).split())})"
    except (sa.exc.ArgumentError, ValueError, TypeError):
        problem = "is no URL of a database"
    else:
        end_where_silent(engine)
        return engine
    raise SettingsError(f"{SETTING} {problem}; it is {scheme_of(url)}") from None


def _copy(found: sa.CursorResult[tuple[object, ...]], file: Path) -> None:
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(found.keys())
        for rows in found.partitions(_ROWS_AT_ONCE):
            writer.writerows([_plain(value) for value in row] for row in rows)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value if any(value.timetuple()[3:6]) or value.microsecond else value.date()
    return int(value) if isinstance(value, bool) else value

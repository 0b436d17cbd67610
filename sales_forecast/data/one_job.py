"""The turn of the weekly job: one at a time on a database, for as long as it takes.

Takes a URL, gives the turn or refuses. Not the lock of writers: loads go on meanwhile. It ends with
the process that holds it, however that ends.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from sales_forecast.data.database_server import Server
from sales_forecast.errors import DatabaseError

_POSTGRES_LOCK = int.from_bytes(b"monitor")  # any number that others in the database do not use
_MYSQL_NAME = "MD5(CONCAT('sales_forecast.monitor.', DATABASE()))"


@contextmanager
def one_job(url: str) -> Iterator[None]:
    """Hold the turn. Raises DatabaseError while another process has it."""
    server = Server(url)
    try:
        with server.connection() as connection:
            name, database = connection.dialect.name, connection.engine.url.database
            if name == "sqlite":
                with _file_lock(Path(f"{database}.monitor-lock")) as free:
                    _check(free)
                    yield
                return
            connection.detach()  # the lock belongs to the session
            ask = (
                f"SELECT pg_try_advisory_lock({_POSTGRES_LOCK})"
                if name == "postgresql"
                else f"SELECT GET_LOCK({_MYSQL_NAME}, 0)"
            )
            free = connection.scalar(sa.text(ask))
            connection.commit()  # no transaction stays open for as long as the job takes
            _check(free)
            yield
    finally:
        server.close()


def _check(free: object) -> None:
    if not free:
        raise DatabaseError(
            "Another `monitor.py run` is at work on this database. Let it end; what it leaves "
            "undone, the next run does."
        )


@contextmanager
def _file_lock(file: Path) -> Iterator[bool]:
    with file.open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True

"""The turn of a long job: one of its kind at a time on a database, for as long as it takes.

Takes a URL, gives the turn or refuses. Not the lock of writers: loads go on meanwhile. It ends with
the process that holds it, however that ends.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from sales_forecast.data.database_server import Server
from sales_forecast.errors import DatabaseError

Job = Literal["monitor", "train"]
"""The door whose turn it is."""
_JOBS: Mapping[Job, str] = {"monitor": "`monitor.py run`", "train": "training"}


@contextmanager
def one_job(url: str, job: Job) -> Iterator[None]:
    """Hold the turn. Raises DatabaseError while another process has it."""
    server, failed = Server(url), None
    try:
        with server.connection() as connection, _turn(connection, job) as free:
            if not free:
                raise DatabaseError(
                    f"Another {_JOBS[job]} is at work on this database. Let it end; what it leaves "
                    "undone, the next run does."
                )
            try:
                yield
            except Exception as error:  # noqa: BLE001 - the job's own, and none of the database
                failed = error
    finally:
        server.close()
    if failed is not None:
        raise failed


@contextmanager
def _turn(connection: sa.Connection, job: Job) -> Iterator[bool]:
    name, database = connection.dialect.name, connection.engine.url.database
    if name == "sqlite":
        with _file_lock(Path(f"{database}.{job}-lock")) as free:
            yield free
        return
    connection.detach()  # the lock belongs to the session
    ask, of = "GET_LOCK(MD5(CONCAT(:of, DATABASE())), 0)", f"sales_forecast.{job}."
    if name == "postgresql":  # a number that others in the database do not use
        ask, of = "pg_try_advisory_lock(CAST(:of AS bigint))", str(int.from_bytes(job.encode()))
    free = connection.scalar(sa.text(f"SELECT {ask}"), {"of": of})
    connection.commit()  # no transaction stays open for as long as the job takes
    yield bool(free)


@contextmanager
def _file_lock(file: Path) -> Iterator[bool]:
    with file.open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True

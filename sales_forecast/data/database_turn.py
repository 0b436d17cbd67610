"""The turn to write to a database: one writer at a time, readers never wait.

Takes a connection, waits until the turn is its own, which it is until it closes. Must not know what
is written.
"""

from __future__ import annotations

import logging
import time

import sqlalchemy as sa

from sales_forecast.errors import DatabaseError

_TURN_SECONDS = 5
_SECONDS_BETWEEN = 0.05
_POSTGRES_LOCK = int.from_bytes(b"sales")  # any number that others in the database do not use

logger = logging.getLogger(__name__)


def take_turn(connection: sa.Connection, seconds: int) -> None:
    """Wait for the turn. Raises DatabaseError where others still write after so many seconds."""
    if connection.dialect.name == "mysql":
        connection.detach()  # the lock belongs to the session: it must not return to the pool
    begun, told = time.monotonic(), False
    while not _let_in(connection):
        waited = time.monotonic() - begun
        if waited >= seconds:
            raise DatabaseError(f"Another writer still works after {waited:.0f} s. Try again.")
        if not told:
            logger.warning("Another writer is at work: waiting for it, for %d s at most.", seconds)
            told = True
        time.sleep(_SECONDS_BETWEEN)


def _let_in(connection: sa.Connection) -> bool:
    """Wait a while for the turn to write, not so long that a server that makes wait looks dead."""
    name, turn = connection.dialect.name, _TURN_SECONDS
    if name == "mysql":
        ask = f"SELECT GET_LOCK(MD5(CONCAT('sales_forecast.', DATABASE())), {turn})"
        return bool(connection.scalar(sa.text(ask)))
    try:
        if name == "sqlite":
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {turn * 1000}")
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")  # readers do not wait
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{turn}s'")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_POSTGRES_LOCK})")
    except sa.exc.OperationalError as error:
        if not any(word in str(error.orig) for word in ("locked", "lock timeout")):
            raise
        connection.rollback()
        return False
    return True

"""How long answers are kept: what is older is deleted, and how much that was is kept.

Takes settings, deletes rows of the ledger some at a time, each time beside a row that says so. For
the weekly job, under an account that may delete; the service's may not.
"""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from sales_forecast.data.ledger.ids import first_id, new_id
from sales_forecast.data.ledger.store import LedgerStore
from sales_forecast.data.ledger.tables import (
    HISTORY_CLEARED,
    PREDICTION_DELETIONS,
    PREDICTION_KEYS,
    PREDICTIONS,
    ledger_url,
)
from sales_forecast.errors import DatabaseError
from sales_forecast.settings import Settings

_AT_ONCE = 5_000
"""Rows of one transaction: few enough for a server to answer within seconds."""


def prune(settings: Settings) -> int:
    """Delete the answers older than PREDICTION_RETENTION_DAYS. Returns how many those were.

    Killed in between, it has deleted what `prediction_deletions` says, and the next run goes on.
    Raises DatabaseError.
    """
    url = ledger_url(settings.database_url)
    if url is None:
        return 0
    kept = timedelta(days=settings.prediction_retention_days)
    oldest = first_id(datetime.now(UTC) - kept)
    deleted = 0
    with closing(LedgerStore(url)) as store, store.connection() as connection:
        while some := _delete_some(connection, oldest):
            deleted += some
        _delete_keys(connection, oldest)
    return deleted


def _delete_some(connection: sa.Connection, oldest: str) -> int:
    """Delete the first rows before an id, and say so, in one transaction."""
    of = PREDICTIONS.c.id
    _begin(connection)
    old = sa.select(of).where(of < oldest)
    beyond = connection.scalar(old.order_by(of).offset(_AT_ONCE).limit(1))
    before = oldest if beyond is None else beyond
    count = connection.scalar(sa.select(sa.func.count()).where(of < before)) or 0
    if count:
        trace = {
            "id": new_id(),
            "deleted_at": datetime.now(UTC),
            "before_id": before,
            "predictions": count,
        }
        connection.execute(sa.insert(PREDICTION_DELETIONS), trace)
        connection.execute(sa.delete(HISTORY_CLEARED).where(HISTORY_CLEARED.c.id < before))
        deleted = connection.execute(sa.delete(PREDICTIONS).where(of < before)).rowcount
        if deleted != count:
            raise DatabaseError("Something else deletes answers at the same time. Try again.")
    connection.commit()
    return count


def _delete_keys(connection: sa.Connection, oldest: str) -> None:
    """Delete by what no answer before an id is found any more, one series after the other."""
    key, prediction = PREDICTION_KEYS.c.key_hash, PREDICTION_KEYS.c.prediction_id
    first = sa.select(key).order_by(key).limit(1)
    found = connection.scalar(first)
    while found is not None:
        connection.rollback()
        _begin(connection)
        old = sa.delete(PREDICTION_KEYS).where(key == found, prediction < oldest)
        connection.execute(old)
        connection.commit()
        found = connection.scalar(first.where(key > found))
    connection.rollback()


def _begin(connection: sa.Connection) -> None:
    if connection.dialect.name == "sqlite":  # its driver begins nothing by itself
        connection.exec_driver_sql("BEGIN IMMEDIATE")

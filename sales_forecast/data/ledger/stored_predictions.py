"""What was answered, read back: rows of the ledger as they were written, the newest first.

Takes filters and where a page goes on, gives rows. An answer is here about a second after it left,
when it has been moved into the database. Must not write, nor know HTTP.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sales_forecast.data import schema
from sales_forecast.data.database_server import Server
from sales_forecast.data.ledger.ids import first_id
from sales_forecast.data.ledger.tables import (
    HISTORY_CLEARED,
    PREDICTION_KEYS,
    PREDICTIONS,
    key_hash,
    ledger_url,
)
from sales_forecast.data.moments import in_utc

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_BYTES = 2_000_000
"""A hundred series a year ahead are megabytes of one answer; a page holds no more than these."""
_MOST_LOOKED_THROUGH = 20_000
"""By endpoint and model there is no index: a page is made of what is found in so many answers."""
_MOST_CLEARED = 20
_ROW, _KEY, _CLEARED = PREDICTIONS.c, PREDICTION_KEYS.c, HISTORY_CLEARED.c


@dataclass(frozen=True)
class PageWish:
    """Which answers are asked for.

    Attributes:
        limit: how many at most, at least 1.
        keys: field -> value of a series that they are about; none: about any.
        since: given then or later; aware of its time zone. `until`: earlier than then.
        before: the id that they are older than.
        caller: whose they are; None: anyone's.
        endpoint, model: what was asked, and what answered; None: any.
    """

    limit: int
    keys: Mapping[str, int | str] = field(default_factory=dict)
    since: datetime | None = None
    before: str | None = None
    caller: str | None = None
    until: datetime | None = None
    endpoint: str | None = None
    model: str | None = None


@dataclass(frozen=True)
class Page:
    """Some answers, and the id that older ones follow; a page may be empty and others follow."""

    rows: Sequence[Mapping[str, Any]]
    last: str | None


class StoredPredictions:
    """Reads the ledger of a database. Connects at need; safe to share between threads."""

    def __init__(self, database_url: str) -> None:
        """Take the setting DATABASE_URL. Raises SettingsError for another form."""
        url = ledger_url(database_url)
        self._server = None if url is None else Server(url)
        self._file = None
        if url is not None and url.startswith("sqlite"):
            self._file = Path(str(sa.make_url(url).database))

    def close(self) -> None:
        """Close the idle connections."""
        if self._server is not None:
            self._server.close()

    def page(self, wish: PageWish) -> Page:
        """Return a page of answers, fewer than the limit where they are long.

        Raises DatabaseError, and NotReady for tables of another release.
        """
        with self._connection() as connection:
            if connection is None:
                return Page([], None)
            query, end = _sizes(wish), None
            chosen = [_ROW[name] == value for name, value in _unindexed(wish)]
            if chosen:
                end = connection.scalar(_ids(wish).offset(_MOST_LOOKED_THROUGH - 1).limit(1))
                query = query.where(*chosen, *([] if end is None else [_ROW.id >= end]))
            found = [(of, size) for of, size in connection.execute(query)]
            ids = list(_fitting(found[: wish.limit]))
            of_ids = sa.select(PREDICTIONS).where(_ROW.id.in_(ids)).order_by(_ROW.id.desc())
            rows = [_row(of) for of in connection.execute(of_ids).mappings()]
            return Page(rows, ids[-1] if len(ids) < len(found) else end)

    def find(self, prediction_id: str, caller: str | None = None) -> Mapping[str, Any] | None:
        """Return an answer by its id, None if it is not there, or not of a caller that is given.

        Raises as `page` does.
        """
        with self._connection() as connection:
            if connection is None:
                return None
            query = sa.select(PREDICTIONS).where(_ROW.id == prediction_id, *_of(caller))
            found = connection.execute(query).mappings().one_or_none()
            return None if found is None else _row(found)

    def cleared(self, caller: str | None) -> Sequence[Mapping[str, Any]]:
        """Return what a caller, or anyone, cleared from their page, the newest first, a few rows.

        Raises as `page` does.
        """
        with self._connection() as connection:
            if connection is None or not sa.inspect(connection).has_table(HISTORY_CLEARED.name):
                return []  # on SQLite the service makes it, once it writes
            mine = [] if caller is None else [_CLEARED.caller == caller]
            query = sa.select(HISTORY_CLEARED).where(*mine).order_by(_CLEARED.id.desc())
            return [
                {**of, "cleared_at": in_utc(of["cleared_at"]), "up_to": in_utc(of["up_to"])}
                for of in connection.execute(query.limit(_MOST_CLEARED)).mappings()
            ]

    def newest_origins(self, most: int) -> Sequence[date]:
        """Return the newest origins that answers start from. Raises as `page`."""
        asked = sa.select(_ROW.origin).distinct().order_by(_ROW.origin.desc()).limit(most)
        with self._connection() as connection:
            return [] if connection is None else [*connection.scalars(asked)]

    def of_origin(self, origin: date) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
        """Return names of columns, and the answers that start from an origin, oldest first."""
        asked = sa.select(PREDICTIONS).where(_ROW.origin == origin).order_by(_ROW.id)
        with self._connection() as connection:
            rows = [] if connection is None else connection.execute(asked).all()
        return PREDICTIONS.c.keys(), rows

    @contextmanager
    def _connection(self) -> Iterator[sa.Connection | None]:
        """Give a connection, None while there are no tables because nothing was answered."""
        if self._server is None or (self._file is not None and not self._file.exists()):
            yield None
            return
        with self._server.connection() as connection:
            if self._file is not None:
                there = sa.inspect(connection).has_table(PREDICTIONS.name)
            else:
                there = schema.form(connection, self._server.shown) is schema.Form.STAR
            yield connection if there else None


def _sizes(wish: PageWish) -> sa.Select[Any]:
    """Return what selects ids and the bytes of each answer, one more than is asked for."""
    size = sa.func.length(sa.cast(_ROW.answer, sa.Text))
    query = _ids(wish).add_columns(size).limit(wish.limit + 1)
    if wish.keys:
        both = PREDICTION_KEYS.join(PREDICTIONS, _ROW.id == _KEY.prediction_id)
        query = query.select_from(both)
    return query


def _ids(wish: PageWish) -> sa.Select[Any]:
    """Return what selects ids by an index, the newest first."""
    of = _KEY.prediction_id if wish.keys else _ROW.id
    query = sa.select(of).order_by(of.desc())
    if wish.keys:
        query = query.where(_KEY.key_hash == key_hash(wish.keys, wish.caller))
    else:
        query = query.where(*_of(wish.caller))
    if wish.since is not None:
        query = query.where(of >= first_id(max(wish.since, _EPOCH)))
    if wish.until is not None:
        query = query.where(of < first_id(max(wish.until, _EPOCH)))
    if wish.before is not None:
        query = query.where(of < wish.before)
    return query


def _unindexed(wish: PageWish) -> list[tuple[str, str]]:
    found = ("endpoint", wish.endpoint), ("model", wish.model)
    return [(name, value) for name, value in found if value is not None]


def _of(caller: str | None) -> list[sa.ColumnElement[bool]]:
    return [] if caller is None else [_ROW.caller == caller]


def _fitting(found: Sequence[tuple[str, int]]) -> Iterator[str]:
    """Yield the first ids whose answers fit on a page, at least one of them."""
    whole = 0
    for number, (of, size) in enumerate(found):
        whole += size
        if number and whole > _MOST_BYTES:
            return
        yield of


def _row(found: sa.RowMapping) -> Mapping[str, Any]:
    return {**found, "answered_at": in_utc(found["answered_at"])}

"""The ledger of answers in its database: rows are added, once each, and never changed.

Takes rows as lines of JSON and hands them to the database as they are, which reads them itself:
the process that answers requests spends nothing on it. The file of SQLite is made here, with the
triggers that keep it append-only; elsewhere a migration has made the tables, and rights keep them.
Must not know who answers, nor files of lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import sqlalchemy as sa

from sales_forecast.data.ledger.ids import new_id
from sales_forecast.data.ledger.tables import (
    HISTORY_CLEARED,
    METADATA,
    PREDICTION_KEYS,
    PREDICTIONS,
)
from sales_forecast.data.tables import Tables

COLUMNS = tuple(PREDICTIONS.columns.keys())
"""What a line holds, in this order, and after it a list of `key_hash`es."""
_INTO = f"INTO predictions ({', '.join(COLUMNS)})"
_INTO_KEYS = "INTO prediction_keys (key_hash, prediction_id)"
_COVERED = "SELECT before_id FROM prediction_deletions ORDER BY id DESC LIMIT 1"
_TRIGGERS = (
    # A row that is there already is left as it is, also by INSERT OR REPLACE.
    """CREATE TRIGGER IF NOT EXISTS predictions_once BEFORE INSERT ON predictions
    WHEN EXISTS (SELECT 1 FROM predictions WHERE id = NEW.id) BEGIN SELECT RAISE(IGNORE); END""",
    *(
        f"""CREATE TRIGGER IF NOT EXISTS {table}_unchanged BEFORE UPDATE ON {table}
    BEGIN SELECT RAISE(ABORT, '{table} is append-only: write a row that corrects it'); END"""
        for table in METADATA.tables
    ),
    *(
        f"""CREATE TRIGGER IF NOT EXISTS {table}_kept BEFORE DELETE ON {table}
    WHEN OLD.{column} >= IFNULL(({_COVERED}), '')
    BEGIN SELECT RAISE(ABORT, '{table} is append-only: only what prediction_deletions says'); END"""
        for table, column in (
            ("predictions", "id"),
            ("prediction_keys", "prediction_id"),
            ("history_cleared", "id"),
        )
    ),
    """CREATE TRIGGER IF NOT EXISTS prediction_deletions_kept BEFORE DELETE ON prediction_deletions
    BEGIN SELECT RAISE(ABORT, 'prediction_deletions is append-only'); END""",
)


class LedgerStore(Tables):
    """The tables of the ledger, by a URL as `tables.ledger_url` gives it."""

    @contextmanager
    def connection(self) -> Iterator[sa.Connection]:
        """Give a connection to tables that are there. Raises DatabaseError as `Server` does."""
        with self._server.connection(makes_file=True) as connection:
            if connection.dialect.name == "sqlite":
                _make(connection)
            yield connection

    def clear(self, caller: str, up_to: datetime) -> None:
        """Hide what was answered before a moment from a caller's page; the answers stay."""
        row = {
            "id": new_id(),
            "cleared_at": datetime.now(UTC),
            "caller": caller,
            "up_to": up_to.astimezone(UTC),
        }
        with self.connection() as connection:
            connection.execute(sa.insert(HISTORY_CLEARED), row)
            connection.commit()

    def correct(
        self, prediction_id: str, answer: Sequence[object], reason: str, by: str
    ) -> str | None:
        """Write an answer that puts another one right. Returns its id; None if there is no other.

        `answer`: what it should have been, in the form of `PREDICTIONS`. `reason` and `by` whom it
        was corrected are kept as its warnings; its caller is that of the other, who is shown it.
        """
        with self.connection() as connection:
            of = sa.select(PREDICTIONS).where(PREDICTIONS.c.id == prediction_id)
            found = connection.execute(of).mappings().one_or_none()
            if found is None:
                return None
            keys = sa.select(PREDICTION_KEYS.c.key_hash).where(
                PREDICTION_KEYS.c.prediction_id == prediction_id
            )
            new = {
                **found,
                "id": new_id(),
                "answered_at": datetime.now(UTC).replace(tzinfo=None).isoformat(" "),
                "origin": str(found["origin"]),
                "warnings": [reason, f"Corrected by {by}."],
                "answer": list(answer),
                "corrects": prediction_id,
            }
            line = [*(new[name] for name in COLUMNS), [*connection.scalars(keys)]]
            connection.rollback()
            add(connection, [json.dumps(line).encode()])
        return str(new["id"])


def add(connection: sa.Connection, lines: Sequence[bytes]) -> None:
    """Add rows, and commit; those that are there already stay as they are.

    Raises sa.exc.SQLAlchemyError, also for a line that is none: with nothing added.
    """
    rows = b"[%b]" % b",".join(lines)
    match connection.dialect.name:
        case "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            for statement in _SQLITE:
                connection.exec_driver_sql(statement, (rows.decode(),))
        case "postgresql":
            for statement in _POSTGRES:
                connection.exec_driver_sql(statement, (rows.decode(),))
        case _:
            # As digits: to escape a text takes this driver so long that answers would wait.
            given = f"SET @given = CONVERT(X'{rows.hex()}' USING utf8mb4)"
            for statement in (given, *_MYSQL):
                connection.exec_driver_sql(statement)
    connection.commit()


def is_row(line: bytes) -> bool:
    """Say whether a line was written whole."""
    try:
        found = json.loads(line)
    except ValueError:
        return False
    return isinstance(found, list) and len(found) == len(COLUMNS) + 1


def _make(connection: sa.Connection) -> None:
    """Make the file of SQLite."""
    there = "SELECT 1 FROM sqlite_master WHERE name = 'history_cleared_kept'"
    if connection.exec_driver_sql(there).first():
        return
    connection.exec_driver_sql("PRAGMA journal_mode = WAL")  # readers do not wait
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    METADATA.create_all(connection)
    for trigger in _TRIGGERS:
        connection.exec_driver_sql(trigger)
    connection.commit()


def _sqlite() -> tuple[str, str]:
    cells = ", ".join(f"json_extract(value, '$[{at}]')" for at in range(len(COLUMNS)))
    # Materialized: else SQLite writes a row as JSON anew for each of its cells.
    of_rows = "WITH given AS MATERIALIZED (SELECT value FROM json_each(?))"
    of_keys = (
        "WITH given AS MATERIALIZED (SELECT json_extract(value, '$[0]') AS id,"
        f" json_extract(value, '$[{len(COLUMNS)}]') AS keys FROM json_each(?))"
    )
    return (
        f"{of_rows} INSERT {_INTO} SELECT {cells} FROM given WHERE true ON CONFLICT DO NOTHING",
        (
            f"{of_keys} INSERT {_INTO_KEYS} SELECT value, given.id FROM given, json_each(keys)"
            " WHERE true ON CONFLICT DO NOTHING"
        ),
    )


def _postgres() -> tuple[str, str]:
    kinds = {"id": "::uuid", "corrects": "::uuid", "origin": "::date"}
    kinds |= {"answered_at": "::timestamp AT TIME ZONE 'UTC'"}
    kinds |= dict.fromkeys(("covariates", "warnings", "answer"), "::json")
    cells = ", ".join(f"(r ->> {at}){kinds.get(name, '')}" for at, name in enumerate(COLUMNS))
    keys = f"json_array_elements_text(r -> {len(COLUMNS)})"
    rows = "json_array_elements(%s::json) AS r"
    return (
        f"INSERT {_INTO} SELECT {cells} FROM {rows} ON CONFLICT DO NOTHING",
        (
            f"INSERT {_INTO_KEYS} SELECT key::bigint, (r ->> 0)::uuid FROM {rows}, {keys} AS key"
            " ON CONFLICT DO NOTHING"
        ),
    )


def _mysql() -> tuple[str, str]:
    kinds = {"id": "VARCHAR(36)", "corrects": "VARCHAR(36)", "origin": "DATE"}
    kinds |= {"answered_at": "DATETIME(6)"}
    kinds |= dict.fromkeys(("covariates", "warnings", "answer"), "JSON")
    cells = ", ".join(
        f"{name} {kinds.get(name, 'VARCHAR(64)')} PATH '$[{at}]'" for at, name in enumerate(COLUMNS)
    )
    keys = f"NESTED PATH '$[{len(COLUMNS)}][*]' COLUMNS (key_hash BIGINT PATH '$')"
    return (
        (
            f"INSERT IGNORE {_INTO} SELECT {', '.join(COLUMNS)}"
            f" FROM JSON_TABLE(@given, '$[*]' COLUMNS ({cells})) AS rows_given"
        ),
        (
            f"INSERT IGNORE {_INTO_KEYS} SELECT key_hash, id FROM JSON_TABLE(@given, '$[*]' COLUMNS"
            f" (id VARCHAR(36) PATH '$[0]', {keys})) AS rows_given WHERE key_hash IS NOT NULL"
        ),
    )


_SQLITE, _POSTGRES, _MYSQL = _sqlite(), _postgres(), _mysql()

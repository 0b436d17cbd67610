"""What people change of forecasts, and what is planned because of that.

Every statement makes only what is not there yet, so that the next run completes one that was
interrupted: MySQL ends a transaction with every change of tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql, postgresql

revision = "v0_7_overrides"
down_revision = "v0_6_predictions"
branch_labels = None
depends_on = None

_OPTIONS: Mapping[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}
_REFUSED = "overrides is append-only: undo one by another row"
_TRIGGERS = {
    # Of a row only the name of a person may change: it becomes a number one day.
    "overrides_unchanged": "UPDATE OF id, number, made_at, scope, first_target, last_target, kind,"
    " amount, reason, note, undoes, issue_id, seen ON overrides",
    "overrides_kept": "DELETE ON overrides",
    # REPLACE deletes without a trigger of DELETE.
    "overrides_once": "INSERT ON overrides WHEN EXISTS"
    " (SELECT 1 FROM overrides WHERE number = NEW.number OR id = NEW.id)",
}


def upgrade() -> None:
    """Make the tables, and on SQLite the triggers that keep overrides append-only."""
    _tables().create_all(op.get_bind())
    if op.get_bind().dialect.name == "sqlite":
        for name, refused in _TRIGGERS.items():
            op.get_bind().exec_driver_sql(
                f"CREATE TRIGGER IF NOT EXISTS {name} BEFORE {refused}"
                f" BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END"
            )


def downgrade() -> None:
    """Do nothing: earlier releases do not know these tables."""


def _tables() -> sa.MetaData:
    uuid = (
        sa.String(36)
        .with_variant(mysql.VARCHAR(36, charset="ascii", collation="ascii_bin"), "mysql", "mariadb")
        .with_variant(postgresql.UUID(as_uuid=False), "postgresql")
    )
    text = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
    moment = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    metadata = sa.MetaData()
    sa.Table(
        "overrides",
        metadata,
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False, comment="in order"),
        sa.Column("id", uuid, nullable=False, unique=True, comment="UUIDv7"),
        sa.Column("made_at", moment, nullable=False, comment="UTC"),
        sa.Column("made_by", sa.String(64), nullable=False, comment="the name of the API key"),
        sa.Column("scope", text, nullable=False, comment="JSON: column of dim_series -> value"),
        sa.Column("first_target", sa.Date, nullable=False),
        sa.Column("last_target", sa.Date, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False, comment="value, percent, units or undo"),
        sa.Column("amount", sa.Double, comment="NULL of an undo"),
        sa.Column("reason", sa.String(32), comment="NULL of an undo"),
        sa.Column("note", text, nullable=False),
        sa.Column("undoes", uuid, comment="the id of the override that this takes back"),
        sa.Column("issue_id", sa.Integer, nullable=False, comment="the forecasts it was made on"),
        sa.Column("seen", text, nullable=False, comment="JSON: each period before and after"),
        sa.Index("overrides_by_last_target", "last_target"),
        **_OPTIONS,
    )
    sa.Table(
        "planned_sales",
        metadata,
        sa.Column("issue_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("series_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("target", sa.Date, primary_key=True, comment="the day that ends the period"),
        sa.Column("planned", sa.Double, nullable=False, comment="rounded to cents"),
        sqlite_with_rowid=False,
        **_OPTIONS,
    )
    sa.Table(
        "override_effects",
        metadata,
        sa.Column("issue_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("target", sa.Date, primary_key=True, comment="the day that ends the period"),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("baseline_sales", sa.Double, nullable=False, comment="of all it is about"),
        sa.Column("before_sales", sa.Double, nullable=False, comment="with what stood before it"),
        sa.Column("after_sales", sa.Double, nullable=False),
        sqlite_with_rowid=False,
        **_OPTIONS,
    )
    return metadata

"""Forecasts that are issued once and kept: one row an issue, one row a series and period.

MySQL ends a transaction with every change of tables: so each step looks at what is there, and the
next run completes one that was interrupted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "v0_6_forecasts"
down_revision = "v0_6_star"
branch_labels = None
depends_on = None

_OPTIONS: Mapping[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}
_REFUSED = "what was forecast is kept as it was: run python train.py forecast to issue anew"
_THINNED = """EXISTS (
    SELECT 1 FROM forecast_issues i WHERE i.id = OLD.issue_id
    AND i.origin < (SELECT DATE(MAX(origin), '-182 days') FROM forecast_issues)
    AND OLD.target > DATE(i.origin, '+91 days')
)"""
"""Steps beyond 13 weeks of origins more than 26 weeks older than the newest; see `forecasts`."""
_TRIGGERS = {
    "forecast_issues_update": "UPDATE ON forecast_issues",
    "forecast_issues_delete": "DELETE ON forecast_issues",
    "forecast_issues_insert": "INSERT ON forecast_issues WHEN EXISTS"
    " (SELECT 1 FROM forecast_issues WHERE id = NEW.id)",
    "forecasts_update": "UPDATE ON forecasts",
    "forecasts_delete": f"DELETE ON forecasts WHEN NOT {_THINNED}",
    # REPLACE deletes without a trigger of DELETE.
    "forecasts_insert": "INSERT ON forecasts WHEN EXISTS (SELECT 1 FROM forecasts"
    " WHERE issue_id = NEW.issue_id AND series_id = NEW.series_id AND target = NEW.target)",
}


def upgrade() -> None:
    """Make the tables, and on SQLite the triggers that keep them append-only."""
    _tables().create_all(op.get_bind())
    if op.get_bind().dialect.name == "sqlite":
        for name, refused in _TRIGGERS.items():
            op.get_bind().exec_driver_sql(
                f"CREATE TRIGGER IF NOT EXISTS {name} BEFORE {refused}"
                f" BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END"
            )


def downgrade() -> None:
    """Do nothing: release 0.5 does not know these tables."""


def _tables() -> sa.MetaData:
    text = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
    metadata = sa.MetaData()
    sa.Table(
        "forecast_issues",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("origin", sa.Date, nullable=False, comment="the last period that was known"),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False, comment="UTC"),
        sa.Column("role", sa.String(16), nullable=False, comment="best or baseline"),
        sa.Column("model", sa.String(64), nullable=False),
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False, comment="of the sales known then"),
        sa.Column("horizon", sa.Integer, nullable=False, comment="periods after the origin"),
        sa.Column("sums", text, nullable=False, comment="JSON: intervals measured on sums"),
        sa.Column("warnings", text, nullable=False, comment="JSON"),
        sa.Index("forecast_issues_newest", "role", "origin"),
        **_OPTIONS,
    )
    sa.Table(
        "forecasts",
        metadata,
        sa.Column("issue_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("series_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("target", sa.Date, primary_key=True, comment="the day that ends the period"),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("sales", sa.Double, nullable=False, comment="expected, rounded to cents"),
        *(
            sa.Column(f"{end}_{level}", sa.Double, comment="NULL: too little was measured")
            for level in (80, 95)
            for end in ("lower", "upper")
        ),
        sqlite_with_rowid=False,
        **_OPTIONS,
    )
    return metadata

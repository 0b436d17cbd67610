"""What is watched: judged forecasts, alarms, who was champion, and the steps of the weekly job.

Every statement makes only what is not there yet, so that the next run completes one that was
interrupted: MySQL ends a transaction with every change of tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "v0_6_operations"
down_revision = "v0_6_quantiles"
branch_labels = None
depends_on = None

_OPTIONS: Mapping[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}
_COUNTS = ("n", "n_intervals_80", "inside_80", "n_intervals_95", "inside_95")
_SUMS = (
    "sold",
    "abs_sold",
    "forecast",
    "abs_error",
    "weight",
    "weighted_abs_error",
    "compared_abs_error",
    "baseline_abs_error",
    "pinball",
    "pinball_sold",
)
_NEWEST = """SELECT s.* FROM scores_realised s WHERE NOT EXISTS (
    SELECT 1 FROM scores_realised t
    WHERE t.level = 'series' AND t.slice = 'all' AND t.slice_value = 'all'
    AND t.role = s.role AND t.target = s.target AND t.step = s.step
    AND (t.issue_id > s.issue_id OR (t.issue_id = s.issue_id AND t.revision > s.revision))
)"""
"""Of each target and step the newest issue, by the sales that are stored now."""


def upgrade() -> None:
    """Make the tables, and a view of the scores that count."""
    _tables().create_all(op.get_bind())
    made = "VIEW IF NOT EXISTS" if op.get_bind().dialect.name == "sqlite" else "OR REPLACE VIEW"
    op.get_bind().exec_driver_sql(f"CREATE {made} scores_newest AS {_NEWEST}")


def downgrade() -> None:
    """Do nothing: earlier releases do not know these tables."""


def _tables() -> sa.MetaData:
    text = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
    # Labels may differ in case alone.
    binary = mysql.VARCHAR(64, charset="utf8mb4", collation="utf8mb4_bin")
    label = sa.String(64).with_variant(binary, "mysql", "mariadb")
    metadata = sa.MetaData()
    sa.Table(
        "scores_realised",
        metadata,
        # In the order of what is asked: one level and slice of a span of periods.
        sa.Column("level", sa.String(16), primary_key=True, comment="series, store or chain"),
        sa.Column("slice", sa.String(16), primary_key=True, comment="all, holiday, size, ..."),
        sa.Column("slice_value", label, primary_key=True),
        sa.Column("role", sa.String(16), primary_key=True, comment="best or baseline"),
        sa.Column("target", sa.Date, primary_key=True, comment="the day that ends the period"),
        sa.Column("step", sa.Integer, primary_key=True, autoincrement=False, comment="periods"),
        sa.Column("issue_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("origin", sa.Date, nullable=False, comment="the last period that was known"),
        sa.Column("model", sa.String(64), nullable=False),
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("facts", sa.String(64), nullable=False, comment="hash of the sales judged by"),
        sa.Column("judged_at", sa.DateTime(timezone=True), nullable=False, comment="UTC"),
        *(sa.Column(name, sa.Integer, nullable=False) for name in _COUNTS),
        *(sa.Column(name, sa.Double, nullable=False, comment="a sum") for name in _SUMS),
        sqlite_with_rowid=False,
        **_OPTIONS,
    )
    sa.Table(
        "alarms",
        metadata,
        sa.Column("week", sa.Date, primary_key=True, comment="the period that raised it"),
        sa.Column("rule", sa.String(32), primary_key=True),
        sa.Column("subject", sa.String(128), primary_key=True, comment="chain, a group, a series"),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False, comment="UTC"),
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("statistic", sa.Double, nullable=False),
        sa.Column("alarm_limit", sa.Double, nullable=False),
        sa.Column("message", text, nullable=False),
        **_OPTIONS,
    )
    sa.Table(
        "model_deployments",
        metadata,
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("champion_from", sa.DateTime(timezone=True), nullable=False, comment="UTC"),
        sa.Column("champion_until", sa.DateTime(timezone=True), comment="UTC; NULL: it still is"),
        sa.Column("reason", text, nullable=False),
        sa.Column("decided_by", sa.String(128), nullable=False),
        sa.Column("verdict", text, nullable=False, comment="JSON, of the gate"),
        **_OPTIONS,
    )
    sa.Table(
        "monitor_steps",
        metadata,
        sa.Column("week", sa.Date, primary_key=True, comment="the Monday it is the work of"),
        sa.Column("step", sa.String(32), primary_key=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False, comment="UTC"),
        sa.Column("outcome", text, nullable=False, comment="JSON"),
        **_OPTIONS,
    )
    return metadata

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
_SUMS = (
    "sold",
    "forecast",
    "abs_error",
    "weighted_abs_error",
    "weighted_sold",
    "baseline_abs_error",
    "pinball",
)


def upgrade() -> None:
    """Make the tables."""
    _tables().create_all(op.get_bind())


def downgrade() -> None:
    """Do nothing: earlier releases do not know these tables."""


def _tables() -> sa.MetaData:
    text = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
    metadata = sa.MetaData()
    sa.Table(
        "scores_realised",
        metadata,
        sa.Column("target", sa.Date, primary_key=True, comment="the day that ends the period"),
        sa.Column("lag", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("level", sa.String(16), primary_key=True, comment="series, store or chain"),
        sa.Column("slice", sa.String(32), primary_key=True, comment="all, holiday, size, ..."),
        sa.Column("slice_value", sa.String(64), primary_key=True),
        sa.Column("role", sa.String(16), primary_key=True, comment="best or baseline"),
        sa.Column("model_version", sa.String(64), primary_key=True),
        sa.Column("facts", sa.String(64), primary_key=True, comment="hash of the sales judged by"),
        sa.Column("judged_at", sa.DateTime(timezone=True), nullable=False, comment="UTC"),
        sa.Column("model", sa.String(64), nullable=False),
        sa.Column("n", sa.Integer, nullable=False, comment="forecasts judged"),
        *(sa.Column(name, sa.Double, comment="a sum over them") for name in _SUMS),
        *(sa.Column(f"inside_{level}", sa.Integer, nullable=False) for level in (80, 95)),
        *(sa.Column(f"n_intervals_{level}", sa.Integer, nullable=False) for level in (80, 95)),
        sa.Index("scores_realised_newest", "target", "judged_at"),
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

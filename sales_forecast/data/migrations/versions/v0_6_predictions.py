"""The ledger of answers, and the trace of what was deleted of it.

On SQLite it is a file of its own, which the service makes: nothing is made here. Every statement
makes only what is not there yet, so that the next run completes one that was interrupted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql, postgresql

revision = "v0_6_predictions"
down_revision = "v0_6_operations"
branch_labels = None
depends_on = None

_OPTIONS: Mapping[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}


def upgrade() -> None:
    """Make the tables."""
    if op.get_bind().dialect.name != "sqlite":
        _tables().create_all(op.get_bind())


def downgrade() -> None:
    """Do nothing: earlier releases do not know these tables."""


def _tables() -> sa.MetaData:
    uuid = (
        sa.String(36)
        .with_variant(mysql.VARCHAR(36, charset="ascii", collation="ascii_bin"), "mysql", "mariadb")
        .with_variant(postgresql.UUID(as_uuid=False), "postgresql")
    )
    moment = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    metadata = sa.MetaData()
    sa.Table(
        "predictions",
        metadata,
        sa.Column("id", uuid, primary_key=True, comment="UUIDv7, as in X-Prediction-ID"),
        sa.Column("answered_at", moment, nullable=False, comment="UTC"),
        sa.Column("request_id", sa.String(64), nullable=False, comment="as in X-Request-ID"),
        sa.Column("endpoint", sa.String(32), nullable=False),
        sa.Column("caller", sa.String(64), comment="the name of the API key"),
        sa.Column("model", sa.String(64), nullable=False),
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("bundle_hash", sa.String(64), comment="of its manifest"),
        sa.Column("git_commit", sa.String(64), comment="of the code that trained it"),
        sa.Column("fingerprint", sa.String(64), nullable=False, comment="of the sales known then"),
        sa.Column("origin", sa.Date, nullable=False, comment="the last known period"),
        sa.Column("covariates", sa.JSON, nullable=False),
        sa.Column("warnings", sa.JSON, nullable=False),
        sa.Column("answer", sa.JSON, nullable=False),
        sa.Column("corrects", uuid, comment="the id of the answer that this one puts right"),
        sa.Index("predictions_by_caller", "caller", "id"),
        **_OPTIONS,
    )
    sa.Table(
        "prediction_keys",
        metadata,
        sa.Column("key_hash", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("prediction_id", uuid, primary_key=True),
        **_OPTIONS,
    )
    sa.Table(
        "prediction_deletions",
        metadata,
        sa.Column("id", uuid, primary_key=True, comment="UUIDv7"),
        sa.Column("deleted_at", moment, nullable=False, comment="UTC"),
        sa.Column("before_id", uuid, nullable=False, comment="all before it were deleted"),
        sa.Column("predictions", sa.Integer, nullable=False, comment="how many that were"),
        **_OPTIONS,
    )
    return metadata

"""Who hid what from their page of answers, which stay in the ledger.

On SQLite it lies in the file of the ledger, which the service makes: nothing is made here. Every
statement makes only what is not there yet, so that the next run completes one that was interrupted.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql, postgresql

revision = "v0_7_history"
down_revision = "v0_7_overrides"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    if op.get_bind().dialect.name != "sqlite":
        _tables().create_all(op.get_bind())


def downgrade() -> None:
    """Do nothing: earlier releases do not know this table."""


def _tables() -> sa.MetaData:
    uuid = (
        sa.String(36)
        .with_variant(mysql.VARCHAR(36, charset="ascii", collation="ascii_bin"), "mysql", "mariadb")
        .with_variant(postgresql.UUID(as_uuid=False), "postgresql")
    )
    moment = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    metadata = sa.MetaData()
    sa.Table(
        "history_cleared",
        metadata,
        sa.Column("id", uuid, primary_key=True, comment="UUIDv7"),
        sa.Column("cleared_at", moment, nullable=False, comment="UTC"),
        sa.Column("caller", sa.String(64), nullable=False, comment="the name of the API key"),
        sa.Column("up_to", moment, nullable=False, comment="UTC; what is older is hidden"),
        sa.Index("history_cleared_by_caller", "caller", "id"),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
    )
    return metadata

"""Quantiles of what was forecast beside the mean and both intervals.

Rows that were issued before have none. MySQL ends a transaction with every change of tables: so
each column is looked for, and the next run completes one that was interrupted.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "v0_6_quantiles"
down_revision = "v0_6_forecasts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column for each decile that is not the end of an interval."""
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("forecasts")}
    for tenths in range(2, 9):
        if f"q{tenths}0" not in there:
            op.add_column("forecasts", sa.Column(f"q{tenths}0", sa.Double))


def downgrade() -> None:
    """Do nothing: what does not know these columns does not read them."""

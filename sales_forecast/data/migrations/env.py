"""What Alembic runs: the revisions, on the connection that `schema.migrate` gives it.

The caller holds the writers' lock and ends the transaction.
"""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()

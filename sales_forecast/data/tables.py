"""Tables of a database, for whoever reads or writes some of them: the one way to a connection.

Takes a URL, gives connections. Must not know which tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from sales_forecast.data import schema
from sales_forecast.data.database_server import Server, read_at_one_moment
from sales_forecast.data.schema import Form


class Tables:
    """Tables of a database. Connects at need; safe to share between threads.

    Every method raises DatabaseError when the database does not answer as it should. Whoever
    writes needs tables that are up to date; see `Database.migrate`.
    """

    def __init__(self, url: str) -> None:
        """Take a URL as in the setting DATABASE_URL. Raises SettingsError for another form."""
        self._server = Server(url)

    def close(self) -> None:
        """Close the idle connections."""
        self._server.close()

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection | None]:
        """Give a connection that sees one moment; None while the tables are not of this release.

        Raises NotReady for tables of a newer one.
        """
        with self._server.connection() as connection:
            read_at_one_moment(connection)
            form = schema.form(connection, self._server.shown)
            yield connection if form is Form.STAR else None

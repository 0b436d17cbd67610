"""What the login of a service may do: read all, and write where it keeps answers and overrides.

Takes a connection of whoever made the tables, gives rights to a login that is there already. May be
repeated. Must not make logins, nor take rights away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import sqlalchemy as sa

from sales_forecast.errors import DatabaseError

WRITES: Mapping[str, str] = {
    "predictions": "INSERT",
    "prediction_keys": "INSERT",
    "history_cleared": "INSERT",
    "overrides": "INSERT",
    "planned_sales": "INSERT, DELETE",
    "override_effects": "INSERT, DELETE",
}
"""What a service does beside SELECT, by table."""


def grant(connection: sa.Connection, user: str) -> None:
    """Let a login do what a service does, and commit; SQLite has no logins.

    Raises DatabaseError if there is no such login, or if ours may not give rights.
    """
    if connection.dialect.name == "sqlite":
        return
    try:
        for statement in _statements(connection, user):
            connection.exec_driver_sql(statement.replace("%", "%%"))
        connection.commit()
    except sa.exc.DBAPIError as error:
        reason = " ".join(str(error.orig).split())
        raise DatabaseError(
            f"DATABASE_SERVICE_USER={user} cannot be given its rights: {reason}. Make that login, "
            "and let the one of DATABASE_URL own the tables or have GRANT OPTION."
        ) from error


def _statements(connection: sa.Connection, user: str) -> Iterator[str]:
    quote = connection.dialect.identifier_preparer.quote_identifier
    there = set(sa.inspect(connection).get_table_names())
    writes = {table: rights for table, rights in WRITES.items() if table in there}
    if connection.dialect.name == "postgresql":
        schema = quote(str(connection.scalar(sa.text("SELECT current_schema()"))))
        whom = quote(user)
        yield f"GRANT USAGE ON SCHEMA {schema} TO {whom}"
        yield f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {whom}"
        # Also of what is made later: a view is made anew when the layout gets a column.
        yield f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {whom}"
    else:
        whom = f"{quote(user)}@'%'"
        yield f"GRANT SELECT ON {quote(str(connection.engine.url.database))}.* TO {whom}"
    for table, rights in writes.items():
        yield f"GRANT {rights} ON {quote(table)} TO {whom}"

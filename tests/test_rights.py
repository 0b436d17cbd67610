"""What the login of a service may do is what it does: on real servers, by their own refusals."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest
import sqlalchemy as sa

from sales_forecast.data.admission import SAMPLE
from sales_forecast.data.database import Database
from sales_forecast.data.rights import WRITES
from sales_forecast.data.sample import sample_rows
from sales_forecast.errors import DatabaseError
from tests.conftest import SERVERS

USER, PASSWORD = f"answering_{uuid.uuid4().hex[:8]}", "of-the-service"
READ_ONLY = ("loads", "panel_spec", "dim_series", "fact_sales", "forecasts", "alembic_version")
"""Some of those that it only reads."""


@pytest.fixture(scope="module", params=SERVERS.values(), ids=SERVERS)
def owner(request: pytest.FixtureRequest) -> Iterator[sa.Engine]:
    """Whoever makes the tables, in a database of its own, and a login that had no rights before."""
    server = os.environ.get(request.param)
    if not server:
        pytest.skip(f"set {request.param} to a database in which databases and logins may be made")
    name = f"sales_test_{uuid.uuid4().hex[:12]}"
    root = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    engine = sa.create_engine(root.url.set(database=name), poolclass=sa.NullPool)
    is_mysql = root.dialect.name == "mysql"
    login = f"USER {USER}@'%%' IDENTIFIED BY" if is_mysql else f"ROLE {USER} LOGIN PASSWORD"
    with root.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        connection.exec_driver_sql(f"CREATE {login} '{PASSWORD}'")
        with closing(Database(_text(engine), USER)) as database:
            database.write(sample_rows().to_panel(), SAMPLE)
        yield engine
        connection.exec_driver_sql(f"DROP DATABASE {name}")
        connection.exec_driver_sql(f"DROP {'USER' if is_mysql else 'ROLE'} {USER}")


def _text(engine: sa.Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def _may(owner: sa.Engine, statement: str) -> bool:
    """Return whether the server lets the service's login do something; nothing stays of it."""
    service = sa.create_engine(
        owner.url.set(username=USER, password=PASSWORD), poolclass=sa.NullPool
    )
    try:
        with service.connect() as connection:
            connection.execute(sa.text(statement))
            connection.rollback()
    except sa.exc.DBAPIError as error:
        if not any(word in str(error.orig) for word in ("denied", "must be owner")):
            raise
        return False
    return True


def test_the_service_reads_all_and_writes_what_it_keeps_alone(owner: sa.Engine) -> None:
    tables = sa.inspect(owner).get_table_names()
    assert {*WRITES, *READ_ONLY} <= {*tables}
    for table in tables:
        assert _may(owner, f"SELECT COUNT(*) FROM {table}")  # noqa: S608
        rights = WRITES.get(table, "")
        for right, statement in {
            "INSERT": f"INSERT INTO {table} SELECT * FROM {table} WHERE 1 = 0",  # noqa: S608
            "DELETE": f"DELETE FROM {table} WHERE 1 = 0",  # noqa: S608
            "DROP": f"DROP TABLE {table}",
        }.items():
            assert (right in rights) == _may(owner, statement), (table, right)


def test_views_stay_readable_however_often_rights_are_given(owner: sa.Engine) -> None:
    for _ in range(2):
        with closing(Database(_text(owner), USER)) as database:
            database.migrate()
        assert _may(owner, "SELECT COUNT(*) FROM vw_sales_analytics")


def test_a_login_that_is_not_there_is_one_sentence(owner: sa.Engine) -> None:
    with (
        closing(Database(_text(owner), "nobody_of_that_name")) as database,
        pytest.raises(DatabaseError) as refused,
    ):
        database.migrate()
    said = refused.value.message
    assert said.startswith("DATABASE_SERVICE_USER=nobody_of_that_name cannot be given its rights: ")
    assert said.endswith("let the one of DATABASE_URL own the tables or have GRANT OPTION.")
    assert 1 == len(said.splitlines())

"""Which form the tables of a database have, and how an older one gets that of this release.

Takes a connection, gives a `Form`, or brings the tables up to date. Looking never changes anything:
that is for whoever loads or trains, under the lock of writers.
"""

from __future__ import annotations

import io
from enum import Enum
from pathlib import Path

import sqlalchemy as sa

from sales_forecast.data.database_server import BRING_UP_TO_DATE
from sales_forecast.errors import NotReady

NEWEST = "v0_7_history"
_OLDER: frozenset[str] = frozenset(
    {
        "v0_6_star",
        "v0_6_forecasts",
        "v0_6_quantiles",
        "v0_6_operations",
        "v0_6_predictions",
        "v0_7_overrides",
    }
)
"""Revisions before the newest one, from which this release migrates."""
_NEXT = "v0_8_"
"""How revisions of the next release begin: they only add, so that this one still serves."""
_MIGRATIONS = Path(__file__).with_name("migrations")


class Form(Enum):
    """What a reader finds."""

    EMPTY = "no tables of ours"
    V05 = "one table of weekly stores, as release 0.5 made it"
    OLDER = "sales as this release keeps them, and not all of its other tables"
    STAR = "tables of this release, or of the next one"


def form(connection: sa.Connection, shown: str) -> Form:
    """Return the form of a database, `shown` being its name for people.

    Raises NotReady where another release must read it, or a command bring it up to date.
    """
    tables = set(sa.inspect(connection).get_table_names())
    if "weekly_sales" in tables:  # also while a migration has not come to its end
        return Form.V05
    if "alembic_version" not in tables:
        return Form.EMPTY
    revision = _revision(connection)
    if revision is None and "panel_spec" not in tables:
        return Form.EMPTY
    if revision in _OLDER:
        return Form.OLDER
    if revision == NEWEST or (revision or "").startswith(_NEXT):
        return Form.STAR
    if revision is not None:
        raise _refused_newer(revision, shown)
    said = f"has tables that were not finished. {BRING_UP_TO_DATE}"
    raise NotReady(f"The database {shown} {said}", public=f"The database {said}")


def migrate(connection: sa.Connection, shown: str) -> None:
    """Bring the tables up to date, if they are not. Whoever asks holds the lock of writers.

    Raises NotReady for tables of a newer release.
    """
    from alembic import command
    from alembic.config import Config

    tables = set(sa.inspect(connection).get_table_names())
    revision = _revision(connection) if "alembic_version" in tables else None
    if revision == NEWEST and "weekly_sales" not in tables:
        return
    if not (revision is None or revision == NEWEST or revision in _OLDER):
        raise _refused_newer(revision, shown)
    config = Config(stdout=io.StringIO(), output_buffer=io.StringIO())
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _revision(connection: sa.Connection) -> str | None:
    revision: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return revision


def _refused_newer(revision: str, shown: str) -> NotReady:
    said = (
        f"has tables of a newer release: {revision}. This release knows them up to {NEWEST}."
        " Start the newer release, or name another database in DATABASE_URL."
    )
    return NotReady(f"The database {shown} {said}", public=f"The database {said}")

"""Which form the tables of a database have, and how an older one gets that of this release.

Takes a connection, gives a `Form`, or brings the tables up to date. Looking never changes anything:
that is for whoever loads or trains, under the lock of writers.
"""

from __future__ import annotations

import io
from enum import Enum
from pathlib import Path

import sqlalchemy as sa

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
_MIGRATIONS = Path(__file__).with_name("migrations")


class Form(Enum):
    """What a reader finds."""

    EMPTY = "no tables of ours"
    V05 = "one table of weekly stores, as release 0.5 made it"
    STAR = "tables of this release"


def form(connection: sa.Connection, shown: str) -> Form:
    """Return the form of a database, `shown` being its name for people.

    Raises NotReady where another release must read it, or a command bring it up to date.
    """
    tables = set(sa.inspect(connection).get_table_names())
    if "weekly_sales" in tables:  # also while a migration has not come to its end
        return Form.V05
    if "alembic_version" not in tables:
        return Form.EMPTY
    revision = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    if revision == NEWEST:
        return Form.STAR
    if revision is None and "panel_spec" not in tables:
        return Form.EMPTY
    if revision is None or revision in _OLDER:
        said = (
            f"has tables of an older release ({revision or 'unfinished'}; this one reads {NEWEST})."
            " Bring it up to date: python database_loader.py, or python train.py"
        )
    else:
        said = (
            f"has tables of a newer release: {revision}. This release knows them up to {NEWEST}."
            " Start the newer release, or name another database in DATABASE_URL."
        )
    raise NotReady(f"The database {shown} {said}", public=f"The database {said}")


def migrate(connection: sa.Connection, shown: str) -> None:
    """Bring the tables up to date, if they are not. Whoever asks holds the lock of writers.

    Raises NotReady for tables of a newer release.
    """
    from alembic import command
    from alembic.config import Config

    try:
        if form(connection, shown) is Form.STAR:
            return
    except NotReady:
        revision = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
        if revision not in {None, *_OLDER}:
            raise
    config = Config(stdout=io.StringIO(), output_buffer=io.StringIO())
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")

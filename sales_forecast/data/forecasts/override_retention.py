"""How long an override says who made it: afterwards a number stands for the person.

Takes settings, changes names of old rows and nothing else of them. For the weekly job, under an
account that may UPDATE the column `made_by`; the service's may not.
"""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from sales_forecast.data import schema
from sales_forecast.data.database_server import Server
from sales_forecast.data.forecasts.override_tables import OVERRIDES
from sales_forecast.data.schema import Form
from sales_forecast.settings import Settings


def forget_people(settings: Settings, now: datetime | None = None) -> int:
    """Put a number in place of the names in overrides older than OVERRIDE_RETENTION_DAYS.

    The rows of one person that grow old together get one number, `#7`, which no API key can have
    for a name. Returns how many rows those are. Raises DatabaseError.
    """
    of = OVERRIDES.c
    oldest = (now or datetime.now(UTC)) - timedelta(days=settings.override_retention_days)
    old = sa.and_(of.made_at < oldest, of.made_by.not_like("#%"))
    people = sa.select(of.made_by, sa.func.min(of.number)).where(old).group_by(of.made_by)
    changed = 0
    with closing(Server(settings.database_url)) as server, server.writing() as connection:
        if schema.form(connection, server.shown) is not Form.STAR:
            return 0
        for name, number in connection.execute(people).all():
            named = sa.update(OVERRIDES).where(old, of.made_by == name)
            changed += connection.execute(named.values(made_by=f"#{number}")).rowcount
        connection.commit()
    return changed

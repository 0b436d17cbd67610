"""Which panel may be written to a database: what must not be mixed is kept apart.

Takes a connection and a panel, gives the panel in the kinds of what is stored. Writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from sales_forecast.data import dimensions, star
from sales_forecast.data.panel import Panel
from sales_forecast.data.spec import PanelSpec
from sales_forecast.errors import DataRefused

SAMPLE = "generated sample"
"""The source under which the sample is recorded; a file is recorded by its path."""
_ELSEWHERE = "name another database in DATABASE_URL"


@dataclass(frozen=True)
class Admitted:
    """A panel that may be written: in the kinds of what is stored, with the spec of both."""

    panel: Panel
    spec: PanelSpec
    stored: PanelSpec | None
    replaces_sample: bool
    newest: int


def newest_load(connection: sa.Connection) -> tuple[int, str] | None:
    """Return number and source of the newest change; None if there is none."""
    columns = star.LOADS.c.id, star.LOADS.c.source
    newest = sa.select(*columns).order_by(star.LOADS.c.id.desc()).limit(1)
    found = connection.execute(newest).one_or_none()
    return None if found is None else (found.id, found.source)


def stored_spec(connection: sa.Connection) -> PanelSpec | None:
    """Return the spec of what is stored; None if nothing is."""
    found = connection.scalar(sa.select(star.PANEL_SPEC.c.spec))
    return None if found is None else PanelSpec.model_validate_json(found)


def admit(connection: sa.Connection, panel: Panel, source: str) -> Admitted:
    """Keep apart what must not be mixed. Raises DataRefused."""
    newest_id, origin = newest_load(connection) or (0, None)
    stored = stored_spec(connection)
    if source == SAMPLE and origin not in {None, SAMPLE}:
        problem = f"the database holds real sales from {origin}, the sample would mix with them"
        raise DataRefused(source, f"{problem}; {_ELSEWHERE}")
    replaces = origin == SAMPLE != source
    if stored is None or replaces:
        assert panel.spec is not None  # noqa: S101 - write has seen to it
        return Admitted(panel, panel.spec, stored, replaces, newest_id)
    panel = dimensions.in_kinds_of(panel, stored)
    assert panel.spec is not None  # noqa: S101
    if differences := stored.differences(panel.spec):
        raise DataRefused(
            source,
            f"this is layout {panel.spec.layout}, and the database holds layout {stored.layout}"
            f" from {origin}: {'; '.join(differences)}; {_ELSEWHERE}",
        )
    _refuse_other_weekday(connection, panel, source)
    return Admitted(panel, stored.extended(panel.spec), stored, replaces, newest_id)


def _refuse_other_weekday(connection: sa.Connection, panel: Panel, source: str) -> None:
    period = sa.column("period", sa.Date)
    stored = connection.scalar(sa.select(sa.func.max(period)).select_from(sa.table("fact_sales")))
    if stored is not None and (panel.last - stored).days % panel.frequency.days:
        problem = (
            f"its weeks end on a {panel.last:%A} ({panel.last}),"
            f" those stored on a {stored:%A} ({stored})"
        )
        raise DataRefused(source, f"{problem}; {_ELSEWHERE}")

"""The sales as they were known before: corrections taken back, load by load.

Takes a panel as it is stored now and the fingerprint of what was known, gives that panel again, or
nothing where it cannot be had: what loads added to old periods is not kept apart. Must not know
why somebody looks back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date
from itertools import islice

import numpy as np
import sqlalchemy as sa

from sales_forecast.data import dimensions, star
from sales_forecast.data.database_server import Server, read_at_one_moment
from sales_forecast.data.panel import Panel

_MOST_LOADS = 50
"""So many loads with corrections are taken back; of older ones nobody asks."""
_MOST_TRIED = 200
"""So many panels are compared: each takes some hundredths of a second."""
_MOST_AHEAD = 60
"""So many periods ahead it is tried how far plans reached."""


def known_then(url: str, panel: Panel, origin: date, fingerprint: str) -> Panel | None:
    """Return what was known until an origin when it had a fingerprint; None if that is not found.

    `panel`: with a spec, as it is stored now. Raises DatabaseError.
    """
    with closing(Server(url)) as server, server.connection() as connection:
        read_at_one_moment(connection)
        tried = islice(_before(connection, panel, origin), _MOST_TRIED)
        return next((of for of in tried if of.fingerprint == fingerprint), None)


def _before(connection: sa.Connection, panel: Panel, origin: date) -> Iterator[Panel]:
    """Yield what may have been known, the most likely first."""
    then = of_that_time(panel, origin)
    yield from _plans_ending(then)
    for before in _back(connection, panel, then):
        yield from _plans_ending(before)


def of_that_time(panel: Panel, origin: date) -> Panel:
    """Return a panel until an origin, of the series of which anything was known then."""
    past = panel.until(origin)
    known = ~np.isnan(past.y).all(axis=1)
    return past if known.all() else past.select([*np.array(past.series)[known]])


def _plans_ending(panel: Panel) -> Iterator[Panel]:
    """Yield a panel as it is, then with plans that reach less far: they grow with every load."""
    yield panel
    longest = max((of.shape[1] for of in panel.plan.values()), default=0)
    for end in range(panel.n_periods, min(longest, panel.n_periods + _MOST_AHEAD)):
        yield replace(panel, plan={name: of[:, :end] for name, of in panel.plan.items()})


def _back(connection: sa.Connection, panel: Panel, then: Panel) -> Iterator[Panel]:
    """Yield a panel before the newest load that corrected anything, before the one before, ..."""
    spec, ids = panel.spec, dimensions.ids_of(connection, panel)
    if spec is None or ids is None:
        return
    rows = {
        int(number): then.positions[name]
        for number, name in zip(ids, panel.series, strict=True)
        if name in then.positions
    }
    names = {of.column: of.name for of in spec.of_periods}
    y = then.y.copy()
    tables = {name: of.copy() for name, of in {**then.conditions, **then.plan}.items()}
    change = star.FACT_CHANGES.c
    loads = sa.select(change.load_id).distinct().order_by(change.load_id.desc()).limit(_MOST_LOADS)
    for load in connection.scalars(loads).all():
        made = sa.select(change.series_id, change.period, change.column_name, change.old_value)
        for series, period, column, old in connection.execute(made.where(change.load_id == load)):
            table = y if column == spec.target else tables.get(names.get(column, ""))
            if period is None or table is None or series not in rows:
                continue
            at = (period - then.first).days // then.frequency.days
            if 0 <= at < table.shape[1]:
                table[rows[series], at] = np.nan if old is None else old
        yield replace(
            then,
            y=y.copy(),
            conditions={name: tables[name].copy() for name in then.conditions},
            plan={name: tables[name].copy() for name in then.plan},
        )

"""The table of weekly stores that release 0.5 made, for a service that must not migrate it.

Takes a connection, gives a panel. Goes away with the release that no longer reads 0.5.
"""

from __future__ import annotations

import numpy as np
import sqlalchemy as sa

from sales_forecast.data.panel import CONDITIONS, Panel
from sales_forecast.data.rows import SalesRows


def read(connection: sa.Connection) -> Panel | None:
    """Return all sales, None if there are none. Raises ValueError for weeks of two weekdays."""
    columns = ("store", "week", "sales", *(name.lower() for name in CONDITIONS))
    sales = sa.table("weekly_sales", *(sa.column(name) for name in columns))
    found = connection.execute(sa.select(sales)).all()
    if not found:
        return None
    store, week, *numbers = zip(*found, strict=True)
    sold, *conditions = (np.array(column, dtype=np.float64) for column in numbers)
    return SalesRows(
        store=np.array(store, dtype=np.int64),
        week=np.array(week, dtype="datetime64[D]"),
        sales=sold,
        conditions=dict(zip(CONDITIONS, conditions, strict=True)),
    ).to_panel()

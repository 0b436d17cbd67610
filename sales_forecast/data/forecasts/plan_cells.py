"""What is forecast and planned of single series, row by row: for whoever takes all of it along.

Takes rows of one moment, gives what the newest issue has of the series with some keys, some rows at
a time. Must not know what becomes of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import NamedTuple

import sqlalchemy as sa

from sales_forecast.data import star
from sales_forecast.data.forecast_tables import FORECASTS
from sales_forecast.data.forecasts.override_tables import PLANNED_SALES, Scope
from sales_forecast.data.forecasts.plan_rows import PlanRows
from sales_forecast.data.forecasts.stored_forecasts import ids_with

_ROWS_AT_ONCE = 5_000


class PlanCell(NamedTuple):
    """One period of one series; `keys` as texts, `planned` as forecast where nobody changed it."""

    keys: Sequence[str]
    target: date
    sales: float
    lower_80: float | None
    upper_80: float | None
    planned: float


def count(rows: PlanRows, scope: Scope) -> int:
    """Return how many there are of the series with some keys."""
    query = sa.select(sa.func.count()).select_from(FORECASTS)
    return rows.connection.scalar(query.where(*_chosen(rows, scope))) or 0


def plan_cells(rows: PlanRows, scope: Scope) -> Iterator[PlanCell]:
    """Yield them by series and period."""
    of, plan, series = FORECASTS.c, PLANNED_SALES.c, star.dim_series(rows.spec)
    planned = sa.and_(
        plan.issue_id == of.issue_id, plan.series_id == of.series_id, plan.target == of.target
    )
    names = [series.c[column] for column in star.keys(rows.spec)]
    columns = (of.target, of.sales, of.lower_80, of.upper_80, plan.planned)
    query = (
        sa.select(*names, *columns)
        .join(series, series.c.id == of.series_id)
        .outerjoin(PLANNED_SALES, planned)
        .where(*_chosen(rows, scope))
        .order_by(of.series_id, of.target)
        .execution_options(yield_per=_ROWS_AT_ONCE)
    )
    for *keys, target, sales, lower, upper, changed in rows.connection.execute(query):
        yield PlanCell(keys, target, sales, lower, upper, sales if changed is None else changed)


def _chosen(rows: PlanRows, scope: Scope) -> list[sa.ColumnElement[bool]]:
    issue = FORECASTS.c.issue_id == rows.issues.newest().id
    some = FORECASTS.c.series_id.in_(ids_with(rows.connection, rows.spec, scope))
    return [issue, some] if scope else [issue]

"""What came of plans: the forecasts that stood last before a period, and what was sold in it.

Takes rows of one moment, gives arrays. Must not know how a plan is judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from sales_forecast.data import star
from sales_forecast.data.forecast_tables import FORECAST_ISSUES, FORECASTS
from sales_forecast.data.forecasts.override_tables import OVERRIDE_EFFECTS, Scope
from sales_forecast.data.forecasts.plan_rows import Baseline, Effect, PlanRows
from sales_forecast.data.panel import Array

_MOST_NAMED = 2_000
"""So many series are named in a query; of more of them all are read."""


@dataclass(frozen=True, eq=False)
class Realised:
    """What was sold in periods that an issue forecast; float64[n_series, n_targets] each.

    `baseline` is what the best model expected; `naive` what the growth baseline did; `known`: bool,
    whether it is known what was sold (where a missing row is a zero, it is); if not, 0 was.
    """

    baseline: Baseline
    naive: Array
    sold: Array
    known: npt.NDArray[np.bool_]


def last_effects(rows: PlanRows) -> Mapping[int, list[Effect]]:
    """Return issue -> what overrides made of its forecasts of periods that have come.

    Of each period the newest issue before it counts.
    """
    of, row = FORECAST_ISSUES.c, OVERRIDE_EFFECTS.c
    later = FORECAST_ISSUES.alias().c
    newer = sa.or_(later.origin > of.origin, sa.and_(later.origin == of.origin, later.id > of.id))
    between = sa.and_(later.role == "best", later.origin < row.target, newer)
    fact = star.fact_sales(rows.spec).c
    known = sa.select(sa.func.max(fact.period)).where(fact[star.TARGET].is_not(None))
    come = rows.connection.scalar(known)
    columns = (row.number, row.target, row.baseline_sales, row.before_sales, row.after_sales)
    query = (
        sa.select(row.issue_id, *columns)
        .join(FORECAST_ISSUES, of.id == row.issue_id)
        .where(row.target <= come, ~sa.exists().where(between))
        .order_by(row.issue_id, row.target, row.number)
    )
    found: dict[int, list[Effect]] = {}
    for issue, number, target, *sums in rows.connection.execute(query):
        cents = (round(sales * 100) for sales in sums)
        found.setdefault(issue, []).append(Effect(number, target, *cents))
    return found


def realised(
    rows: PlanRows, issue: int, targets: Sequence[date], scopes: Iterable[Scope]
) -> Realised:
    """Return what was sold in periods of an issue that have come, of all series of some levels."""
    baseline = rows.baseline(issue, targets[0], targets[-1], scopes)
    shape = baseline.cents.shape
    found = {name: np.full(shape, np.nan) for name in ("naive", "sold")}
    fact, row, of = star.fact_sales(rows.spec).c, FORECASTS.c, FORECAST_ISSUES.c
    best = FORECAST_ISSUES.alias().c
    beside = (
        sa.select(sa.func.max(of.id))
        .where(
            of.role == "baseline",
            sa.select(best.origin).where(best.id == issue).scalar_subquery() == of.origin,
        )
        .scalar_subquery()
    )
    some = (targets[0], targets[-1])
    queries = {
        "naive": sa.select(row.series_id, row.target, row.sales).where(
            row.issue_id == beside, row.target.between(*some)
        ),
        "sold": sa.select(fact.series_id, fact.period, fact[star.TARGET]).where(
            fact.period.between(*some)
        ),
    }
    place = {number: at for at, number in enumerate(baseline.series.tolist())}
    column = {target: at for at, target in enumerate(baseline.targets)}
    for name, query in queries.items():
        series = query.selected_columns[0]
        if len(place) <= _MOST_NAMED:
            query = query.where(series.in_([*place]))  # noqa: PLW2901 - the same with less
        for number, target, value in rows.connection.execute(query):
            if number in place and target in column and value is not None:
                found[name][place[number], column[target]] = value
    return Realised(
        baseline,
        np.nan_to_num(found["naive"]),
        np.nan_to_num(found["sold"]),
        ~np.isnan(found["sold"]) | (rows.spec.missing == "zero"),
    )

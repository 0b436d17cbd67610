"""What is planned, as rows: read at one moment, written one writer at a time.

Takes a URL, gives `PlanRows` of one transaction, with the issues and the overrides that a plan is
made of. Must not know how it is made of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from sales_forecast.data import bulk, schema, star
from sales_forecast.data.facts import Facts
from sales_forecast.data.forecast_tables import FORECASTS
from sales_forecast.data.forecasts.issue_rows import IssueRows
from sales_forecast.data.forecasts.override_rows import OverrideRows
from sales_forecast.data.forecasts.override_tables import (
    OVERRIDE_EFFECTS,
    PLANNED_SALES,
    Scope,
)
from sales_forecast.data.forecasts.stored_forecasts import ids_with, none_yet
from sales_forecast.data.panel import Labels
from sales_forecast.data.schema import Form
from sales_forecast.data.spec import PanelSpec
from sales_forecast.data.tables import Tables

_MOST_SCOPES = 50
"""Of so many levels series are looked up; with more of them all series are read."""
_SECONDS_TO_WRITE = 30
"""People wait for it."""
Cents = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Baseline:
    """What an issue expects of some series and periods.

    Attributes:
        series: int64[n_series], the `id` of `dim_series`.
        keys: column of `dim_series` -> text[n_series].
        targets: the periods, in order.
        cents: int64[n_series, n_targets], 0 where nothing is expected.
        known: bool[n_series, n_targets].
    """

    series: npt.NDArray[np.int64]
    keys: Mapping[str, Labels]
    targets: Sequence[date]
    cents: Cents
    known: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Effect:
    """What an override makes of one period, in cents: sums over all series it is about."""

    number: int
    target: date
    baseline: int
    before: int
    after: int


class PlanTables(Tables):
    """The way to overrides and plans of a database."""

    @contextmanager
    def reading(self, spec: PanelSpec) -> Iterator[PlanRows]:
        """Give rows of one moment. Raises NoForecasts, NotReady."""
        with self._reading() as connection:
            if connection is None:
                raise none_yet()
            yield PlanRows(connection, spec)

    @contextmanager
    def writing(self, spec: PanelSpec) -> Iterator[PlanRows]:
        """Let one writer in; what it wrote stays if the block ends well. Raises as `reading`."""
        with self._server.writing(_SECONDS_TO_WRITE) as connection:
            if schema.form(connection, self._server.shown) is not Form.STAR:
                raise none_yet()
            yield PlanRows(connection, spec)
            connection.commit()


class PlanRows:
    """Rows of plans in one transaction, which whoever made the connection ends.

    Attributes:
        issues, overrides: the rows of those, in the same transaction.
    """

    def __init__(self, connection: sa.Connection, spec: PanelSpec) -> None:
        self.issues = IssueRows(connection, spec)
        self.overrides = OverrideRows(connection)
        self.connection = connection
        self.spec = spec

    def baseline(self, issue: int, first: date, last: date, scopes: Iterable[Scope]) -> Baseline:
        """Return what an issue expects of all series of some levels, from one period to another."""
        row, series = FORECASTS.c, star.dim_series(self.spec)
        columns = [*star.keys(self.spec)]
        wanted = {tuple(sorted(scope.items())) for scope in scopes}
        some: sa.SelectBase = ids_with(self.connection, self.spec, {})
        if () not in wanted and 0 < len(wanted) <= _MOST_SCOPES:
            each = (dict(scope) for scope in sorted(wanted))
            some = sa.union(*(ids_with(self.connection, self.spec, scope) for scope in each))
        # Not a join: SQLite would read the whole issue for one period of it.
        query = sa.select(row.series_id, row.target, row.sales).where(
            row.issue_id == issue, row.series_id.in_(some), row.target.between(first, last)
        )
        found = self.connection.execute(query).all() if wanted else []
        names = sa.select(series.c.id, *(series.c[k] for k in columns))
        texts = {number: of for number, *of in self.connection.execute(names)} if found else {}
        ids, place = np.unique([of[0] for of in found], return_inverse=True)
        targets = sorted({of[1] for of in found})
        column = {target: number for number, target in enumerate(targets)}
        at = place, np.array([column[of[1]] for of in found], dtype=np.intp)
        cents = np.zeros((len(ids), len(targets)), dtype=np.int64)
        cents[at] = np.rint(np.array([of[2] for of in found], dtype=np.float64) * 100)
        known = np.zeros(cents.shape, dtype=np.bool_)
        known[at] = True
        keys: dict[str, Labels] = {}
        for number, name in enumerate(columns):
            keys[name] = np.array([texts[of][number] for of in ids.tolist()], dtype=object)
        return Baseline(ids.astype(np.int64), keys, targets, cents, known)

    def write_plan(
        self, issue: int, first: date, last: date, cells: Facts, effects: Iterable[Effect]
    ) -> None:
        """Put another plan of some periods in the place of the one there is.

        `cells`: what is planned of each series and period that an override is about.
        """
        for table in (PLANNED_SALES, OVERRIDE_EFFECTS):
            of = table.c
            self.connection.execute(
                sa.delete(table).where(of.issue_id == issue, of.target.between(first, last))
            )
        bulk.insert(self.connection, PLANNED_SALES, cells, issue=issue)
        made = [
            {
                "issue_id": issue,
                "target": of.target,
                "number": of.number,
                "baseline_sales": of.baseline / 100,
                "before_sales": of.before / 100,
                "after_sales": of.after / 100,
            }
            for of in effects
        ]
        if made:
            self.connection.execute(sa.insert(OVERRIDE_EFFECTS), made)

    def effects(self, issue: int) -> list[Effect]:
        """Return what overrides make of the forecasts of an issue, by period and in their order."""
        of = OVERRIDE_EFFECTS.c
        columns = (of.number, of.target, of.baseline_sales, of.before_sales, of.after_sales)
        query = sa.select(*columns).where(of.issue_id == issue).order_by(of.target, of.number)
        return [
            Effect(number, target, *(round(sales * 100) for sales in sums))
            for number, target, *sums in self.connection.execute(query)
        ]

    def differences(self, issue: int, scope: Scope) -> Mapping[date, int]:
        """Return period -> by how many cents what is planned of a sum differs from the forecast."""
        plan, row = PLANNED_SALES.c, FORECASTS.c
        chosen = [plan.issue_id == issue]
        if scope:
            chosen.append(plan.series_id.in_(ids_with(self.connection, self.spec, scope)))
        apart = sa.func.sum(sa.func.round(plan.planned * 100) - sa.func.round(row.sales * 100))
        query = (
            sa.select(plan.target, apart)
            .select_from(PLANNED_SALES)
            .join(
                FORECASTS,
                sa.and_(
                    row.issue_id == plan.issue_id,
                    row.series_id == plan.series_id,
                    row.target == plan.target,
                ),
            )
            .where(*chosen)
            .group_by(plan.target)
        )
        return {target: round(cents) for target, cents in self.connection.execute(query)}

"""New facts into those that are stored: what is new, what is corrected, what stays.

Takes blocks of rows, gives counts. Each block goes into a table of its own and is merged by a few
statements, whatever its size; what a correction overwrote is kept in `fact_changes`. What a file
does not know never erases what is known. Must not begin or end the transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from sales_forecast.data import bulk, star
from sales_forecast.data.facts import Facts
from sales_forecast.data.spec import PanelSpec


@dataclass(frozen=True)
class Merged:
    """Rows that were new or whose sales were not known before; other rows that changed; all."""

    inserted: int
    corrected: int
    given: int


def merge(
    connection: sa.Connection, spec: PanelSpec, blocks: Iterable[Facts], load_id: int
) -> Merged:
    """Write rows in one open transaction. `spec` is of the rows and of the tables."""
    fact = star.fact_sales(spec)
    nothing_yet = connection.execute(sa.select(fact.c.series_id).limit(1)).first() is None
    inserted = corrected = given = 0
    work = None if nothing_yet else _Work(connection, spec)
    for block in blocks:
        given += len(block)
        if work is None:
            bulk.insert(connection, fact, block)
            inserted += len(block)
        else:
            new, wrong = work.merge(block, load_id)
            inserted, corrected = inserted + new, corrected + wrong
    if work is not None:
        work.close()
    return Merged(inserted, corrected, given)


class _Work:
    """The tables of one transaction in which a block is compared with what is stored."""

    def __init__(self, connection: sa.Connection, spec: PanelSpec) -> None:
        self._connection = connection
        self._spec = spec
        self._fact = star.fact_sales(spec)
        self._staged = star.staged("staged_sales", spec)
        self._changed = star.staged("changed_sales", spec)
        for table in (self._staged, self._changed):
            connection.execute(sa.schema.CreateTable(table))

    def close(self) -> None:
        # Other servers drop them with the transaction or the connection.
        if self._connection.dialect.name == "sqlite":
            for table in (self._staged, self._changed):
                self._connection.execute(sa.schema.DropTable(table))

    def merge(self, block: Facts, load_id: int) -> tuple[int, int]:
        """Write one block; return how many rows are new, and how many corrected."""
        run = self._connection.execute
        for table in (self._staged, self._changed):
            run(sa.delete(table))
        bulk.insert(self._connection, self._staged, block)
        if self._connection.dialect.name == "postgresql":
            self._connection.exec_driver_sql(f"ANALYZE {self._staged.name}")
        corrected = told = 0
        if changed := self._find_changed():
            told = int(run(self._count_told()).scalar_one())
            corrected = changed - told
            self._record(load_id)
            run(self._update())
        return self._add(self._insert_new()) + told, corrected

    def _closed(self) -> sa.ColumnElement[bool]:
        """Return where a row says that nothing is sold by plan."""
        for column, name in star.covariates(self._spec).items():
            if name == self._spec.open:
                return self._staged.c[column] == 0
        return sa.false()

    def _target(self) -> sa.ColumnElement[float]:
        target = self._staged.c[star.TARGET]
        return sa.case((self._closed(), sa.null()), else_=target)

    def _find_changed(self) -> int:
        staged, fact, target = self._staged, self._fact, self._target()
        closed = sa.and_(self._closed(), fact.c.target.is_not(None))
        others = [staged.c[column] for column in star.covariates(self._spec)]
        differs = [
            sa.and_(new.is_not(None), sa.or_(old.is_(None), old != new))
            for old, new in [
                (fact.c.target, target),
                *((fact.c[column.name], column) for column in others),
            ]
        ]
        found = sa.select(
            staged.c.series_id,
            staged.c.period,
            sa.case((closed, sa.null()), else_=sa.func.coalesce(target, fact.c.target)),
            *(sa.func.coalesce(column, fact.c[column.name]) for column in others),
        ).where(_same(staged, fact), sa.or_(closed, *differs))
        return self._add(sa.insert(self._changed).from_select([*self._changed.columns], found))

    def _add(self, statement: sa.Insert) -> int:
        # Without being asked, not every driver counts what a query adds.
        counted = self._connection.execution_options(preserve_rowcount=True)
        return counted.execute(statement).rowcount

    def _count_told(self) -> sa.Select[Any]:
        """Return the question how many sales of stored rows become known."""
        changed, fact = self._changed, self._fact
        told = sa.and_(fact.c.target.is_(None), changed.c.target.is_not(None))
        return sa.select(sa.func.count()).where(_same(changed, fact), told)

    def _record(self, load_id: int) -> None:
        """Keep what is overwritten, a row for each value."""
        changed, fact = self._changed, self._fact
        columns = {of.name: of.column for of in self._spec.of_periods}
        names = {star.TARGET: self._spec.target} | {
            column: columns[name] for column, name in star.covariates(self._spec).items()
        }
        into = ["series_id", "period", "column_name", "old_value", "new_value", "load_id"]
        for column, name in names.items():
            old, new = fact.c[column], changed.c[column]
            found = sa.select(
                changed.c.series_id,
                changed.c.period,
                sa.literal(name),
                old,
                new,
                sa.literal(load_id, sa.BigInteger),
            ).where(_same(changed, fact), old.is_not(None), sa.or_(new.is_(None), old != new))
            self._connection.execute(sa.insert(star.FACT_CHANGES).from_select(into, found))

    def _update(self) -> sa.Update:
        columns = (star.TARGET, *star.covariates(self._spec))
        new = {column: self._changed.c[column] for column in columns}
        return sa.update(self._fact).values(new).where(_same(self._changed, self._fact))

    def _insert_new(self) -> sa.Insert:
        staged, fact = self._staged, self._fact
        target = self._target()
        others = [staged.c[column] for column in star.covariates(self._spec)]
        new = (
            sa.select(staged.c.series_id, staged.c.period, target, *others)
            .select_from(staged.outerjoin(fact, _same(staged, fact)))
            .where(fact.c.series_id.is_(None))
        )
        return sa.insert(fact).from_select([*fact.columns], new)


def _same(one: sa.Table, other: sa.Table) -> sa.ColumnElement[bool]:
    return sa.and_(one.c.series_id == other.c.series_id, one.c.period == other.c.period)

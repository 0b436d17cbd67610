"""What was forecast, read back: of one series or of the sum of some, as it was issued.

Takes values of keys, a period and a moment, gives the newest issue that knows them and its sums,
exact to the cent. Must not know models, nor what an interval of a sum is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from sales_forecast.data import star
from sales_forecast.data.forecast_tables import (
    FORECAST_ISSUES,
    FORECASTS,
    QUANTILES,
    cents_of,
    newest_first,
)
from sales_forecast.data.moments import in_utc
from sales_forecast.data.spec import PanelSpec
from sales_forecast.data.tables import Tables
from sales_forecast.errors import InvalidRequest, NoForecasts

COMMAND = "python train.py forecast"


@dataclass(frozen=True)
class StoredPeriod:
    """One period of one issue.

    Attributes:
        sales: the sum of the series, exact to the cent.
        series_id: of one series; None of a sum.
        quantiles: `lower_80` and so on, of one series.
    """

    target: date
    step: int
    sales: float
    series_id: int | None = None
    quantiles: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredIssue:
    """One issue and what was asked of it; `sums` and `warnings` are JSON, `issued_at` in UTC."""

    id: int
    origin: date
    issued_at: datetime
    model: str
    model_version: str
    sums: str
    warnings: str
    periods: Sequence[StoredPeriod]


class NewestIssue(NamedTuple):
    """What the best model said last: of which origin, when in UTC, and which version it was of."""

    origin: date
    issued_at: datetime
    model_version: str


class _Known(NamedTuple):
    id: int
    origin: date
    horizon: int
    issued_at: datetime

    def last(self, days: int) -> date:
        """Return the end of the last of its periods of so many days."""
        return self.origin + timedelta(days=days * self.horizon)

    def knows(self, target: date, days: int) -> bool:
        return self.origin < target <= self.last(days)


class StoredForecasts(Tables):
    """Reads the forecasts of a database."""

    def newest(self) -> NewestIssue | None:
        """Return what was forecast last; None before the first. Raises NotReady."""
        of = FORECAST_ISSUES.c
        query = newest_first(of.origin, of.issued_at, of.model_version)
        with self._reading() as connection:
            found = connection.execute(query.limit(1)).one_or_none() if connection else None
        if found is None:
            return None
        origin, issued_at, version = found
        return NewestIssue(origin, in_utc(issued_at), version)

    def find(
        self,
        spec: PanelSpec,
        keys: Mapping[str, str],
        target: date | None = None,
        as_of: date | None = None,
    ) -> StoredIssue:
        """Return what the best model said last of the sum of all series with some keys.

        Args:
            spec: of the stored panel.
            keys: column of `dim_series` (`k1`) -> value as text; none of them: all series.
            target: the day that ends the period; None for all periods of the newest origin.
            as_of: only what was issued before the end of that day in UTC.

        Raises NoForecasts, InvalidRequest for a period outside of what was forecast, and NotReady
        for tables of another release.
        """
        with self._reading() as connection:
            if connection is None:
                raise none_yet()
            days = spec.frequency.days
            issues = _issues(connection, as_of)
            for issue in issues:
                if target is None or issue.knows(target, days):
                    found = read_issue(connection, spec, issue.id, keys, target)
                    if found is not None:
                        return found
        if target is None or any(issue.knows(target, days) for issue in issues):
            raise NoForecasts(
                f"Nothing was forecast of these series yet. Run `{COMMAND}`.", {"command": COMMAND}
            )
        first = min(issue.origin for issue in issues) + timedelta(days=days)
        last = max(issue.last(days) for issue in issues)
        name = spec.frequency.field
        raise InvalidRequest(
            f"{name} {target} was not forecast: what was reaches from {first} to {last}.",
            {name: str(target)},
        )


def _issues(connection: sa.Connection, as_of: date | None) -> Sequence[_Known]:
    """Return all issues of best models up to the end of a day, the newest first."""
    of = FORECAST_ISSUES.c
    query = newest_first(of.id, of.origin, of.horizon, of.issued_at)
    found = [
        _Known(number, origin, horizon, in_utc(issued_at))
        for number, origin, horizon, issued_at in connection.execute(query)
    ]
    if not found:
        raise none_yet()
    if as_of is None:
        return found
    known = [issue for issue in found if issue.issued_at.date() <= as_of]
    if not known:
        first = min(issue.issued_at for issue in found).date()
        raise NoForecasts(
            f"Nothing was forecast by the end of {as_of}: the first forecasts are of {first}.",
            {"as_of": str(as_of)},
        )
    return known


def none_yet() -> NoForecasts:
    """Return what is raised before the first forecasts."""
    return NoForecasts(f"Nothing was forecast yet. Run `{COMMAND}`.", {"command": COMMAND})


def ids_with(
    connection: sa.Connection, spec: PanelSpec, keys: Mapping[str, str]
) -> sa.Select[tuple[int]]:
    """Return a query of the `id` of all series with some keys; `keys` as `find` takes them."""
    series = star.dim_series(spec)
    return sa.select(series.c.id).where(*(_is(connection, series.c[k], keys[k]) for k in keys))


def read_issue(
    connection: sa.Connection,
    spec: PanelSpec,
    number: int,
    keys: Mapping[str, str],
    target: date | None = None,
) -> StoredIssue | None:
    """Return what one issue says of a sum, in one period or all; None if nothing."""
    periods = _periods(connection, spec, number, keys, target)
    return _with(connection, number, periods) if periods else None


def _periods(
    connection: sa.Connection,
    spec: PanelSpec,
    number: int,
    keys: Mapping[str, str],
    target: date | None,
) -> list[StoredPeriod]:
    row, ids = FORECASTS.c, ids_with(connection, spec, keys)
    # Not a join: SQLite would read the whole issue and look each series up.
    chosen = [row.issue_id == number, row.series_id.in_(ids)]
    if target is not None:
        chosen.append(row.target == target)
    if len(keys) == len(spec.keys):
        columns = (
            row.target,
            row.step,
            row.sales,
            row.series_id,
            *(row[name] for name in QUANTILES),
        )
        one = sa.select(*columns).where(*chosen).order_by(row.target)
        return [
            StoredPeriod(day, step, sales, series_id, dict(zip(QUANTILES, at, strict=True)))
            for day, step, sales, series_id, *at in connection.execute(one)
        ]
    several = sa.select(row.target, sa.func.min(row.step), cents_of(row.sales)).where(*chosen)
    return [
        StoredPeriod(day, step, round(total) / 100)
        for day, step, total in connection.execute(
            several.group_by(row.target).order_by(row.target)
        )
    ]


def _is(connection: sa.Connection, column: sa.Column[str], text: str) -> sa.ColumnElement[bool]:
    if connection.dialect.name in {"mysql", "mariadb"}:  # there "a" equals "A"
        return sa.cast(column, sa.LargeBinary) == sa.cast(sa.literal(text), sa.LargeBinary)
    return column == text


def _with(connection: sa.Connection, number: int, periods: Sequence[StoredPeriod]) -> StoredIssue:
    of = FORECAST_ISSUES.c
    columns = (of.origin, of.issued_at, of.model, of.model_version, of.sums, of.warnings)
    found = connection.execute(sa.select(*columns).where(of.id == number)).one()
    origin, issued_at, model, model_version, sums, warnings = found
    return StoredIssue(
        number, origin, in_utc(issued_at), model, model_version, sums, warnings, periods
    )

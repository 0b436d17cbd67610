"""Issues of forecasts, as rows beside which plans are made: which there are, and what they sum to.

Takes a connection in a transaction, gives values. Must not write, nor know overrides.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from sales_forecast.data import star
from sales_forecast.data.forecast_tables import (
    FORECAST_ISSUES,
    FORECASTS,
    cents_of,
    newest_first,
)
from sales_forecast.data.forecasts.override_tables import Scope
from sales_forecast.data.forecasts.stored_forecasts import (
    StoredIssue,
    ids_with,
    none_yet,
    read_issue,
)
from sales_forecast.data.spec import PanelSpec


@dataclass(frozen=True)
class KnownIssue:
    """One issue of best models: `last` is the end of the last period that it forecasts."""

    id: int
    origin: date
    last: date


@dataclass(frozen=True)
class FormerIssue:
    """What the best model issued last, by the bundle `model_version`, and what it knew."""

    id: int
    origin: date
    model: str
    model_version: str
    fingerprint: str


@dataclass(frozen=True)
class IssueOnTheWay:
    """One issue between two others; `role`, `changes` as `issuing.Issue` has them."""

    id: int
    origin: date
    role: str
    changes: Mapping[str, Any] | None


class IssueRows:
    """What was issued, as one transaction sees it."""

    def __init__(self, connection: sa.Connection, spec: PanelSpec) -> None:
        self._connection = connection
        self._spec = spec

    def newest(self) -> KnownIssue:
        """Return what the best model issued last. Raises NoForecasts before the first."""
        issues = self.all(1)
        if not issues:
            raise none_yet()
        return issues[0]

    def former(self) -> FormerIssue | None:
        """Return what the best model issued last; None before the first."""
        of = FORECAST_ISSUES.c
        columns = (of.id, of.origin, of.model, of.model_version, of.fingerprint)
        found = self._connection.execute(newest_first(*columns).limit(1)).one_or_none()
        return None if found is None else FormerIssue(*found)

    def all(self, most: int | None = None) -> list[KnownIssue]:
        """Return what best models issued, the newest origin first, and of one the newest issue."""
        of, days = FORECAST_ISSUES.c, self._spec.frequency.days
        query = newest_first(of.id, of.origin, of.horizon).limit(most)
        return [
            KnownIssue(number, origin, origin + timedelta(days=days * horizon))
            for number, origin, horizon in self._connection.execute(query)
        ]

    def between(self, first: int, last: int) -> list[IssueOnTheWay]:
        """Return all but the baseline's issues from one of best models to another, oldest first."""
        of = FORECAST_ISSUES.c
        ends = {row.id: (row.origin, row.id) for row in self.all() if row.id in {first, last}}
        query = sa.select(of.id, of.origin, of.role, of.warnings).where(of.role != "baseline")
        found = [
            IssueOnTheWay(number, origin, role, json.loads(warnings).get("changes"))
            for number, origin, role, warnings in self._connection.execute(
                query.order_by(of.origin, of.id)
            )
            if ends[first] <= (origin, number)
        ]
        # What would have been forecast comes after the issue that it explains.
        end = next(place for place, of in enumerate(found) if of.id == last) + 1
        while end < len(found) and found[end].role != "best":
            end += 1
        begin = next((place for place, of in enumerate(found) if of.role == "best"), 0)
        return found[begin:end]

    def sums(self, issues: Sequence[int], scope: Scope) -> Mapping[int, Mapping[date, int]]:
        """Return issue -> period -> cents of the sum of all series with some keys."""
        row = FORECASTS.c
        chosen = [row.issue_id.in_(issues)]
        if scope:
            chosen.append(row.series_id.in_(ids_with(self._connection, self._spec, scope)))
        query = sa.select(row.issue_id, row.target, cents_of(row.sales)).where(*chosen)
        found: dict[int, dict[date, int]] = {issue: {} for issue in issues}
        for issue, target, total in self._connection.execute(
            query.group_by(row.issue_id, row.target)
        ):
            found[issue][target] = round(total)
        return found

    def stored(self, issue: int, scope: Scope) -> StoredIssue | None:
        """Return all that an issue says of a sum; None if nothing."""
        return read_issue(self._connection, self._spec, issue, scope)

    def newest_load(self) -> int:
        """Return a number that changes whenever the stored sales do."""
        return self._connection.scalar(sa.select(sa.func.max(star.LOADS.c.id))) or 0

"""Overrides, as rows: found, and added.

Takes a connection in a transaction. Must not know forecasts, nor what overrides make of them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa

from sales_forecast.data.forecasts.override_tables import OVERRIDES, Override, Seen
from sales_forecast.data.moments import in_utc


class OverrideRows:
    """The overrides of one transaction, which whoever made the connection ends."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def last_number(self) -> int:
        """Return the number of the newest override; 0 before the first."""
        return self._connection.scalar(sa.select(sa.func.max(OVERRIDES.c.number))) or 0

    def find(
        self,
        *,
        last_from: date | None = None,
        first_until: date | None = None,
        after: int = 0,
        before: int | None = None,
        ids: Sequence[str] = (),
        undoing: Sequence[str] = (),
        most: int | None = None,
        newest_first: bool = False,
    ) -> list[Override]:
        """Return overrides and undos by their number, the oldest first if not told otherwise.

        Those whose last period is `last_from` or later, whose first is `first_until` or earlier,
        whose number is above `after` and below `before`, that have one of `ids`, or that take one
        of `undoing` back.
        """
        of = OVERRIDES.c
        told: list[tuple[Any, Any]] = [
            (last_from, lambda: of.last_target >= last_from),
            (first_until, lambda: of.first_target <= first_until),
            (after, lambda: of.number > after),
            (before, lambda: of.number < before),
            (ids, lambda: of.id.in_(ids)),
            (undoing, lambda: of.undoes.in_(undoing)),
        ]
        query = (
            sa.select(OVERRIDES)
            .where(*(condition() for value, condition in told if value))
            .order_by(of.number.desc() if newest_first else of.number)
            .limit(most)
        )
        return [_override(row) for row in self._connection.execute(query).mappings()]

    def add(self, row: Override) -> None:
        """Add a row."""
        values = {
            "number": row.number,
            "id": row.id,
            "made_at": row.made_at,
            "made_by": row.made_by,
            "scope": json.dumps(dict(sorted(row.scope.items())), ensure_ascii=False),
            "first_target": row.first,
            "last_target": row.last,
            "kind": row.kind,
            "amount": row.amount,
            "reason": row.reason,
            "note": row.note,
            "undoes": row.undoes,
            "issue_id": row.issue_id,
            "seen": json.dumps(
                [[str(of.target), of.before, of.after, of.inside_80] for of in row.seen]
            ),
        }
        self._connection.execute(sa.insert(OVERRIDES), values)


def _override(row: sa.RowMapping) -> Override:
    return Override(
        number=row["number"],
        id=row["id"],
        made_at=in_utc(row["made_at"]),
        made_by=row["made_by"],
        scope=json.loads(row["scope"]),
        first=row["first_target"],
        last=row["last_target"],
        kind=row["kind"],
        amount=row["amount"],
        reason=row["reason"],
        note=row["note"],
        undoes=row["undoes"],
        issue_id=row["issue_id"],
        seen=[Seen(date.fromisoformat(day), *rest) for day, *rest in json.loads(row["seen"])],
    )

"""What has become of overrides beside the newest forecasts, and which of them are asked for.

Takes rows of one moment, gives states. Must not change anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sales_forecast.data.forecasts.issue_rows import KnownIssue
from sales_forecast.data.forecasts.override_tables import Override, Scope
from sales_forecast.data.forecasts.plan_rows import Effect, PlanRows

_CENT = 0.01


@dataclass(frozen=True)
class State:
    """What has become of an override.

    Attributes:
        undone: by which row it was taken back, None if it was not.
        cells: what it makes, in cents, of each period that is planned by it now; none where others
            are instead of it.
        expired: its last period has come.
        contained: how much of its change the forecast itself has made since, 1 being all of it;
            None without a forecast since, or where it changed nothing.
    """

    override: Override
    undone: Override | None = None
    cells: Sequence[Effect] = ()
    expired: bool = False
    contained: float | None = None


@dataclass(frozen=True)
class OverridesPage:
    """Some overrides, the newest first; `last`: the number of the last where more follow."""

    items: Sequence[State]
    last: int | None
    version: str


@dataclass(frozen=True)
class OverridesWish:
    """Which overrides are asked for.

    Attributes:
        limit: how many at most, at least 1.
        scope: those about any series with these keys; none: all.
        since: made then or later.
        reason, made_by: alone those.
        active: alone those that periods are planned by now.
        before: the number they are older than.
    """

    limit: int = 100
    scope: Scope = field(default_factory=dict)
    since: datetime | None = None
    reason: str | None = None
    made_by: str | None = None
    active: bool = False
    before: int | None = None

    def takes(self, state: State) -> bool:
        """Say whether one is asked for."""
        of = state.override
        return (
            of.kind != "undo"
            and of.meets(self.scope, of.first, of.last)
            and (self.since is None or of.made_at >= self.since)
            and (self.reason is None or of.reason == self.reason)
            and (self.made_by is None or of.made_by == self.made_by)
            and (not self.active or bool(state.cells))
        )


class States:
    """What has become of overrides, beside the newest issue."""

    def __init__(self, rows: PlanRows, issue: KnownIssue) -> None:
        self._rows, self._issue = rows, issue
        self._effects: dict[int, list[Effect]] = {}
        for of in rows.effects(issue.id):
            self._effects.setdefault(of.number, []).append(of)

    def of_all(self, overrides: Sequence[Override]) -> list[State]:
        """Return the state of each."""
        undoing = (
            self._rows.overrides.find(undoing=[of.id for of in overrides]) if overrides else []
        )
        undone = {row.undoes: row for row in undoing}
        return [self._of(of, undone.get(of.id)) for of in overrides]

    def _of(self, of: Override, undone: Override | None) -> State:
        effects = self._effects.get(of.number, [])
        return State(
            of,
            undone=undone,
            cells=effects,
            expired=of.last <= self._issue.origin,
            contained=None if of.issue_id == self._issue.id else _contained(of, effects),
        )


def _contained(of: Override, effects: Sequence[Effect]) -> float | None:
    """Return how much of a change forecasts have made since: what stood before it moved so far."""
    now = {effect.target: effect.before / 100 for effect in effects}
    told = [seen for seen in of.seen if seen.target in now]
    wished = sum(seen.after - seen.before for seen in told)
    moved = sum(now[seen.target] - seen.before for seen in told)
    return round(moved / wished, 2) if told and abs(wished) >= _CENT else None

"""How a wish becomes an override: it is checked against what has changed, and told what it makes.

Takes rows of one moment and wishes, gives overrides and their plan, or refuses. Must not write.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from sales_forecast.data.forecasts.issue_rows import KnownIssue
from sales_forecast.data.forecasts.override_tables import Override, Seen
from sales_forecast.data.forecasts.plan_rows import Baseline, Effect, PlanRows
from sales_forecast.data.ledger.ids import new_id
from sales_forecast.data.spec import PanelSpec
from sales_forecast.errors import (
    ChangedMeanwhile,
    InvalidRequest,
    NoForecasts,
    UnknownOverride,
    brief,
)
from sales_forecast.planning.intervals import quantiles_by_period
from sales_forecast.planning.plan import Plan, plan_issue
from sales_forecast.planning.wishes import Cell, Made, Wish, check_amount

# Of nine digits: a database takes no more for an integer.
_VERSION = re.compile(r"(?P<issue>[0-9]{1,9})-(?P<number>[0-9]{1,9})", re.ASCII)


def made_of(
    rows: PlanRows, wishes: Sequence[Wish], made_by: str, lock_periods: int
) -> tuple[list[Made], tuple[Baseline, Plan]]:
    """Return overrides that may be made, in the order of their wishes, and their plan.

    Raises ChangedMeanwhile, InvalidRequest, NoForecasts.
    """
    issue, number = rows.issues.newest(), rows.overrides.last_number()
    new: list[Override] = []
    for wish in wishes:
        check_wish(rows.spec, issue, wish, lock_periods)
        number += 1
        row = Override(
            number=number,
            id=new_id(),
            made_at=datetime.now(UTC),
            made_by=made_by,
            scope=wish.scope,
            first=wish.first,
            last=wish.last,
            kind=wish.kind,
            amount=wish.amount,
            reason=wish.reason,
            note=wish.note,
            undoes=None,
            issue_id=issue.id,
        )
        new.append(row)
    for version in {wish.version for wish in wishes}:
        of_version = [row for row, wish in zip(new, wishes, strict=True) if wish.version == version]
        _check_version(rows, issue, version, of_version)
    planned = _plan_with(rows, new)
    told = _cells(rows, issue, new, planned[1])
    made = [
        Made(replace(row, seen=seen), cells, f"{issue.id}-{number}")
        for row, (cells, seen) in zip(new, told, strict=True)
    ]
    return made, planned


def undo_of(
    rows: PlanRows, override_id: str, version: str, made_by: str, lock_periods: int
) -> tuple[Override, tuple[Baseline, Plan]]:
    """Return the row that takes an override back, and the plan with it.

    Raises ChangedMeanwhile, InvalidRequest, NoForecasts, UnknownOverride.
    """
    issue, found = rows.issues.newest(), rows.overrides.find(ids=[_id(override_id)])
    if not found or found[0].kind == "undo":
        raise _unknown(override_id)
    (of,) = found
    for row in rows.overrides.find(after=of.number):
        if row.undoes == of.id:
            raise _changed(row, f"Override {of.id} was undone")
    first = max(of.first, first_open(rows.spec, issue.origin, lock_periods))
    if first > of.last:
        raise InvalidRequest(
            f"Override {of.id} ends with {of.last}, and the first period that may still be "
            f"changed is {first}.",
            {"id": of.id},
        )
    row = Override(
        number=rows.overrides.last_number() + 1,
        id=new_id(),
        made_at=datetime.now(UTC),
        made_by=made_by,
        scope=of.scope,
        first=first,
        last=of.last,
        kind="undo",
        amount=None,
        reason=None,
        note="",
        undoes=of.id,
        issue_id=issue.id,
    )
    _check_version(rows, issue, version, [row])
    return row, _plan_with(rows, [row])


def _id(asked: str) -> str:
    """Return an id as it is stored. Raises UnknownOverride for what no database need look for."""
    try:
        return str(UUID(asked))
    except ValueError:
        raise _unknown(asked) from None


def _unknown(asked: str) -> UnknownOverride:
    told = brief(asked)
    return UnknownOverride(f"There is no override {told} that could be undone.", {"id": told})


def _plan_with(rows: PlanRows, new: Sequence[Override]) -> tuple[Baseline, Plan]:
    """Return the plan of some overrides that are not stored yet, and of all that are."""
    first, last = span(new)
    others = rows.overrides.find(last_from=first, first_until=last)
    return plan_issue(rows, new[0].issue_id, first, last, [*others, *new])


def first_open(spec: PanelSpec, origin: date, lock_periods: int) -> date:
    """Return the first period that may be changed of the forecasts after an origin."""
    return origin + timedelta(days=spec.frequency.days * (1 + lock_periods))


def check_wish(spec: PanelSpec, issue: KnownIssue, wish: Wish, lock_periods: int) -> None:
    """Raise InvalidRequest for what no plan after an issue can be changed by."""
    check_amount(wish.kind, wish.amount)
    first, last = wish.first, wish.last
    name, opened = spec.frequency.field, first_open(spec, issue.origin, lock_periods)
    if first > last:
        raise InvalidRequest(
            f"first {first} comes after last {last}.", {"first": str(first), "last": str(last)}
        )
    if first < opened:
        locked = f", and the {lock_periods} after it are locked"
        raise InvalidRequest(
            f"first {first} cannot be changed any more: {issue.origin} is the last known {name}"
            f"{locked if lock_periods else ''}. The first that can is {opened}.",
            {"first": str(first)},
        )
    if last > issue.last:
        raise InvalidRequest(
            f"last {last} is not forecast: the forecasts of {issue.origin} end with {issue.last}.",
            {"last": str(last)},
        )


def _check_version(
    rows: PlanRows, issue: KnownIssue, version: str, new: Sequence[Override]
) -> None:
    """Raise ChangedMeanwhile where cells of new rows changed since a version."""
    found = _VERSION.fullmatch(version)
    if found is None:
        raise InvalidRequest(
            "version must be what GET /forecast or GET /overrides said.", {"version": version[:60]}
        )
    later = rows.overrides.find(after=int(found["number"]))
    for other in reversed(later):
        if any(other.meets(row.scope, row.first, row.last) for row in new):
            raise _changed(other, "These cells were changed")
    if int(found["issue"]) != issue.id:
        raise ChangedMeanwhile(
            f"New forecasts were issued meanwhile, after {issue.origin}. Look at them, then send "
            "the change again.",
            {"origin": str(issue.origin)},
        )


def _changed(row: Override, what: str) -> ChangedMeanwhile:
    """Return what tells of a row that somebody else made."""
    return ChangedMeanwhile(
        f"{what} by {row.made_by} at {row.made_at:%Y-%m-%dT%H:%M:%SZ}. Look at them, then send the "
        "change again.",
        {"id": row.id, "by": row.made_by, "at": row.made_at.isoformat()},
    )


def span(overrides: Iterable[Override]) -> tuple[date, date]:
    """Return the first and the last period that any of them is about."""
    found = [*overrides]
    return min(of.first for of in found), max(of.last for of in found)


def _cells(
    rows: PlanRows, issue: KnownIssue, new: Sequence[Override], plan: Plan
) -> Iterator[tuple[list[Cell], list[Seen]]]:
    """Yield what each of some overrides that are not stored yet makes of its periods."""
    effects: dict[int, list[Effect]] = {}
    for of in plan.effects:
        effects.setdefault(of.number, []).append(of)
    for row in new:
        yield _told(rows, issue, row, effects.get(row.number, []))


def _told(
    rows: PlanRows, issue: KnownIssue, row: Override, effects: Sequence[Effect]
) -> tuple[list[Cell], list[Seen]]:
    stored = rows.issues.stored(issue.id, row.scope)
    if not effects or stored is None:
        raise NoForecasts("Nothing is forecast of these series in these periods.", {})
    apart = rows.differences(issue.id, row.scope)
    at = quantiles_by_period(stored, row.scope, len(rows.spec.keys))
    ends = {
        of.target: (q["lower_80"], q["upper_80"]) for of, q in zip(stored.periods, at, strict=True)
    }
    cells, seen = [], []
    for of in effects:
        planned = (of.baseline + apart.get(of.target, 0)) / 100
        cell = Cell(of.target, of.baseline / 100, planned, of.after / 100, *ends[of.target])
        cells.append(cell)
        seen.append(Seen(of.target, of.before / 100, cell.after, cell.inside_80))
    return cells, seen

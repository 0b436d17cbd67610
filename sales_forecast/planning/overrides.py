"""Overrides: made, taken back and read again, beside the forecasts that they change.

Takes what somebody wishes and what they saw, gives what became of it. A wish by what has changed
meanwhile is refused and changes nothing. Must not know HTTP, nor who may.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Literal, NamedTuple, get_args

from sales_forecast.data.ledger_ids import new_id
from sales_forecast.data.override_tables import Kind, Override, Scope, Seen
from sales_forecast.data.plan_rows import Baseline, Effect, KnownIssue, PlanRows, PlanTables
from sales_forecast.data.spec import PanelSpec
from sales_forecast.errors import ChangedMeanwhile, InvalidRequest, NoForecasts, UnknownOverride
from sales_forecast.planning.intervals import quantiles_by_period
from sales_forecast.planning.plan import Plan, plan_issue, renew, rows_of, write
from sales_forecast.settings import Settings

Reason = Literal[
    "promotion",
    "price",
    "event",
    "weather",
    "opening_or_closing",
    "assortment",
    "competition",
    "supply",
    "data_error",
    "other",
]
REASONS: tuple[Reason, ...] = get_args(Reason)
"""Why a forecast is changed; `note` says more."""
LARGEST = 1e12
"""No amount of an override is larger."""
_LEAST_PERCENT = -100.0
_VERSION = re.compile(r"(?P<issue>[0-9]{1,10})-(?P<number>[0-9]{1,10})", re.ASCII)
_SCAN = 500
_CENT = 0.01


@dataclass(frozen=True)
class Wish:
    """An override that somebody wants.

    Attributes:
        scope: which series, by some of their keys; their sum is changed.
        first, last: the days that end the first and the last period.
        amount: sales of each period; or percent, or units of sales, more than are planned.
        version: what they saw, as `Planned.version` said.
    """

    scope: Scope
    first: date
    last: date
    kind: Literal["value", "percent", "units"]
    amount: float
    reason: Reason
    note: str
    version: str


class Cell(NamedTuple):
    """One period of an override: sums over all it is about.

    `baseline` is forecast, `before` was planned and `after` is; `lower`, `upper`: the interval of
    80% of the forecast, None where none is promised.
    """

    target: date
    baseline: float
    before: float
    after: float
    lower: float | None
    upper: float | None

    @property
    def inside_80(self) -> bool | None:
        """Whether what is planned lies in the interval."""
        if self.lower is None or self.upper is None:
            return None
        return self.lower <= self.after <= self.upper


@dataclass(frozen=True)
class Made:
    """An override that was made: what it changes, and what to say of that."""

    override: Override
    cells: Sequence[Cell]
    version: str


@dataclass(frozen=True)
class Planned:
    """What is planned of a sum beside an issue.

    Attributes:
        version: names what was seen, for whoever changes it; an opaque text.
        apart: period -> cents by which the plan differs from the forecast; periods without are 0.
    """

    version: str
    apart: Mapping[date, int]

    def of(self, target: date, sales: float) -> float:
        """Return what is planned of a period of which `sales` are forecast."""
        return (round(sales * 100) + self.apart.get(target, 0)) / 100


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


class Overrides:
    """Overrides of a database. Connects at need; safe to share between threads.

    Every method raises DatabaseError, NoForecasts before the first forecasts, and NotReady for
    tables of another release.
    """

    def __init__(self, url: str, lock_periods: int = 0) -> None:
        """Take a URL as in the setting DATABASE_URL, and how many near periods are locked."""
        self.tables = PlanTables(url)
        self.lock_periods = lock_periods

    @classmethod
    def from_settings(cls, settings: Settings) -> Overrides:
        """Return what a deployment asks for."""
        return cls(settings.database_url, settings.override_lock_periods)

    def close(self) -> None:
        """Close the idle connections."""
        self.tables.close()

    def planned(
        self, spec: PanelSpec, issue: int, scope: Scope, as_of: date | None = None
    ) -> Planned:
        """Return what is planned beside an issue of the sum of all series with some keys.

        `as_of`: by the overrides that were made before the end of that day in UTC.
        """
        with self.tables.reading(spec) as rows:
            if as_of is None:
                apart = rows.differences(issue, scope)
                return Planned(f"{issue}-{rows.last_number()}", apart)
            made = [of for of in rows.overrides() if of.made_at.date() <= as_of]
            number = made[-1].number if made else 0
            return Planned(f"{issue}-{number}", _apart(rows, issue, scope, made))

    def make(self, spec: PanelSpec, wish: Wish, made_by: str) -> Made:
        """Change what is planned, for all who read it, or nothing.

        Raises ChangedMeanwhile where somebody changed the same cells since `wish.version`;
        InvalidRequest for periods that were not forecast, have come, or are locked, and for an
        amount below 0.
        """
        (made,) = self.make_all(spec, [wish], made_by)
        return made

    def make_all(self, spec: PanelSpec, wishes: Sequence[Wish], made_by: str) -> list[Made]:
        """Make several overrides in their order, all of them or none. Raises as `make`."""
        if not wishes:
            return []
        with self.tables.writing(spec) as rows:
            made, planned = self._made(rows, wishes, made_by)
            for of in made:
                rows.add(of.override)
            issue = made[0].override.issue_id
            write(rows, issue, *_span(of.override for of in made), planned)
        return made

    def preview(self, spec: PanelSpec, wishes: Sequence[Wish], made_by: str) -> list[Made]:
        """Return what `make_all` would make, and make nothing. Raises as `make`."""
        with self.tables.reading(spec) as rows:
            return self._made(rows, wishes, made_by)[0]

    def _made(
        self, rows: PlanRows, wishes: Sequence[Wish], made_by: str
    ) -> tuple[list[Made], tuple[Baseline, Plan]]:
        """Return overrides that may be made, in the order of their wishes, and their plan."""
        issue, number = rows.newest_issue(), rows.last_number()
        new: list[Override] = []
        for wish in wishes:
            check_amount(wish.kind, wish.amount)
            self._check_periods(rows.spec, issue, wish.first, wish.last)
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
            of_version = [
                row for row, wish in zip(new, wishes, strict=True) if wish.version == version
            ]
            _check_version(rows, issue, version, of_version)
        first, last = _span(new)
        others = rows.overrides(last_from=first, first_until=last)
        planned = plan_issue(rows, issue.id, first, last, [*others, *new])
        told = _cells(rows, issue, new, planned[1])
        made = [
            Made(replace(row, seen=seen), cells, f"{issue.id}-{number}")
            for row, (cells, seen) in zip(new, told, strict=True)
        ]
        return made, planned

    def undo(self, spec: PanelSpec, override_id: str, version: str, made_by: str) -> Override:
        """Take an override back in all of its periods that have not come; return the new row.

        Raises UnknownOverride; ChangedMeanwhile where it is undone already, or somebody changed the
        same cells since `version`; InvalidRequest where none of its periods is left.
        """
        with self.tables.writing(spec) as rows:
            issue = rows.newest_issue()
            found = rows.overrides(ids=[override_id])
            if not found or found[0].kind == "undo":
                raise UnknownOverride(
                    f"There is no override {override_id} that could be undone.", {"id": override_id}
                )
            (of,) = found
            for row in rows.overrides(after=of.number):
                if row.undoes == of.id:
                    raise _changed(row, f"Override {of.id} was undone")
            first = max(of.first, self.first_open(spec, issue))
            if first > of.last:
                raise InvalidRequest(
                    f"Override {of.id} ends with {of.last}, and the first period that may still be "
                    f"changed is {first}.",
                    {"id": of.id},
                )
            row = Override(
                number=rows.last_number() + 1,
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
            rows.add(row)
            renew(rows, issue.id, first, min(of.last, issue.last))
        return row

    def page(self, spec: PanelSpec, wish: OverridesWish) -> OverridesPage:
        """Return some overrides and what has become of them, the newest first."""
        with self.tables.reading(spec) as rows:
            issue = rows.newest_issue()
            states = _States(rows, issue)
            found: list[State] = []
            before = wish.before
            while len(found) <= wish.limit:
                some = rows.overrides(before=before, most=_SCAN, newest_first=True)
                found += filter(wish.takes, states.of_all(some))
                if len(some) < _SCAN:
                    break
                before = some[-1].number
            items = found[: wish.limit]
            more = len(found) > wish.limit
            version = f"{issue.id}-{rows.last_number()}"
            return OverridesPage(items, items[-1].override.number if more else None, version)

    def find(self, spec: PanelSpec, override_id: str) -> State:
        """Return one override. Raises UnknownOverride."""
        with self.tables.reading(spec) as rows:
            for of in rows.overrides(ids=[override_id]):
                if of.kind != "undo":
                    return _States(rows, rows.newest_issue()).of_all([of])[0]
        raise UnknownOverride(f"There is no override {override_id}.", {"id": override_id})

    def first_open(self, spec: PanelSpec, issue: KnownIssue) -> date:
        """Return the first period that may be changed."""
        return issue.origin + timedelta(days=spec.frequency.days * (1 + self.lock_periods))

    def _check_periods(self, spec: PanelSpec, issue: KnownIssue, first: date, last: date) -> None:
        name, opened = spec.frequency.field, self.first_open(spec, issue)
        if first > last:
            raise InvalidRequest(
                f"first {first} comes after last {last}.", {"first": str(first), "last": str(last)}
            )
        if first < opened:
            locked = f", and the {self.lock_periods} after it are locked"
            raise InvalidRequest(
                f"first {first} cannot be changed any more: {issue.origin} is the last known {name}"
                f"{locked if self.lock_periods else ''}. The first that can is {opened}.",
                {"first": str(first)},
            )
        if last > issue.last:
            raise InvalidRequest(
                f"last {last} is not forecast: the forecasts of {issue.origin} end with "
                f"{issue.last}.",
                {"last": str(last)},
            )


def check_amount(kind: Kind, amount: float) -> None:
    """Raise InvalidRequest for an amount that no forecast can be changed by."""
    least = {"value": 0.0, "percent": _LEAST_PERCENT}.get(kind, -LARGEST)
    if not least <= amount <= LARGEST:
        raise InvalidRequest(
            f"number must be at least {least:.12g} and at most {LARGEST:.12g} for {kind}, "
            f"not {amount:.12g}.",
            {"number": amount},
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
    later = rows.overrides(after=int(found["number"]))
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
    return ChangedMeanwhile(
        f"{what} by {row.made_by} at {row.made_at:%Y-%m-%dT%H:%M:%SZ}. Look at them, then send the "
        "change again.",
        {"id": row.id, "by": row.made_by, "at": row.made_at.isoformat()},
    )


def _span(overrides: Iterable[Override]) -> tuple[date, date]:
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
    stored = rows.stored(issue.id, row.scope)
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


def _apart(
    rows: PlanRows, issue: int, scope: Scope, made: Sequence[Override]
) -> Mapping[date, int]:
    """Return by how many cents the plan that some overrides make of an issue differs from it."""
    if not made:
        return {}
    first, last = min(of.first for of in made), max(of.last for of in made)
    baseline, plan = plan_issue(rows, issue, first, last, made)
    apart = (plan.cents - baseline.cents)[rows_of(baseline, scope)].sum(axis=0)
    return dict(zip(baseline.targets, apart.tolist(), strict=True))


class _States:
    """What has become of overrides, beside the newest issue."""

    def __init__(self, rows: PlanRows, issue: KnownIssue) -> None:
        self._rows, self._issue = rows, issue
        self._effects: dict[int, list[Effect]] = {}
        for of in rows.effects(issue.id):
            self._effects.setdefault(of.number, []).append(of)

    def of_all(self, overrides: Sequence[Override]) -> list[State]:
        undoing = self._rows.overrides(undoing=[of.id for of in overrides]) if overrides else []
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

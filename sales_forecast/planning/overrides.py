"""Overrides: made, taken back and read again, beside the forecasts that they change.

Takes what somebody wishes and what they saw, gives what became of it. A wish by what has changed
meanwhile is refused and changes nothing. Must not know HTTP, nor who may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from sales_forecast.data.forecasts.issue_rows import KnownIssue
from sales_forecast.data.forecasts.override_tables import Override, Scope
from sales_forecast.data.forecasts.plan_rows import Baseline, PlanRows, PlanTables
from sales_forecast.data.spec import PanelSpec
from sales_forecast.errors import InvalidRequest, UnknownOverride
from sales_forecast.planning.making import check_wish, made_of, span, undo_of
from sales_forecast.planning.plan import Plan, plan_issue, rows_of, write
from sales_forecast.planning.states import OverridesPage, OverridesWish, State, States
from sales_forecast.planning.wishes import Made, Wish

_SCAN = 500
_Ready = TypeVar("_Ready")


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


class Overrides:
    """Overrides of a database. Connects at need; safe to share between threads.

    Every method raises DatabaseError, NoForecasts before the first forecasts, and NotReady for
    tables of another release.
    """

    def __init__(self, url: str, lock_periods: int = 0) -> None:
        """Take a URL as in the setting DATABASE_URL, and how many near periods are locked."""
        self.tables = PlanTables(url)
        self.lock_periods = lock_periods

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
                return Planned(f"{issue}-{rows.overrides.last_number()}", apart)
            made = [of for of in rows.overrides.find() if of.made_at.date() <= as_of]
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

        def prepare(rows: PlanRows) -> tuple[list[Made], tuple[Baseline, Plan]]:
            return made_of(rows, wishes, made_by, self.lock_periods)

        with self._writing(spec, prepare) as (rows, (made, planned)):
            for of in made:
                rows.overrides.add(of.override)
            issue = made[0].override.issue_id
            write(rows, issue, *span(of.override for of in made), planned)
        return made

    def preview(self, spec: PanelSpec, wishes: Sequence[Wish], made_by: str) -> list[Made]:
        """Return what `make_all` would make, and make nothing. Raises as `make`."""
        with self.tables.reading(spec) as rows:
            return made_of(rows, wishes, made_by, self.lock_periods)[0]

    def refused(self, spec: PanelSpec, wishes: Sequence[Wish]) -> list[tuple[int, str]]:
        """Return the place and the reason of each wish that cannot be made, whoever asks when."""
        with self.tables.reading(spec) as rows:
            issue = rows.issues.newest()
        found = []
        for place, wish in enumerate(wishes):
            try:
                check_wish(spec, issue, wish, self.lock_periods)
            except InvalidRequest as error:
                found.append((place, error.message))
        return found

    def undo(self, spec: PanelSpec, override_id: str, version: str, made_by: str) -> Override:
        """Take an override back in all of its periods that have not come; return the new row.

        Raises UnknownOverride; ChangedMeanwhile where it is undone already, or somebody changed the
        same cells since `version`; InvalidRequest where none of its periods is left.
        """

        def prepare(rows: PlanRows) -> tuple[Override, tuple[Baseline, Plan]]:
            return undo_of(rows, override_id, version, made_by, self.lock_periods)

        with self._writing(spec, prepare) as (rows, (row, planned)):
            rows.overrides.add(row)
            write(rows, row.issue_id, row.first, row.last, planned)
        return row

    @contextmanager
    def _writing(
        self, spec: PanelSpec, prepare: Callable[[PlanRows], _Ready]
    ) -> Iterator[tuple[PlanRows, _Ready]]:
        """Prepare while others may write; if one did, do it anew once no one else may.

        What is prepared may depend on the newest issue and on overrides, and on nothing else that
        changes. It takes longer than to write it.
        """
        with self.tables.reading(spec) as rows:
            seen, ready = _moment(rows), prepare(rows)
        with self.tables.writing(spec) as rows:
            if _moment(rows) != seen:
                ready = prepare(rows)
            yield rows, ready

    def page(self, spec: PanelSpec, wish: OverridesWish) -> OverridesPage:
        """Return some overrides and what has become of them, the newest first."""
        with self.tables.reading(spec) as rows:
            issue = rows.issues.newest()
            states = States(rows, issue)
            found: list[State] = []
            before = wish.before
            while len(found) <= wish.limit:
                some = rows.overrides.find(before=before, most=_SCAN, newest_first=True)
                found += filter(wish.takes, states.of_all(some))
                if len(some) < _SCAN:
                    break
                before = some[-1].number
            items = found[: wish.limit]
            more = len(found) > wish.limit
            version = f"{issue.id}-{rows.overrides.last_number()}"
            return OverridesPage(items, items[-1].override.number if more else None, version)

    def find(self, spec: PanelSpec, override_id: str) -> State:
        """Return one override. Raises UnknownOverride."""
        with self.tables.reading(spec) as rows:
            for of in rows.overrides.find(ids=[override_id]):
                if of.kind != "undo":
                    return States(rows, rows.issues.newest()).of_all([of])[0]
        raise UnknownOverride(f"There is no override {override_id}.", {"id": override_id})


def _moment(rows: PlanRows) -> tuple[KnownIssue, int]:
    return rows.issues.newest(), rows.overrides.last_number()


def _apart(
    rows: PlanRows, issue: int, scope: Scope, made: Sequence[Override]
) -> Mapping[date, int]:
    """Return by how many cents the plan that some overrides make of an issue differs from it."""
    if not made:
        return {}
    baseline, plan = plan_issue(rows, issue, *span(made), made)
    apart = (plan.cents - baseline.cents)[rows_of(baseline, scope)].sum(axis=0)
    return dict(zip(baseline.targets, apart.tolist(), strict=True))

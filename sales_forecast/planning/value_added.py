"""What came of overrides: how much nearer to what was sold the plan was than what stood before.

Takes overrides whose periods have come, gives errors in money: of the growth baseline (naive), of
the model, of the plan without each override and with it. An override is judged by the last forecast
before each of its periods, at the level at which it was made. Must not know HTTP.
Source: forecast value added, Gilliland, The Business Forecasting Deal, 2010.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from sales_forecast.data.forecasts.override_tables import Override
from sales_forecast.data.forecasts.plan_rows import Effect, PlanRows, PlanTables
from sales_forecast.data.forecasts.realised_plans import Realised, last_effects, realised
from sales_forecast.data.frequency import counted
from sales_forecast.data.spec import PanelSpec
from sales_forecast.planning.plan import rows_of
from sales_forecast.planning.wishes import Made

Grouping = Literal["reason", "size", "level", "person"]
_SMALL, _LARGE = 0.1, 0.25
IN_GENERAL = (
    "Nothing of the kind has been judged here yet. In general: at retailers small changes upwards "
    "made forecasts worse on average; large ones, and those downwards, more often helped (Fildes "
    "and Goodwin, 2007)."
)


@dataclass(frozen=True)
class Outcome:
    """What came of one override; sums over its periods that have come, in money.

    Attributes:
        periods: how many those are.
        sold: what was sold.
        before, after: what was planned without it, and with it.
        naive_error, model_error: absolute errors of what was forecast.
        before_error, after_error: of what was planned.
    """

    override: Override
    periods: int
    sold: float
    before: float
    after: float
    naive_error: float
    model_error: float
    before_error: float
    after_error: float

    @property
    def value_added(self) -> float:
        """How much smaller the error became by it; below 0 where it grew."""
        return self.before_error - self.after_error


@dataclass(frozen=True)
class Record:
    """What came of some overrides: how many they are, how many helped, sums of their money."""

    n: int
    helped: int
    value_added: float
    sold: float
    naive_error: float
    model_error: float
    before_error: float
    after_error: float

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> Record:
        """Add outcomes up."""
        found = list(outcomes)

        def total(value: Callable[[Outcome], float]) -> float:
            return round(sum(map(value, found)), 2)

        return cls(
            n=len(found),
            helped=sum(of.value_added > 0 for of in found),
            value_added=total(lambda of: of.value_added),
            sold=total(lambda of: of.sold),
            naive_error=total(lambda of: of.naive_error),
            model_error=total(lambda of: of.model_error),
            before_error=total(lambda of: of.before_error),
            after_error=total(lambda of: of.after_error),
        )


class ValueAdded:
    """Judges the overrides of a database; what has come is judged once for the same sales."""

    def __init__(self, tables: PlanTables) -> None:
        """Take the tables, which whoever made them closes."""
        self._tables = tables
        self._judged: tuple[object, Sequence[Outcome]] = (None, ())

    def outcomes(self, spec: PanelSpec) -> Sequence[Outcome]:
        """Return what came of overrides of which any period has come, the oldest first.

        Raises as `Overrides` does.
        """
        with self._tables.reading(spec) as rows:
            state = rows.issues.newest_load(), rows.issues.newest()
            found, outcomes = self._judged
            if found != state:
                outcomes = _outcomes(rows)
                self._judged = state, outcomes
        return outcomes

    def by(
        self, spec: PanelSpec, grouping: Grouping, person: str | None = None
    ) -> Mapping[str, Record]:
        """Return group -> its record, `all` first. `person`: of their overrides alone."""
        found = [
            of for of in self.outcomes(spec) if person is None or of.override.made_by == person
        ]
        groups: dict[str, list[Outcome]] = {}
        for of in found:
            groups.setdefault(_group(spec, grouping, of), []).append(of)
        return {
            "all": Record.of(found),
            **{name: Record.of(groups[name]) for name in sorted(groups)},
        }

    def of_kind(self, spec: PanelSpec, made: Made) -> Mapping[Grouping, Record]:
        """Return the record of earlier overrides of the same reason, and of those of its size."""
        size, found = _size(made), self.outcomes(spec)
        return {
            "reason": Record.of(of for of in found if of.override.reason == made.override.reason),
            "size": Record.of(of for of in found if size_of(of.before, of.after) == size),
        }


def size_of(before: float, after: float) -> str:
    """Return in words which way and how far a sum was changed."""
    change = (after - before) / before if before > 0 else float(after > before)
    far = abs(change)
    band = "under 10%" if far < _SMALL else "10 to 25%" if far <= _LARGE else "over 25%"
    return f"{'down' if change < 0 else 'up'}, {band}"


def advice(spec: PanelSpec, made: Made, record: Mapping[Grouping, Record]) -> list[str]:
    """Return what to say of an override at the moment it is made, in sentences."""
    unit = spec.frequency.unit
    told = [of.inside_80 for of in made.cells if of.inside_80 is not None]
    said = []
    if told and all(told):
        said.append("The plan lies inside the forecast's interval of 80%: it may well be right.")
    elif told:
        outside = len(told) - sum(told)
        said.append(
            f"In {outside} of {counted(len(told), unit)} the plan lies outside of the forecast's "
            "interval of 80%: it is right only if you know what the sales of the past do not tell."
        )
    reason = f"for the reason {made.override.reason}"
    names = {"reason": reason, "size": f"of this size ({_size(made)})"}
    for grouping, of in record.items():
        if of.n:
            worse = of.value_added < 0
            said.append(
                f"Of {of.n} earlier changes {names[grouping]} {of.helped} helped: together they "
                f"made the plan {abs(of.value_added):,.2f} {'worse' if worse else 'better'}."
            )
    if not any(of.n for of in record.values()):
        said.append(IN_GENERAL)
    return said


def _size(made: Made) -> str:
    seen = made.override.seen
    return size_of(sum(of.before for of in seen), sum(of.after for of in seen))


def _group(spec: PanelSpec, grouping: Grouping, of: Outcome) -> str:
    match grouping:
        case "reason":
            return of.override.reason or ""
        case "size":
            return size_of(of.before, of.after)
        case "level":
            places = sorted(int(key[1:]) - 1 for key in of.override.scope)
            return ", ".join(spec.keys[place].field for place in places) or "chain"
        case "person":
            return of.override.made_by


def _outcomes(rows: PlanRows) -> list[Outcome]:
    judged = last_effects(rows)
    numbers = {of.number for effects in judged.values() for of in effects}
    overrides = {of.number: of for of in rows.overrides.find() if of.number in numbers}
    parts: dict[int, list[tuple[Effect, float, float]]] = {}
    for issue, effects in judged.items():
        targets = sorted({of.target for of in effects})
        scopes = [overrides[of.number].scope for of in effects]
        sold = realised(rows, issue, targets, scopes)
        for of in effects:
            sums = _sums(sold, overrides[of.number], of.target)
            if sums is not None:
                parts.setdefault(of.number, []).append((of, *sums))
    return [_outcome(overrides[number], parts[number]) for number in sorted(parts)]


def _sums(of_issue: Realised, of: Override, target: date) -> tuple[float, float] | None:
    """Return what was sold and naively forecast of all that an override is about; None if unknown.

    What is not known of single series was not sold.
    """
    column = of_issue.baseline.targets.index(target) if target in of_issue.baseline.targets else -1
    if column < 0:
        return None
    rows = rows_of(of_issue.baseline, of.scope)
    if not of_issue.known[rows, column].any():
        return None
    return (
        float(of_issue.sold[rows, column].sum()),
        float(of_issue.naive[rows, column].sum()),
    )


def _outcome(of: Override, parts: Sequence[tuple[Effect, float, float]]) -> Outcome:
    def error(value: Callable[[Effect, float], float]) -> float:
        return sum(abs(value(effect, naive) - sold) for effect, sold, naive in parts)

    return Outcome(
        override=of,
        periods=len(parts),
        sold=sum(sold for _, sold, _ in parts),
        before=sum(effect.before for effect, _, _ in parts) / 100,
        after=sum(effect.after for effect, _, _ in parts) / 100,
        naive_error=error(lambda _, naive: naive),
        model_error=error(lambda effect, _: effect.baseline / 100),
        before_error=error(lambda effect, _: effect.before / 100),
        after_error=error(lambda effect, _: effect.after / 100),
    )

"""The sheet of a plan: what is forecast and planned of each series, and what to change of it.

Takes a plan, gives rows; takes rows that came back, gives the cells that somebody filled, and every
reason why a row cannot be taken. Must not know files, nor change a plan.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import isfinite

from sales_forecast.data.files.workbook import Cell
from sales_forecast.data.forecasts.override_tables import Scope
from sales_forecast.data.forecasts.plan_cells import plan_cells
from sales_forecast.data.forecasts.plan_rows import PlanRows
from sales_forecast.data.spec import PanelSpec
from sales_forecast.errors import InvalidRequest

NEW = "new_plan"
_FORECAST = ("target", "sales", "lower_80", "upper_80", "planned")
_FILLED = (NEW, "reason", "note")
_VERSION = "version"
MOST_CHANGES = 1_000
"""Of one sheet."""
MOST_PROBLEMS = 20
"""That are told; one more is found, so that it can be said that there are more."""
_WHOLE = re.compile(r"-?[0-9]{1,9}")
_PARTS = re.compile(r"([0-9]{1,4})([-./])([0-9]{1,2})\2([0-9]{1,4})")


@dataclass(frozen=True)
class Change:
    """One cell that somebody filled: `row` of the sheet, `keys` by place, as a request has them."""

    row: int
    keys: Mapping[int, int | str]
    target: date
    amount: float
    reason: str
    note: str
    version: str


def head_of(spec: PanelSpec) -> list[str]:
    """Return the names of the columns."""
    return [*(key.column for key in spec.keys), *_FORECAST, *_FILLED, _VERSION]


def plan_rows(rows: PlanRows, scope: Scope) -> Iterator[list[Cell]]:
    """Yield the sheet: its head, then a row for each series with some keys and each period."""
    spec = rows.spec
    yield [*head_of(spec)]
    kinds = [key.kind for key in spec.keys]
    version = f"{rows.issues.newest().id}-{rows.overrides.last_number()}"
    empty: list[Cell] = [None] * len(_FILLED)
    for of in plan_cells(rows, scope):
        keys = [int(t) if k == "number" else t for t, k in zip(of.keys, kinds, strict=True)]
        yield [*keys, of.target, of.sales, of.lower_80, of.upper_80, of.planned, *empty, version]


class Reading:
    """What a sheet says that came back."""

    def __init__(
        self,
        spec: PanelSpec,
        first_day: date,
        meant: Callable[[tuple[int | str, ...]], tuple[int | str, ...]],
        *,
        local: bool,
        weekday: int | None,
    ) -> None:
        """Take the forms in which its cells are written.

        `meant`: gives the keys of the series that is meant by those that a sheet has.

        `first_day`: day 0 of days that are numbers. `local`: texts such as 1,5 are one and a half.
        `weekday`: on which periods end, Monday is 0; None: they are days.
        """
        self._spec = spec
        self._first_day = first_day
        self._meant = meant
        self._local = local
        self._weekday = weekday
        self.problems: list[str] = []

    def changes(self, rows: Iterable[tuple[int, Sequence[Cell]]]) -> list[Change]:
        """Return all cells that were filled; `problems` says what cannot be taken of them.

        Raises InvalidRequest for a sheet that is none of these.
        """
        found: list[Change] = []
        places: dict[str, int] | None = None
        seen: dict[tuple[object, ...], int] = {}
        for number, row in rows:
            if places is None:
                places = self._places(row)
                continue
            at = {name: row[place] if place < len(row) else None for name, place in places.items()}
            if at[NEW] is None:
                continue
            try:
                change = self._change(number, at)
            except ValueError as error:
                self._note(number, str(error))
                continue
            cell = (*change.keys.values(), change.target)
            if cell in seen:
                self._note(number, f"row {seen[cell]} is about the same series and period.")
            seen[cell] = number
            found.append(change)
            if len(found) > MOST_CHANGES:
                raise InvalidRequest(
                    f"The sheet changes more than {MOST_CHANGES:,} cells. Send it in parts.",
                    {"changes": len(found)},
                )
        if places is None:
            raise InvalidRequest("The sheet is empty.", {"rows": 0})
        return found

    def _note(self, number: int, problem: str) -> None:
        if len(self.problems) <= MOST_PROBLEMS:
            self.problems.append(f"Row {number}: {problem}")

    def _places(self, head: Sequence[Cell]) -> dict[str, int]:
        names = [str(cell or "").strip() for cell in head]
        wanted = [name for name in head_of(self._spec) if name not in _FORECAST[1:]]
        lacking = [name for name in wanted if name not in names]
        if lacking:
            raise InvalidRequest(
                f"The sheet has no column {', '.join(lacking)}. Its first row must name the "
                "columns as the sheet that was given out does.",
                {"columns": lacking},
            )
        twice = [name for name in wanted if names.count(name) > 1]
        if twice:
            raise InvalidRequest(
                f"The sheet has more than one column {', '.join(twice)}.", {"columns": twice}
            )
        return {name: names.index(name) for name in wanted}

    def _change(self, number: int, at: Mapping[str, Cell]) -> Change:
        keys = tuple(self._key(key.column, key.kind, at[key.column]) for key in self._spec.keys)
        target = self._day(at["target"])
        amount = self._number(NEW, at[NEW])
        reason, note, version = (_text(at[name]) for name in ("reason", "note", _VERSION))
        series = dict(enumerate(self._meant(keys)))
        return Change(number, series, target, amount, reason, note, version)

    def _key(self, name: str, kind: str, value: Cell) -> int | str:
        text = _text(value)
        if kind == "text":
            if not text:
                raise ValueError(f"{name} is empty.")
            return text
        if not _WHOLE.fullmatch(text):
            raise ValueError(f"{name} must be a whole number, not {text[:30]!r}.")
        return int(text)

    def _day(self, value: Cell) -> date:
        """Return a day; of 02/11/2012 that which ends a period, if the other does not."""
        found: set[date] = set()
        if isinstance(value, float) and value.is_integer() and abs(value) < 1e6:  # noqa: PLR2004
            found = {self._first_day + timedelta(days=int(value))}
        elif isinstance(value, str) and (parts := _PARTS.fullmatch(value.strip()[:10])):
            first, _, second, third = parts.groups()
            orders = [(first, second, third)]
            if len(first) <= 2:  # noqa: PLR2004 - digits of a day or a month
                orders = [(third, second, first)]
                if parts[2] == "/":  # as countries differ in
                    orders.append((third, first, second))
            for order in orders:
                try:
                    found.add(date(*map(int, order)))
                except ValueError:
                    continue
        ends = {day for day in found if self._weekday in {None, day.weekday()}}
        if len(ends) != 1:
            may = " or ".join(map(str, sorted(ends or found)))
            raise ValueError(
                f"target {_text(value)[:30]!r} is {may + ', which' if may else 'no day that'} "
                f"{'may be either' if len(ends) > 1 else 'ends no period'}. Write it such as "
                "2012-11-02."
            )
        return ends.pop()

    def _number(self, name: str, value: Cell) -> float:
        text = value if isinstance(value, str) else None
        if text is not None:
            point, thousands = (",", ".") if self._local else (".", ",")
            form = rf"-?([0-9]+|[0-9]{{1,3}}(\{thousands}[0-9]{{3}})+)(\{point}[0-9]+)?"
            plain = text.strip().replace("\u202f", "").replace("\xa0", "")
            if not re.fullmatch(form, plain):
                raise ValueError(
                    f"{name} must be a number such as 1234{point}50, not {text[:30]!r}."
                )
            value = float(plain.replace(thousands, "").replace(point, "."))
        if not isinstance(value, float) or not isfinite(value):
            raise ValueError(f"{name} must be a number, not {value}.")
        return value


def _text(value: Cell) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value).strip()

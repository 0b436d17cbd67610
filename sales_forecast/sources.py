"""Files to validated rows: the edge where sales data is checked, once.

Takes a file and the name of its layout, gives `SalesRows` in the order of the file, or raises
DataRefused with the file, the line, the column and what is wrong there. Must not guess (a
month-first date, a comma as decimal sign, another encoding) and must not know the database.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np

from sales_forecast.csv_table import Table, read_table
from sales_forecast.errors import DataRefused
from sales_forecast.panel import CONDITIONS, DAYS_PER_PERIOD, Days
from sales_forecast.rows import SalesRows

_STORE = re.compile(r"[0-9]{1,9}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DAY_FIRST = re.compile(r"([0-9]{2})-([0-9]{2})-([0-9]{4})")
_ISO = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
# A mistyped year must not become a panel of a hundred thousand empty weeks.
_FIRST_YEAR, _LAST_YEAR = 1900, 2099


class Layout(Protocol):
    """A form of file: which columns it has, and how they become rows."""

    columns: tuple[str, ...]

    def rows(self, table: Table) -> SalesRows:
        """Validate the cells of `columns`. Raises DataRefused."""
        ...


class StoreWeeks:
    """One row per store and week, with the conditions of that week."""

    columns: tuple[str, ...] = ("Store", "Date", "Weekly_Sales", *CONDITIONS)

    def rows(self, table: Table) -> SalesRows:
        """Validate all columns; negative sales are returns, and stay."""
        stores = table.parse("Store", _store, "a store number: digits only, at most 9 of them")
        weeks = _weeks(table)
        _refuse_duplicates(table, stores, weeks)
        numbers = {"Holiday_Flag": table.parse("Holiday_Flag", _flag, "0 or 1")}
        for name in self.columns:
            if name not in {"Store", "Date", "Holiday_Flag"}:
                numbers[name] = table.parse(name, _number, "a finite number such as 1643690.9")
        return SalesRows(
            store=np.array(stores, dtype=np.int64),
            week=weeks,
            sales=np.array(numbers["Weekly_Sales"]),
            conditions={name: np.array(numbers[name]) for name in CONDITIONS},
        )


LAYOUTS: Mapping[str, Layout] = {"stores": StoreWeeks()}


def read_sales(file: Path, layout: str = "stores") -> SalesRows:
    """Read a file of the named layout.

    Raises DataRefused, naming the place, if anything in the file is not as it should be, if it
    cannot be read, or if there is no such layout.
    """
    if layout not in LAYOUTS:
        known = ", ".join(LAYOUTS)
        raise DataRefused(file, f"there is no layout {layout!r}; the known layouts are: {known}")
    form = LAYOUTS[layout]
    return form.rows(read_table(file, form.columns))


def _weeks(table: Table) -> Days:
    """Return datetime64[D][n]: dates of one form, all on one weekday."""
    expected = f"a date of {_FIRST_YEAR}-{_LAST_YEAR} as DD-MM-YYYY (day first) or YYYY-MM-DD"
    weeks = np.array(table.parse("Date", _day, expected), dtype="datetime64[D]")
    _refuse_mixed_forms(table)
    _refuse_other_weekdays(table, weeks)
    return weeks


def _refuse_mixed_forms(table: Table) -> None:
    def form(cell: str) -> str:
        return "YYYY-MM-DD" if _ISO.fullmatch(cell) else "DD-MM-YYYY"

    cells = table.cells["Date"]
    first = form(cells[0])
    if other := [row for row, cell in enumerate(cells) if form(cell) != first]:
        cell = cells[other[0]]
        problem = (
            f"{cell} is {form(cell)}, but {cells[0]} on line {table.lines[0]} is {first};"
            " write all dates in one form"
        )
        raise table.refusal(other, "Date", problem)


def _refuse_other_weekdays(table: Table, weeks: Days) -> None:
    weekdays = weeks.astype(np.int64) % DAYS_PER_PERIOD
    usual = np.bincount(weekdays).argmax()
    if (odd := np.flatnonzero(weekdays != usual)).size:
        regular = np.flatnonzero(weekdays == usual)[0]
        problem = (
            f"{table.cells['Date'][odd[0]]} is a {weeks[odd[0]].item():%A}, but the week on line"
            f" {table.lines[regular]} ends on a {weeks[regular].item():%A};"
            " weeks must be whole weeks apart, and dates are read day first"
        )
        raise table.refusal(odd.tolist(), "Date", problem)


def _refuse_duplicates(table: Table, stores: list[int], weeks: Days) -> None:
    first: dict[tuple[int, date], int] = {}
    keys = list(zip(stores, weeks.tolist(), strict=True))
    if repeated := [row for row, key in enumerate(keys) if first.setdefault(key, row) != row]:
        store, week = keys[repeated[0]]
        earlier = table.lines[first[store, week]]
        problem = f"store {store} already has the week {week} on line {earlier}"
        raise table.refusal(repeated, "Date", problem)


def _store(text: str) -> int:
    if not _STORE.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _flag(text: str) -> float:
    if text not in {"0", "1"}:
        raise ValueError(text)
    return float(text)


def _number(text: str) -> float:
    # Python's own float() also takes `nan`, `inf`, `1_000` and the digits of other scripts.
    if not _NUMBER.fullmatch(text) or not math.isfinite(value := float(text)):
        raise ValueError(text)
    return value


@lru_cache(maxsize=4096)  # the same weeks return for every store
def _day(text: str) -> date:
    if match := _DAY_FIRST.fullmatch(text):
        day, month, year = map(int, match.groups())
    elif match := _ISO.fullmatch(text):
        year, month, day = map(int, match.groups())
    else:
        raise ValueError(text)
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise ValueError(text)
    return date(year, month, day)

"""What a cell of a sales file may hold: numbers, flags, days.

Takes the text of cells, gives values or refuses them. Must not guess: a month-first date, or
whether a comma is a decimal sign.
"""

from __future__ import annotations

import math
import re
from collections.abc import Container, Sequence
from datetime import date
from functools import lru_cache

import numpy as np

from sales_forecast.data import anchors
from sales_forecast.data.files.csv_table import Table
from sales_forecast.data.frequency import DAYS_PER_PERIOD
from sales_forecast.data.panel import LARGEST_SALES, Array, Days
from sales_forecast.data.spec import WeekDates

STORE_NUMBER = "a store number: digits only, at most 9 of them"
NUMBER = "a number below 1e15 such as 1643690.9"

_STORE = re.compile(r"[0-9]{1,9}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_WITH_POINT = re.compile(r"[^,]*\.[^,]*")
_WITH_COMMA = re.compile(r"[^.,]*,[^.,]*")
_MAY_BE_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")
_MIDNIGHT = "([ T]00:00(:00(\\.0+)?)?)?"  # as spreadsheets and databases write a day
_DAY_FIRST = re.compile(rf"([0-9]{{2}})([-.])([0-9]{{2}})\2([0-9]{{4}}){_MIDNIGHT}")
_ISO = re.compile(rf"([0-9]{{4}})-([0-9]{{2}})-([0-9]{{2}}){_MIDNIGHT}")
_MISSING = ("", "NA")
# A mistyped year must not become a panel of a hundred thousand empty weeks.
_FIRST_YEAR, _LAST_YEAR = 1900, 2099


def store(text: str) -> int:
    """Return a number of up to nine digits. Raises ValueError."""
    if not _STORE.fullmatch(text):
        raise ValueError(text)
    return int(text)


def flag(text: str) -> float:
    """Return 0 or 1. Raises ValueError."""
    if text not in {"0", "1"}:
        raise ValueError(text)
    return float(text)


def flags(table: Table, column: str, *, missing: bool = False) -> Array:
    """Return float64[n]: the flags of a column, NaN for a missing one if that may be."""

    def flag_if_there(text: str) -> float:
        return math.nan if text in _MISSING else flag(text)

    convert, expected = (flag_if_there, "0 or 1, or NA") if missing else (flag, "0 or 1")
    return np.array(table.parse(column, convert, expected))


def boolean(text: str) -> float:
    """Return 1 for TRUE and 0 for FALSE. Raises ValueError."""
    if text.upper() not in {"TRUE", "FALSE"}:
        raise ValueError(text)
    return float(text.upper() == "TRUE")


def number(text: str) -> float:
    """Return a number. Raises ValueError."""
    # Python's own float() also takes `nan`, `inf`, `1_000` and the digits of other scripts.
    if not _NUMBER.fullmatch(text) or abs(value := float(text)) >= LARGEST_SALES:
        raise ValueError(text)
    return value


def text(cell: str) -> str:
    """Return a text that is not empty. Raises ValueError."""
    if not cell:
        raise ValueError(cell)
    return cell


def numbers(
    table: Table, columns: Sequence[str], *, missing: Container[str] = ()
) -> dict[str, Array]:
    """Return column -> float64[n], NaN for a missing number in those of which it may be `missing`.

    In a file that is not separated by commas, all these columns may have decimal commas.
    """
    sign = _decimal_sign(table, columns)
    shown = NUMBER.replace(".", sign)

    def read(text: str) -> float:
        return number(text.replace(",", ".") if sign == "," else text)

    def read_if_there(text: str) -> float:
        return math.nan if text in _MISSING else read(text)

    return {
        column: np.array(
            table.parse(column, read_if_there, f"{shown}, or NA")
            if column in missing
            else table.parse(column, read, shown)
        )
        for column in columns
    }


def _decimal_sign(table: Table, columns: Sequence[str]) -> str:
    """Return what separates decimals in all of some columns. Raises DataRefused for both signs."""
    if table.separator == ",":
        return "."

    def first(form: re.Pattern[str]) -> tuple[int, str] | None:
        found = (
            (row, column)
            for column in columns
            for row, cell in enumerate(table.cells[column])
            if form.fullmatch(cell)
        )
        return min(found, default=None)

    comma, point = first(_WITH_COMMA), first(_WITH_POINT)
    if comma is None:
        return "."
    shown = table.cells[comma[1]][comma[0]]
    if point is not None:
        (row, column), cell = point, table.cells[point[1]][point[0]]
        where = f"{shown} on line {table.lines[comma[0]]}"
        problem = f"{cell} has a decimal point, but {where} a comma; write all numbers in one form"
        raise table.refusal([row], column, problem)
    if all(
        _MAY_BE_THOUSANDS.fullmatch(cell)
        for column in columns
        for cell in table.cells[column]
        if "," in cell
    ):
        problem = f"{shown} may be thousands or have three decimals; write numbers with a point"
        raise table.refusal([comma[0]], comma[1], problem)
    return ","


def days(table: Table, column: str = "Date") -> Days:
    """Return datetime64[D][n]: dates of one form."""
    forms = "DD-MM-YYYY or DD.MM.YYYY (day first), or YYYY-MM-DD"
    expected = f"a date of {_FIRST_YEAR}-{_LAST_YEAR} as {forms}"
    found = np.array(table.parse(column, _day, expected), dtype="datetime64[D]")
    _refuse_mixed_forms(table, column)
    return found


def weeks(
    table: Table,
    dates: WeekDates | None,
    column: str = "Date",
    usual: Sequence[int] = anchors.LAST_DAYS,
) -> Days:
    """Return datetime64[D][n]: the last days of weeks whose dates have one form and one weekday.

    `dates`: which day of a week they are; if nobody said it, a weekday that is not `usual` for the
    last one is refused.
    """
    found = days(table, column)
    _refuse_other_weekdays(table, column, found)
    day = found[0].item()
    if dates is None and day.weekday() not in usual:
        problem = (
            f"weeks are dated by {day:%A}s: say whether that is their first or their last day, by"
            " --dates first or --dates last, or by dates in a layout of your own"
        )
        raise table.refusal([0], column, problem)
    return anchors.last_days(found, dates)


def refuse_duplicates(
    table: Table,
    column: str,
    series: Sequence[object],
    periods: Days,
    *,
    what: str,
    unit: str,
    otherwise: str = "",
) -> None:
    """Refuse a second row of one series and period.

    `series`: one name a row; `what` and `unit` say what a series and a period are;
    `otherwise`, what else may be wrong.
    """
    first: dict[tuple[object, date], int] = {}
    keys = list(zip(series, periods.tolist(), strict=True))
    if repeated := [row for row, key in enumerate(keys) if first.setdefault(key, row) != row]:
        name, period = keys[repeated[0]]
        date, line = table.cells[column][repeated[0]], table.lines[first[name, period]]
        named = "-".join(map(str, name)) if isinstance(name, tuple) else name
        problem = f"{what} {named} already has the {unit} {date} on line {line}"
        remedy = otherwise and f"; {otherwise}"
        raise table.refusal(repeated, column, f"{problem}{remedy}")


def _refuse_mixed_forms(table: Table, column: str) -> None:
    def form(cell: str) -> str:
        return "YYYY-MM-DD" if _ISO.fullmatch(cell) else "DD-MM-YYYY".replace("-", cell[2])

    cells = table.cells[column]
    first = form(cells[0])
    if other := [row for row, cell in enumerate(cells) if form(cell) != first]:
        cell = cells[other[0]]
        problem = (
            f"{cell} is {form(cell)}, but {cells[0]} on line {table.lines[0]} is {first};"
            " write all dates in one form"
        )
        raise table.refusal(other, column, problem)


def _refuse_other_weekdays(table: Table, column: str, weeks: Days) -> None:
    weekdays = weeks.astype(np.int64) % DAYS_PER_PERIOD
    usual = np.bincount(weekdays).argmax()
    if (odd := np.flatnonzero(weekdays != usual)).size:
        if anchors.by_months(weeks):
            problem = "the dates are one a month; sales are read by weeks or days: load those"
            raise table.refusal([0], column, problem)
        regular = np.flatnonzero(weekdays == usual)[0]
        problem = (
            f"{table.cells[column][odd[0]]} is a {weeks[odd[0]].item():%A}, but the date on line"
            f" {table.lines[regular]} is a {weeks[regular].item():%A};"
            " weeks must be whole weeks apart, and dates are read day first"
        )
        raise table.refusal(odd.tolist(), column, problem)


@lru_cache(maxsize=4096)  # the same weeks return for every store
def _day(text: str) -> date:
    if match := _DAY_FIRST.fullmatch(text):
        day, month, year = map(int, match.group(1, 3, 4))
    elif match := _ISO.fullmatch(text):
        year, month, day = map(int, match.group(1, 2, 3))
    else:
        raise ValueError(text)
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise ValueError(text)
    return date(year, month, day)

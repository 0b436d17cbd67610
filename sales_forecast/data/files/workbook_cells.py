"""What is heard of a sheet of Excel, made into rows of cells: each of them bounded.

Takes the beginnings, ends and texts of its elements. Must not know files.
Source of the format: ECMA-376, part 1, chapter 18.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from sales_forecast.data.files.workbook import MOST_ROWS
from sales_forecast.errors import InvalidRequest

Attributes = Mapping[str, str]
Cell = str | float | bool | None
"""Of a day its number; see `Sheet.first_day`."""

_MOST_COLUMNS = 200
_LONGEST_TEXT = 32_767  # of a cell of Excel
_AT = re.compile("([A-Z]{1,3})([0-9]{1,7})")


def refused(message: str) -> InvalidRequest:
    """Return the error for a workbook that is not read."""
    return InvalidRequest(message, {"file": "refused"})


class Text:
    """Gathers the text of an element; how it is spoken is no part of it."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._size = 0
        self._takes = self._spoken = False

    def start(self, name: str, _: Attributes) -> None:
        """Hear that an element begins."""
        self._spoken |= name == "rPh"
        self._takes = name in {"t", "v"} and not self._spoken

    def end(self, name: str) -> None:
        """Hear that one ends."""
        self._takes = False
        if name == "rPh":
            self._spoken = False

    def add(self, text: str) -> None:
        """Take a part of it."""
        if self._takes:
            self._parts.append(text)
            self._size += len(text)
            if self._size > _LONGEST_TEXT:
                raise refused(f"A cell of the workbook has over {_LONGEST_TEXT:,} characters.")

    def taken(self) -> str:
        """Return all since the last time."""
        found = "".join(self._parts)
        self._parts.clear()
        self._size = 0
        return found


class Cells:
    """Makes rows of what it hears of a sheet."""

    def __init__(self, shared: list[str], done: list[tuple[int, list[Cell]]]) -> None:
        self.text = Text()
        self._shared = shared
        self._done = done
        self._row: list[Cell] = []
        self._number = 0
        self._kind, self._at, self._column = "n", "", 0
        self._computed = False

    def start(self, name: str, of: Attributes) -> None:
        """Hear that an element begins."""
        if name == "row":
            self._number = int(of.get("r", self._number + 1))
            self._row, self._column = [], 0
            if self._number > MOST_ROWS:
                raise refused(f"The sheet has more than {MOST_ROWS:,} rows.")
        elif name == "c":
            self._kind, self._computed = of.get("t", "n"), False
            at = _AT.fullmatch(of.get("r", ""))
            self._column = _column(at[1]) if at else self._column
            self._at = of.get("r", f"number {self._column + 1} of row {self._number}")
            self.text.taken()
        elif name == "f":
            self._computed = True
        self.text.start(name, of)

    def end(self, name: str) -> None:
        """Hear that one ends."""
        self.text.end(name)
        if name == "c":
            value = self._value(self.text.taken())
            if value is not None:
                self._put(value)
            self._column += 1
        elif name == "row" and self._row:
            self._done.append((self._number, self._row))

    def _put(self, value: Cell) -> None:
        if self._column >= _MOST_COLUMNS:
            raise refused(f"Cell {self._at}: at most {_MOST_COLUMNS} columns are read.")
        self._row += [None] * (self._column + 1 - len(self._row))
        self._row[self._column] = value

    def _value(self, text: str) -> Cell:
        if self._kind == "e":
            raise refused(f"Cell {self._at} holds the error {text}. Mend it, and send it again.")
        if not text:
            if self._computed:
                raise refused(
                    f"Cell {self._at} holds a formula without its value. Open the file in a "
                    "spreadsheet, save it, and send it again."
                )
            return None
        match self._kind:
            case "s":
                return self._shared[abs(int(text))]
            case "n":
                return float(text)
            case "b":
                return text == "1"
        return text


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number - 1

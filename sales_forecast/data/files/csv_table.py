"""The text of a CSV file as columns, before anything is known of what they mean.

Takes a file and the columns it must have, gives a `Table` that remembers the line of every row
so that whoever converts the cells can say where a bad one is. Must not interpret a cell.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

from sales_forecast.errors import DataRefused

T = TypeVar("T")

_SHOWN_CHARACTERS = 40
_SHOWN_COLUMNS = 20
_BLOCK = 10_000
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_TOLD = re.compile(r"sep=([,;\t])(?:\r\n|\r|\n)", re.IGNORECASE)
"""The first line by which a file tells Excel its separator."""
_SAVE_SHEET = "save the sheet with the sales as CSV (UTF-8)"
_PACKED = b"\x1f\x8b"
_BINARY = (
    (b"PK\x03\x04", b"xl/", "an Excel workbook", _SAVE_SHEET),
    (b"PK\x03\x04", b"opendocument.spreadsheet", "an OpenDocument spreadsheet", _SAVE_SHEET),
    (b"PK\x03\x04", b"", "a zip archive", "unpack it and name the file in it"),
    (b"\xd0\xcf\x11\xe0", b"", "an Excel workbook of the old form (.xls)", _SAVE_SHEET),
    (_PACKED, b"", "a gzip file", "give it a name that ends on .gz"),
    (b"PAR1", b"", "a Parquet file", "write its table as CSV"),
    (b"SQLite format 3\0", b"", "an SQLite database", "write its table as CSV"),
    (b"%PDF", b"", "a PDF document", "save its table as CSV"),
)
"""How a file that is no text begins, what else is in it, what it is, and what to do."""


@dataclass(frozen=True)
class Table:
    """Trimmed cells by column name; `lines` has the line on which each row begins."""

    file: Path
    lines: Sequence[int]
    cells: Mapping[str, Sequence[str]]
    separator: str

    def parse(self, column: str, convert: Callable[[str], T], expected: str) -> list[T]:
        """Convert every cell of a column; `convert` raises ValueError for a bad one.

        Raises DataRefused for the first bad cell, saying what was `expected`.
        """
        cells = self.cells[column]
        known: dict[str, T] = {}  # most cells are there many times
        for cell in dict.fromkeys(cells):
            with suppress(ValueError):
                known[cell] = convert(cell)
        if bad := [row for row, cell in enumerate(cells) if cell not in known]:
            cell = cells[bad[0]]
            found = f"{_clip(cell)!r} is not" if cell else "the cell is empty, it must be"
            raise self.refusal(bad, column, f"{found} {expected}")
        return [known[cell] for cell in cells]

    def refusal(self, rows: Sequence[int], column: str, problem: str) -> DataRefused:
        """Return the error for the first of `rows` (never empty), counting the others."""
        if others := len(rows) - 1:
            count = "1 more line has" if others == 1 else f"{others:,} more lines have"
            problem += f" ({count} this problem)"
        return DataRefused(self.file, problem, line=self.lines[rows[0]], column=column)


def read_table(
    file: Path, columns: Sequence[str], *, others: bool = False, otherwise: str = ""
) -> Table:
    """Read a UTF-8 file with a header: exactly `columns`, in any order.

    With `others`, there may be more columns. Cells are separated by what a first line `sep=` says,
    or by that of `SEPARATORS` which finds most columns. Any line end is taken; lines and columns at
    at the end that hold nothing are skipped; a file whose name ends on `.gz` is unpacked. Raises
    DataRefused, naming the place, and what reads files of other columns `otherwise`.
    """
    text = _text(file)
    told = _TOLD.match(text)
    separator = told[1] if told else _separator(file, text, columns)
    records = _records(file, text, separator)
    if told:
        next(records)
    line, header = next(records, (1, []))
    if not header:
        raise DataRefused(file, "the file is empty")
    while not others and not header[-1]:
        header.pop()
    if problem := _wrong(header, columns, others=others):
        remedy = otherwise and f"; {otherwise}"
        raise DataRefused(file, f"wrong columns ({problem}){remedy}", line=line)
    lines: list[int] = []
    texts: list[list[str]] = [[] for _ in header]
    known: list[dict[str, str]] = [{} for _ in header]  # most cells are there many times
    checked = _of_width(file, len(header), SEPARATORS[separator], records)
    while block := [*islice(checked, _BLOCK)]:
        lines += [line for line, _ in block]
        for column, equal, cells in zip(
            texts, known, zip(*(row for _, row in block), strict=True), strict=True
        ):
            column.extend(map(equal.setdefault, cells, cells))
    if not lines:
        raise DataRefused(file, "the file has a header and no rows")
    return Table(file, lines, dict(zip(header, texts, strict=True)), separator)


def _separator(file: Path, text: str, columns: Sequence[str]) -> str:
    def found(separator: str) -> int:
        with suppress(DataRefused):  # what quotes are around may be no cell by this separator
            _, header = next(_records(file, text, separator), (1, []))
            return len({*columns} & {*header})
        return 0

    return max(SEPARATORS, key=found)


def _of_width(
    file: Path, width: int, separated: str, records: Iterator[tuple[int, list[str]]]
) -> Iterator[tuple[int, list[str]]]:
    for line, cells in records:
        if len(cells) < width or any(cells[width:]):
            problem = f"{len(cells)} cells, the header has {width}"
            remedy = f"separate all by {separated}, and quote a cell that holds one"
            raise DataRefused(file, f"{problem}; {remedy}", line=line)
        yield line, cells[:width]


def file_in(folder: Path, name: str, names: Sequence[str]) -> Path:
    """Return the table of a name in a folder, packed or not, of the `names` it is to have.

    Raises DataRefused where there is none.
    """
    with in_reach(folder):
        if not folder.is_dir():
            *others, last = names
            problem = f"this layout reads a folder with {', '.join(others)} and {last}"
            raise DataRefused(folder, problem)
        for file in (folder / f"{name}.csv", folder / f"{name}.csv.gz"):
            if file.exists():
                return file
    raise DataRefused(folder, f"has neither {name}.csv nor {name}.csv.gz")


@contextmanager
def in_reach(place: Path) -> Iterator[None]:
    """Refuse a place that the system does not let us look at. Raises DataRefused."""
    try:
        yield
    except OSError as error:
        raise DataRefused(place, f"cannot be read: {error.strerror}") from None


def unpacked(file: Path, raw: bytes) -> bytes:
    """Return what a file holds, unpacked if its name ends on `.gz`. Raises DataRefused."""
    if file.suffix != ".gz" or not raw:
        return raw
    if not raw.startswith(_PACKED):
        raise DataRefused(file, "this is no gzip file; give it a name without .gz")
    try:
        return gzip.decompress(raw)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise DataRefused(file, "is no whole gzip file; pack or fetch it again") from None


def _text(file: Path) -> str:
    try:
        raw = file.read_bytes()
    except IsADirectoryError:
        raise DataRefused(file, "this is a folder; name a file in it") from None
    except OSError as error:
        raise DataRefused(file, f"cannot be read: {error.strerror}") from error
    raw = unpacked(file, raw)
    for magic, inside, what, remedy in _BINARY:
        if raw.startswith(magic) and inside in raw:
            raise DataRefused(file, f"this is {what} and no text; {remedy}")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataRefused(file, "the file is UTF-16; save it as UTF-8")
    if b"\0" in raw:
        line = raw.count(b"\n", 0, raw.index(b"\0")) + 1
        raise DataRefused(file, "a zero byte: this is no text; save the file as CSV", line=line)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        byte = error.object[error.start]
        problem = f"byte 0x{byte:02X} is not UTF-8; save the file as UTF-8"
        raise DataRefused(file, problem, line=line) from None


def _records(file: Path, text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Give the first line and the trimmed cells of every record that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator)
    while True:
        line = reader.line_num + 1
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            raise DataRefused(file, _of_quotes(error), line=line) from None
        if any(cells):
            yield line, cells


def _of_quotes(error: csv.Error) -> str:
    if "expected after" in str(error):
        return "text stands behind the quote that ends a cell; write a quote within a cell twice"
    return "a quote opens here and none closes it; close it, or leave it out"


def _wrong(header: list[str], columns: Sequence[str], *, others: bool) -> str:
    missing = [name for name in columns if name not in header]
    unused = [repr(_clip(name)) for name in header if name not in columns]
    problems = [
        f"{what}: {', '.join(names)}"
        for what, names in (
            ("missing", missing),
            ("not expected", [] if others else unused),
            ("others there", unused[:_SHOWN_COLUMNS] if others and missing else []),
            ("twice", [name for name in columns if header.count(name) > 1]),
        )
        if names
    ]
    if problems and len(header) == 1:
        *some, last = SEPARATORS.values()
        problems.append(f"columns must be separated by {', '.join(some)} or {last}")
    return "; ".join(problems)


def _clip(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."

"""The text of a CSV file as columns, before anything is known of what they mean.

Takes a file and the columns it must have, gives a `Table` that remembers the line of every row
so that whoever converts the cells can say where a bad one is. Must not interpret a cell.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

from sales_forecast.errors import DataRefused

T = TypeVar("T")

_SHOWN_CHARACTERS = 40
_BLOCK = 10_000


@dataclass(frozen=True)
class Table:
    """Trimmed cells by column name; `lines` has the line on which each row begins."""

    file: Path
    lines: Sequence[int]
    cells: Mapping[str, Sequence[str]]

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


def read_table(file: Path, columns: Sequence[str], *, others: bool = False) -> Table:
    """Read a comma separated UTF-8 file with a header: exactly `columns`, in any order.

    With `others`, there may be more columns. Any line end is taken, blank lines are skipped, and a
    file whose name ends on `.gz` is unpacked. Raises DataRefused, naming the place.
    """
    records = _records(file, _text(file))
    line, header = next(records, (1, []))
    if not header:
        raise DataRefused(file, "the file is empty")
    _check_header(file, line, header, columns, others=others)
    lines: list[int] = []
    texts: list[list[str]] = [[] for _ in header]
    known: list[dict[str, str]] = [{} for _ in header]  # most cells are there many times
    checked = _of_width(file, len(header), records)
    while block := [*islice(checked, _BLOCK)]:
        lines += [line for line, _ in block]
        for column, equal, cells in zip(
            texts, known, zip(*(row for _, row in block), strict=True), strict=True
        ):
            column.extend(map(equal.setdefault, cells, cells))
    if not lines:
        raise DataRefused(file, "the file has a header and no rows")
    return Table(file, lines, dict(zip(header, texts, strict=True)))


def _of_width(
    file: Path, width: int, records: Iterator[tuple[int, list[str]]]
) -> Iterator[tuple[int, list[str]]]:
    for line, cells in records:
        if len(cells) != width:
            raise DataRefused(file, f"{len(cells)} cells, the header has {width}", line=line)
        yield line, cells


def file_in(folder: Path, name: str, names: Sequence[str]) -> Path:
    """Return the table of a name in a folder, packed or not, of the `names` it is to have.

    Raises DataRefused where there is none.
    """
    if not folder.is_dir():
        *others, last = names
        raise DataRefused(folder, f"this layout reads a folder with {', '.join(others)} and {last}")
    for file in (folder / f"{name}.csv", folder / f"{name}.csv.gz"):
        if file.exists():
            return file
    raise DataRefused(folder, f"has neither {name}.csv nor {name}.csv.gz")


def _text(file: Path) -> str:
    try:
        raw = file.read_bytes()
        if file.suffix == ".gz":
            raw = gzip.decompress(raw)
    except IsADirectoryError:
        raise DataRefused(file, "this is a folder; name a file in it") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataRefused(file, f"is no whole gzip file: {error}") from None
    except OSError as error:
        raise DataRefused(file, f"cannot be read: {error.strerror}") from error
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataRefused(file, "the file is UTF-16; save it as UTF-8")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        byte = error.object[error.start]
        problem = f"byte 0x{byte:02X} is not UTF-8; save the file as UTF-8"
        raise DataRefused(file, problem, line=line) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataRefused(file, "a zero byte: this is no text; save the file as CSV", line=line)
    return text


def _records(file: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Give the first line and the trimmed cells of every record that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            raise DataRefused(file, f"not readable as CSV: {error}", line=line) from None
        if any(cells) or len(cells) > 1:
            yield line, cells


def _check_header(
    file: Path, line: int, header: list[str], columns: Sequence[str], *, others: bool
) -> None:
    unexpected = [] if others else [name for name in header if name not in columns]
    problems = [
        f"{what}: {', '.join(names)}"
        for what, names in (
            ("missing", [name for name in columns if name not in header]),
            ("not expected", [repr(_clip(name)) for name in unexpected]),
            ("twice", [name for name in columns if header.count(name) > 1]),
        )
        if names
    ]
    if problems:
        if len(header) == 1:
            problems.append("columns must be separated by commas")
        raise DataRefused(file, f"wrong columns ({'; '.join(problems)})", line=line)


def _clip(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."

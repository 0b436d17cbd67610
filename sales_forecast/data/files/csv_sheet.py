"""Sheets as CSV, in two forms: ISO, and that of countries that write 1,5 for one and a half.

Takes cells, gives lines; takes a file of somebody, gives rows. Names that begin as formulas do get
an apostrophe, which is taken off again when they come back. Must not know what cells mean.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import IO

from sales_forecast.data.files.workbook import Cell
from sales_forecast.data.inert import alive, inert
from sales_forecast.errors import InvalidRequest

_AT_ONCE = 1_000
_LONGEST_HEAD = 100_000
_BYTE_ORDER = "\ufeff"  # without it Excel takes the file for one of its own country's letters


def csv_sheet(rows: Iterable[Sequence[object]], *, local: bool = False) -> Iterator[str]:
    """Yield the lines of a file, some at a time.

    `local`: semicolons between cells, decimal commas, days such as 02.11.2012, and what tells Excel
    that it is UTF-8.
    """
    out = io.StringIO(_BYTE_ORDER if local else "")
    out.seek(0, io.SEEK_END)
    writer = csv.writer(out, delimiter=";" if local else ",", lineterminator="\r\n")
    for number, row in enumerate(rows, 1):
        writer.writerow([_written(value, local=local) for value in row])
        if number % _AT_ONCE == 0:
            yield out.getvalue()
            out.seek(0)
            out.truncate()
    yield out.getvalue()


def csv_rows(file: IO[bytes]) -> tuple[bool, Iterator[tuple[int, list[Cell]]]]:
    """Return whether a file is local, and its rows: number of the line, cells that are texts.

    Raises InvalidRequest, also while rows are read.
    """
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        head = text.readline(_LONGEST_HEAD)
        text.seek(0)
    except UnicodeDecodeError:
        raise _not_utf8() from None
    delimiter = max(";\t,", key=head.count)
    return delimiter != ",", _lines(text, delimiter)


def _lines(text: io.TextIOWrapper, delimiter: str) -> Iterator[tuple[int, list[Cell]]]:
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if any(row):
                yield reader.line_num, [alive(cell) or None for cell in row]
    except UnicodeDecodeError:
        raise _not_utf8() from None
    except csv.Error as error:
        raise InvalidRequest(
            f"Line {reader.line_num} of the file is no CSV: {error}.", {"line": reader.line_num}
        ) from None


def _not_utf8() -> InvalidRequest:
    return InvalidRequest(
        "The file is neither a workbook (.xlsx) nor text in UTF-8. In Excel, save it as a workbook "
        "or as 'CSV UTF-8'.",
        {"file": "not UTF-8"},
    )


def _written(value: object, *, local: bool) -> object:
    match value:
        case datetime():
            return value.isoformat(timespec="microseconds")
        case date() if local:
            return f"{value:%d.%m.%Y}"
        case float() if local:
            return str(value).replace(".", ",")
    return inert(value)

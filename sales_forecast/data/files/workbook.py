"""A sheet of Excel, made row by row: its memory does not grow with its rows.

Takes cells that are texts, numbers, days or nothing, gives the bytes of an `.xlsx` file. Texts are
texts there: none is a formula. Must not know what they mean.
Source of the format: ECMA-376, part 1, chapter 18.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from html import escape
from math import isfinite

from sales_forecast.errors import InvalidRequest

MOST_ROWS = 1_048_576
"""Of a sheet, its head included; Excel reads no more."""
FIRST_DAY = date(1899, 12, 30)
"""Day 0 of Excel, for days since March 1900."""
KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
Cell = str | int | float | date | None

_AT_ONCE = 1_000
_DAY, _MONEY, _HEAD = 1, 2, 3
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_DOCUMENT = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_OF = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_FONT = '<sz val="11"/><name val="Calibri"/>'
_PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels"'
    ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_OF}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_OF}.worksheet+xml"/>'
    f'<Override PartName="/xl/styles.xml" ContentType="{_OF}.styles+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1"'
    f' Type="{_DOCUMENT}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_DOCUMENT}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="rId2" Type="{_DOCUMENT}/styles" Target="styles.xml"/></Relationships>',
    "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}"><fonts count="2"><font>{_FONT}</font>'
    f'<font><b/>{_FONT}</font></fonts><fills count="2">'
    '<fill><patternFill patternType="none"/></fill><fill>'
    '<patternFill patternType="gray125"/></fill></fills><borders count="1"><border/></borders>'
    '<cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="4"><xf/>'
    '<xf numFmtId="14" applyNumberFormat="1"/><xf numFmtId="4" applyNumberFormat="1"/>'
    '<xf fontId="1" applyFont="1"/></cellXfs><cellStyles count="1">'
    '<cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>',
}


def workbook(name: str, rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """Yield the file of one sheet, of which the first row is the head.

    Raises InvalidRequest for more rows than Excel reads.
    """
    out = _Pieces()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as packed:  # type: ignore[call-overload]
        sheet = f'<sheet name="{_text(name)}" sheetId="1" r:id="rId1"/>'
        book = (
            f'<workbook xmlns="{_MAIN}" xmlns:r="{_DOCUMENT}"><sheets>{sheet}</sheets></workbook>'
        )
        for part, content in {**_PARTS, "xl/workbook.xml": book}.items():
            packed.writestr(part, _XML + content)
        with packed.open("xl/worksheets/sheet1.xml", "w") as part:
            for some in _sheet(rows):
                part.write(some.encode())
                yield out.taken()
    yield out.taken()


def _sheet(rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    # The head stays in sight.
    yield (
        f'{_XML}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">'
        '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView>'
        '</sheetViews><sheetFormatPr defaultColWidth="14"/><sheetData>'
    )
    some: list[str] = []
    letters: list[str] = []
    for number, row in enumerate(rows, 1):
        if number > MOST_ROWS:
            raise InvalidRequest(
                f"There are more rows than Excel reads ({MOST_ROWS:,}). Take them as CSV, or fewer "
                "series.",
                {"rows": number},
            )
        letters = letters or [_letters(column) for column in range(len(row))]
        cells = map(_head if number == 1 else _cell, row, letters, [number] * len(row))
        some.append(f'<row r="{number}">{"".join(cells)}</row>')
        if len(some) == _AT_ONCE:
            yield "".join(some)
            some.clear()
    yield f"{''.join(some)}</sheetData></worksheet>"


def _head(value: Cell, letters: str, number: int) -> str:
    return _inline(str(value), f"{letters}{number}", f' s="{_HEAD}"')


def _cell(value: Cell, letters: str, number: int) -> str:
    match value:
        case None:
            return ""
        case str():
            return _inline(value, f"{letters}{number}", "")
        case float():
            style = f'<c r="{letters}{number}" s="{_MONEY}"><v>{value!r}</v></c>'
            return style if isfinite(value) else ""
        case int():
            return f'<c r="{letters}{number}"><v>{value}</v></c>'
    days = (value - FIRST_DAY).days
    return f'<c r="{letters}{number}" s="{_DAY}"><v>{days}</v></c>'


def _inline(value: str, at: str, style: str) -> str:
    text = f'<t xml:space="preserve">{_text(value)}</t>'
    return f'<c r="{at}"{style} t="inlineStr"><is>{text}</is></c>'


def _text(value: str) -> str:
    return escape(_CONTROL.sub("\ufffd", value))


def _letters(column: int) -> str:
    before, last = divmod(column, 26)
    return (_letters(before - 1) if before else "") + chr(ord("A") + last)


class _Pieces:
    """A file that gives away what was written to it."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        """Keep a piece."""
        self._pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Do nothing: `taken` gives all there is."""

    def taken(self) -> bytes:
        """Return all since the last time."""
        found = b"".join(self._pieces)
        self._pieces.clear()
        return found

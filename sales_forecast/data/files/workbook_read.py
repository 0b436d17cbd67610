"""A sheet of Excel that somebody sends, read without trust.

Takes a file, gives the rows of its first sheet. A document type is refused, and with it entities of
every kind; what is unpacked, and each piece of it, is bounded before it is read. Must not know what
cells mean.
Source of the format: ECMA-376, part 1, chapter 18.
"""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import IO
from xml.parsers import expat

from sales_forecast.data.files.workbook import FIRST_DAY
from sales_forecast.data.files.workbook_cells import Attributes, Cell, Cells, Text, refused
from sales_forecast.errors import InvalidRequest

MOST_UNPACKED = 200_000_000

_BOOK, _RELATIONS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
_MOST_PARTS = 1_000
_MOST_SHARED = 20_000_000
"""Characters of all texts together: they are in memory while rows are read."""
_OF_A_TEXT = 50
"""Each is counted to have so many more: it takes these bytes beside its characters."""
_DEEPEST = 100
"""Elements within each other: of all that are open, expat keeps some in memory."""
_MOST_NAMED = 500_000
"""Characters of all different names of elements and attributes, which it keeps, too."""
_CHUNK = 1 << 16
_LONGEST_PIECE = 1 << 20
"""Bytes in which nothing of XML begins or ends: expat keeps as much in memory."""
_DAY_0_OF_MACS = date(1904, 1, 1)
_BROKEN = (
    zipfile.BadZipFile, zlib.error, expat.ExpatError, EOFError, NotImplementedError, RuntimeError,
    OSError, KeyError, ValueError, LookupError,
)  # fmt: skip


@dataclass(frozen=True)
class Sheet:
    """The rows of a sheet, as they are read: number of the row, cells. `first_day`: day 0."""

    rows: Iterator[tuple[int, list[Cell]]]
    first_day: date


@contextmanager
def first_sheet(file: IO[bytes]) -> Iterator[Sheet]:
    """Give the first sheet of a workbook. Raises InvalidRequest, also while rows are read."""
    with _refusing():
        packed = zipfile.ZipFile(file)
    with packed:
        with _refusing():
            _check(packed)
            part, first_day = _workbook(packed)
            shared = _shared(packed)
        yield Sheet(_rows(packed, part, shared), first_day)


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise InvalidRequest(
            "This is no workbook of Excel (.xlsx), or it is damaged. Save it anew, and send it "
            "again.",
            {"file": type(error).__name__},
        ) from error


def _check(packed: zipfile.ZipFile) -> None:
    parts = packed.infolist()
    whole = sum(part.file_size for part in parts)
    if whole > MOST_UNPACKED or len(parts) > _MOST_PARTS:
        raise refused(
            f"The workbook unpacks to {whole:,} bytes in {len(parts):,} parts; at most "
            f"{MOST_UNPACKED:,} in {_MOST_PARTS:,} are read."
        )
    if any(of.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED} for of in parts):
        raise refused("The workbook is packed in a way that Excel does not know.")


def _workbook(packed: zipfile.ZipFile) -> tuple[str, date]:
    """Return the name of the part that is the first sheet, and day 0."""
    for part in (_BOOK, _RELATIONS):
        if packed.getinfo(part).file_size > _LONGEST_PIECE:
            raise _long()
    ids: list[str] = []
    first_day = [FIRST_DAY]

    def start(name: str, of: Attributes) -> None:
        if name == "sheet":
            ids.extend(value for key, value in of.items() if key.rpartition(":")[2] == "id")
        elif name == "workbookPr" and of.get("date1904") in {"1", "true"}:
            first_day[0] = _DAY_0_OF_MACS

    _read_all(packed, _BOOK, start)
    targets: dict[str, str] = {}

    def relation(name: str, of: Attributes) -> None:
        if name == "Relationship" and of.get("TargetMode") != "External":
            targets[of["Id"]] = of["Target"]

    _read_all(packed, _RELATIONS, relation)
    return posixpath.normpath(posixpath.join("/xl", targets[ids[0]]))[1:], first_day[0]


def _shared(packed: zipfile.ZipFile) -> list[str]:
    """Return the texts that cells refer to."""
    if "xl/sharedStrings.xml" not in packed.namelist():
        return []
    found: list[str] = []
    text = Text()
    whole = 0

    def end(name: str) -> None:
        nonlocal whole
        text.end(name)
        if name == "si":
            found.append(text.taken())
            whole += len(found[-1]) + _OF_A_TEXT
            if whole > _MOST_SHARED:
                raise refused(f"The texts of the workbook have over {_MOST_SHARED:,} characters.")

    _read_all(packed, "xl/sharedStrings.xml", text.start, end, text.add)
    return found


def _read_all(
    packed: zipfile.ZipFile,
    part: str,
    start: Callable[[str, Attributes], None],
    end: Callable[[str], None] = lambda _: None,
    text: Callable[[str], None] = lambda _: None,
) -> None:
    for _ in _events(packed, part, start, end, text):
        pass


def _events(
    packed: zipfile.ZipFile,
    part: str,
    start: Callable[[str, Attributes], None],
    end: Callable[[str], None],
    text: Callable[[str], None],
) -> Iterator[None]:
    """Tell what stands in a part, and stop after each chunk of it."""
    parser, fed = expat.ParserCreate(), 0

    def refuse(*_: object) -> None:
        raise refused("The workbook declares a document type, which no spreadsheet writes.")

    deep, names, named = 0, set[str](), 0

    def begin(name: str, of: Attributes) -> None:
        nonlocal deep, named
        deep += 1
        for each in (name, *of):
            if each not in names:
                names.add(each)
                named += len(each) + _OF_A_TEXT
        if deep > _DEEPEST or named > _MOST_NAMED:
            raise refused(
                f"The workbook has elements more than {_DEEPEST} deep within each other, or too "
                "many different names."
            )
        start(_local(name), of)

    def finish(name: str) -> None:
        nonlocal deep
        deep -= 1
        end(_local(name))

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = begin
    parser.EndElementHandler = finish
    parser.CharacterDataHandler = text
    with packed.open(part) as stream:
        while chunk := stream.read(_CHUNK):
            fed += len(chunk)
            parser.Parse(chunk)
            if fed - parser.CurrentByteIndex > _LONGEST_PIECE:
                raise _long()
            yield
        parser.Parse(b"", True)  # noqa: FBT003 - it takes no name
    yield


def _long() -> InvalidRequest:
    return refused(f"A piece of the workbook has over {_LONGEST_PIECE:,} bytes.")


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _rows(
    packed: zipfile.ZipFile, part: str, shared: list[str]
) -> Iterator[tuple[int, list[Cell]]]:
    done: list[tuple[int, list[Cell]]] = []
    cells = Cells(shared, done)
    with _refusing():
        for _ in _events(packed, part, cells.start, cells.end, cells.text.add):
            yield from done
            done.clear()

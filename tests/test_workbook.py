"""Workbooks: what is written is read by others and comes back; what is hostile is refused."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sales_forecast.data.files import workbook as writing
from sales_forecast.data.files.csv_sheet import csv_rows, csv_sheet
from sales_forecast.data.files.workbook import FIRST_DAY, workbook
from sales_forecast.data.files.workbook_read import MOST_UNPACKED, first_sheet
from sales_forecast.errors import InvalidRequest

ROWS = [
    ["name", "day", "sales", "number", "nothing"],
    ["=1+1", date(2012, 11, 2), 1234.5, 7, None],
    ["größer & <kleiner>\n", date(1999, 2, 28), -0.01, -7, None],
    ["@SUM(A1)", date(2028, 2, 29), 0.0, 0, "last"],
]
BACK = [
    (1, ROWS[0]),
    (2, ["=1+1", 41215.0, 1234.5, 7.0]),
    (3, ["größer & <kleiner>\n", 36219.0, -0.01, -7.0]),
    (4, ["@SUM(A1)", 46812.0, 0.0, 0.0, "last"]),
]


def written(rows: object = ROWS) -> bytes:
    return b"".join(workbook("Plan & more", rows))


def read(content: bytes) -> list[tuple[int, list[object]]]:
    with first_sheet(io.BytesIO(content)) as sheet:
        return [*sheet.rows]


def test_another_reader_finds_numbers_days_and_texts_and_no_formula() -> None:
    sheet = openpyxl.load_workbook(io.BytesIO(written()))["Plan & more"]
    found = [[cell.value for cell in row] for row in sheet.iter_rows()]
    days = [datetime.combine(of, time()) for _, of, *_ in ROWS[1:]]
    assert found == [
        ROWS[0],
        *([name, day, *rest] for (name, _, *rest), day in zip(ROWS[1:], days, strict=True)),
    ]
    assert "f" not in {cell.data_type for row in sheet.iter_rows() for cell in row}
    assert ("A2", True) == (sheet.freeze_panes, sheet["A1"].font.bold)


def test_what_is_written_comes_back() -> None:
    assert BACK == read(written())


def test_what_another_writer_makes_of_it_comes_back() -> None:
    book = openpyxl.load_workbook(io.BytesIO(written()))
    out = io.BytesIO()
    book.save(out)  # with shared texts
    found = read(out.getvalue())
    assert ROWS[0] == found[0][1]
    assert ["=1+1", 41215.0, 1234.5, 7.0] == found[1][1]


def test_columns_are_named_as_excel_names_them() -> None:
    assert ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"] == [
        writing._letters(of) for of in (0, 25, 26, 51, 52, 701, 702)
    ]
    row = [float(of) for of in range(60)]
    assert [(1, [str(of) for of in row]), (2, row)] == read(written([row, row]))


def test_more_rows_than_excel_reads_are_refused_and_not_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writing, "MOST_ROWS", 2_500)
    assert 2_500 == len(read(written([1.0] for _ in range(2_500))))
    with pytest.raises(InvalidRequest, match="more rows than Excel reads"):
        written([1.0] for _ in range(2_501))


def test_days_of_macs_begin_later() -> None:
    book = openpyxl.Workbook()
    book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    book.active["B3"] = date(2012, 11, 2)
    out = io.BytesIO()
    book.save(out)
    with first_sheet(io.BytesIO(out.getvalue())) as sheet:
        assert (date(1904, 1, 1), [(3, [None, 39753.0])]) == (sheet.first_day, [*sheet.rows])


def packed(**others: str) -> bytes:
    """A workbook with other parts: `sheet`, `book` and `shared` are the contents of these."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(written())) as good,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bad,
    ):
        for name in good.namelist():
            other = {"sheet1.xml": "sheet", "workbook.xml": "book"}.get(name.rpartition("/")[2], "")
            bad.writestr(name, others.get(other, good.read(name)))
        if "shared" in others:
            bad.writestr("xl/sharedStrings.xml", others["shared"])
    return out.getvalue()


def cell(inside: str, of: str = "") -> str:
    return (
        f'<worksheet><sheetData><row r="1"><c r="A1"{of}>{inside}</c></row></sheetData></worksheet>'
    )


def holed(content: bytes) -> bytes:
    """Let a hole be in the sheet."""
    at = content.index(b"xl/worksheets/sheet1.xml") + 80
    return content[:at] + bytes(40) + content[at + 40 :]


def sized(content: bytes, size: int) -> bytes:
    """Let the directory say another size of the sheet."""
    at = content.rindex(b"xl/worksheets/sheet1.xml") - 46
    return content[: at + 24] + struct.pack("<I", size) + content[at + 28 :]


LAUGHS = '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>' + cell("<v>&b;</v>")
OUTSIDE = '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + cell("<v>&a;</v>")
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "no file": (lambda: b"", "no workbook"),
    "a text": (lambda: b"PK is no beginning", "no workbook"),
    "an empty archive": (lambda: b"PK\5\6" + bytes(18), "no workbook"),
    "cut off": (lambda: written()[:-200], "no workbook"),
    "its middle gone": (lambda: holed(written()), "no workbook"),
    "a bomb": (lambda: sized(written(), MOST_UNPACKED), "unpacks to 200,0"),
    "a bomb that lies": (lambda: sized(packed(sheet=cell("<v>1</v>" + " " * 9_000_000)), 90),
                         "no workbook"),
    "laughs": (lambda: packed(sheet=LAUGHS), "document type"),
    "an entity from outside": (lambda: packed(sheet=OUTSIDE), "document type"),
    "entities among texts": (lambda: packed(shared=LAUGHS), "document type"),
    "no XML": (lambda: packed(sheet="<worksheet><row></worksheet>"), "no workbook"),
    "a long name": (lambda: packed(sheet=cell("", f' x="{"y" * 3_000_000}"')), "A piece of the"),
    "a long comment": (lambda: packed(sheet=f"<!--{'y' * 3_000_000}-->"), "A piece of the"),
    "a long text": (lambda: packed(sheet=cell(f"<v>{'1' * 40_000}</v>")), "32,767 characters"),
    "long texts": (lambda: packed(shared="<sst>" + f"<si><t>{'y' * 32_000}</t></si>" * 700
                                  + "</sst>"), "20,000,000 characters"),
    "many empty texts": (lambda: packed(shared="<sst>" + "<si/>" * 400_001 + "</sst>"),
                         "20,000,000 characters"),
    "many sheets": (lambda: packed(book="<workbook>" + '<sheet id="r"/>' * 80_000
                                   + "</workbook>"), "A piece of the"),
    "deep": (lambda: packed(sheet="<a>" * 101 + "</a>" * 101), "more than 100 deep"),
    "many names": (lambda: packed(sheet="<a>" + "".join(f"<b{n}/>" for n in range(10_000))
                                  + "</a>"), "too many different names"),
    "an error": (lambda: packed(sheet=cell("<v>#REF!</v>", ' t="e"')), "A1 holds the error #REF!"),
    "a formula": (lambda: packed(sheet=cell("<f>1+1</f>")), "A1 holds a formula without its value"),
    "no such text": (lambda: packed(sheet=cell("<v>0</v>", ' t="s"')), "no workbook"),
    "far right": (lambda: packed(sheet=cell("<v>1</v>").replace("A1", "XFD1")), "200 columns"),
    "far down": (lambda: packed(sheet=cell("<v>1</v>").replace('"1"', '"1048577"')), "1,048,576"),
    "no number": (lambda: packed(sheet=cell("<v>one</v>")), "no workbook"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_damaged_or_hostile_is_refused_with_a_sentence(name: str) -> None:
    make, says = HOSTILE[name]
    with pytest.raises(InvalidRequest, match=says):
        read(make())


def test_an_archive_of_many_parts_or_with_a_password_is_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as many:
        for number in range(1_001):
            many.writestr(str(number), "")
    with pytest.raises(InvalidRequest, match="in 1,001 parts"):
        read(out.getvalue())
    content = bytearray(written())
    content[content.rindex(b"xl/workbook.xml") - 46 + 8] |= 1  # says that it is encrypted
    with pytest.raises(InvalidRequest, match="no workbook"):
        read(bytes(content))


def test_any_damage_is_refused_or_changes_nothing_unforeseen() -> None:
    whole, chance = written(), random.Random(7)  # noqa: S311 - no secret
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        try:
            read(bytes(content))
        except InvalidRequest:
            continue


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1),
            st.dates(date(2000, 1, 1)),
            st.floats(allow_nan=False, allow_infinity=False),
        ),
        min_size=1,
    ),
    st.booleans(),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_names_come_back_from_csv_and_none_begins_as_a_formula(
    rows: list[tuple[str, date, float]], local: bool
) -> None:
    head = ("name", "day", "sales")
    text = "".join(csv_sheet([head, *rows], local=local))
    assert not any(f"\n{sign}" in text for sign in "=+@") or any("\n" in name for name, *_ in rows)
    is_local, found = csv_rows(io.BytesIO(text.encode()))
    assert local == is_local
    assert [name for name, *_ in rows] == [of[0] for _, of in found][1:]


def test_csv_is_written_as_the_country_reads_it() -> None:
    row = ["-a", date(2012, 11, 2), 1234.5, None]
    assert "'-a,2012-11-02,1234.5,\r\n" == "".join(csv_sheet([row]))
    assert "\ufeff'-a;02.11.2012;1234,5;\r\n" == "".join(csv_sheet([row], local=True))
    with pytest.raises(InvalidRequest, match="UTF-8"):
        csv_rows(io.BytesIO("größer".encode("latin-1")))
    assert FIRST_DAY == date(1899, 12, 30)

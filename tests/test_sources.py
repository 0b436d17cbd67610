from __future__ import annotations

import gzip
import math
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sales_forecast.data.files.layouts import read_panel, read_sales
from sales_forecast.data.gaps import Gap, gaps
from sales_forecast.data.panel import CONDITIONS
from sales_forecast.errors import DataRefused

HEADER = "Store,Date,Weekly_Sales,Holiday_Flag,Temperature,Fuel_Price,CPI,Unemployment"
ROWS = [
    "1,05-02-2010,1000.5,0,42.31,2.572,211.1,8.106",
    "1,12-02-2010,1100,1,38.51,2.548,211.2,8.106",
    "2,05-02-2010,-20.25,0,-2.06,2.572,210.7,8.324",
    "2,12-02-2010,2200,1,40.19,2.548,210.8,8.324",
]
COLUMNS = HEADER.split(",")


def content(*rows: str, header: str = HEADER, end: str = "\n") -> str:
    return end.join([header, *(rows or ROWS)]) + end


def with_cell(row: int, column: str, value: str) -> str:
    """The usual file with one cell replaced; row 0 is on line 2."""
    cells = [line.split(",") for line in ROWS]
    cells[row][COLUMNS.index(column)] = value
    return content(*(",".join(line) for line in cells))


EUROPEAN = content().replace(",", ";").replace(".", ",").replace("-02-2010", ".02.2010")
"""As Excel writes it where decimals have a comma."""
COMMAS = "separate all by commas, and quote a cell that holds one"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "sales.csv"


@pytest.fixture
def refusal(file: Path) -> Callable[[str | bytes], DataRefused]:
    """Write the content, read it, and return the refusal without the folder in its message."""

    def refuse(written: str | bytes) -> DataRefused:
        file.write_bytes(written.encode() if isinstance(written, str) else written)
        with pytest.raises(DataRefused) as caught:
            read_sales(file)
        caught.value.message = caught.value.message.replace(str(file), "sales.csv")
        return caught.value

    return refuse


NOT_WHOLE = "is no whole gzip file; pack or fetch it again"


def test_a_packed_file_gives_the_rows_of_the_file(file: Path) -> None:
    file.write_text(content())
    packed = file.with_name("sales.csv.gz")
    packed.write_bytes(gzip.compress(content().encode()))
    assert read_sales(file).to_panel() == read_sales(packed).to_panel()


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        (content().encode(), "this is no gzip file; give it a name without .gz"),
        (gzip.compress(content().encode())[:-20], NOT_WHOLE),
        (gzip.compress(content().encode())[:-8] + bytes(8), NOT_WHOLE),
        (gzip.compress(content().encode())[:10] + b"\x07" * 200, NOT_WHOLE),
        (b"", "the file is empty"),
    ],
    ids=["not packed", "cut", "of another sum", "damaged", "empty"],
)
def test_a_packed_file_that_is_not_whole_is_refused(file: Path, written, problem) -> None:
    packed = file.with_name("sales.csv.gz")
    packed.write_bytes(written)
    with pytest.raises(DataRefused, match=problem):
        read_sales(packed)


@pytest.mark.parametrize("column", CONDITIONS)
@pytest.mark.parametrize("cell", ["", "NA"])
def test_a_condition_that_is_not_there_is_unknown(file: Path, column: str, cell: str) -> None:
    """The newest weeks come before their consumer prices do."""
    file.write_text(with_cell(3, column, cell))
    rows = read_sales(file)
    assert {column: [False, False, False, True]} == {
        name: np.isnan(of).tolist() for name, of in rows.conditions.items() if np.isnan(of).any()
    }
    assert 0 <= rows.to_panel().holidays.min()


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (
            "Store,Date,Weekly_Sales\n1,2010-02-05,9\n",
            "line 1: wrong columns (missing: Holiday",
        ),
        (content(ROWS[0].replace("1,", "S-01,", 1)), "line 2, column Store: 'S-01' is not a store"),
    ],
    ids=["without conditions", "stores that are texts"],
)
def test_what_the_layout_of_stores_does_not_take_is_told_what_does(
    file: Path, refusal: Callable[[str], DataRefused], written: str, says: str
) -> None:
    message = refusal(written).message
    assert message.startswith(f"sales.csv, {says}")
    lines = re.findall(r'(series = \[.*?\]|date = ".*?"|target = ".*?")', message)
    (file.parent / "my.toml").write_text("\n".join(lines))
    assert 1 == read_panel(file, str(file.parent / "my.toml")).n_series


def test_a_file_becomes_rows_in_its_own_order(file: Path) -> None:
    file.write_text(content())

    rows = read_sales(file)

    assert rows.store.tolist() == [1, 1, 2, 2]
    assert [date(2010, 2, 5), date(2010, 2, 12)] * 2 == rows.week.tolist()
    assert rows.sales.tolist() == [1000.5, 1100.0, -20.25, 2200.0]
    assert list(CONDITIONS) == list(rows.conditions)
    assert rows.conditions["Holiday_Flag"].tolist() == [0.0, 1.0, 0.0, 1.0]
    assert rows.conditions["Temperature"].tolist() == [42.31, 38.51, -2.06, 40.19]
    assert rows.conditions["Unemployment"].tolist() == [8.106, 8.106, 8.324, 8.324]


@pytest.mark.parametrize(
    "same",
    [
        pytest.param(content(end="\r\n"), id="CRLF"),
        pytest.param(content(end="\r"), id="CR"),
        pytest.param("\ufeff" + content(), id="byte order mark"),
        pytest.param(content().rstrip("\n"), id="no last line end"),
        pytest.param("\n" + content().replace("\n", "\n\n"), id="blank lines"),
        pytest.param(content().replace(",", " , "), id="spaces around cells"),
        pytest.param(content(header=HEADER + ",,", end=",,\n"), id="empty columns at the end"),
        pytest.param(content(end=",,\n") + ",,,\n,,,,,,,,,,\n", id="rows of separators"),
        pytest.param("sep=,\r\n" + content(end="\r\n"), id="told its separator"),
        pytest.param("SEP=;\n" + content().replace(",", ";"), id="told another separator"),
        pytest.param(content().replace(",", "\t"), id="tabs"),
        pytest.param(EUROPEAN, id="semicolons and decimal commas"),
        pytest.param(EUROPEAN.replace(",", "."), id="semicolons and decimal points"),
        pytest.param(
            content()
            .replace("05-02-2010", "2010-02-05 00:00:00")
            .replace("12-02-2010", "2010-02-12T00:00"),
            id="midnights",
        ),
        pytest.param('"' + content().rstrip().replace(",", '","').replace("\n", '"\n"') + '"'),
        pytest.param(
            content().replace("05-02-2010", "2010-02-05").replace("12-02-2010", "2010-02-12")
        ),
        pytest.param("\n".join(",".join(reversed(line.split(","))) for line in [HEADER, *ROWS])),
    ],
)
def test_the_same_sales_in_another_dress_are_the_same_rows(file: Path, same: str) -> None:
    file.write_text(content())
    expected = read_sales(file).to_panel()
    file.write_bytes(same.encode())

    assert expected.fingerprint == read_sales(file).to_panel().fingerprint


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("Store", "-1", "'-1' is not a store number: digits only, at most 9 of them"),
        ("Store", "1.5", "'1.5' is not a store number: digits only, at most 9 of them"),
        ("Store", "1234567890", "'1234567890' is not a store number"),
        ("Store", "", "the cell is empty, it must be a store number"),
        ("Store", "one", "'one' is not a store number"),
        ("Store", "\u0661", "'\u0661' is not a store number"),
        ("Date", "31-02-2010", "'31-02-2010' is not a date of 1900-2099"),
        ("Date", "02-26-2010", "as DD-MM-YYYY or DD.MM.YYYY (day first), or YYYY-MM-DD"),
        ("Date", "26/02/2010", "'26/02/2010' is not a date"),
        ("Date", "2010-02-26 13:00:00", "'2010-02-26 13:00:00' is not a date"),
        ("Date", "26.02-2010", "'26.02-2010' is not a date"),
        ("Date", "26-02-0010", "'26-02-0010' is not a date of 1900-2099"),
        ("Date", "26-02-2100", "'26-02-2100' is not a date of 1900-2099"),
        ("Date", "", "the cell is empty, it must be a date"),
        ("Weekly_Sales", "", "the cell is empty, it must be a number below 1e15 such as 1643690.9"),
        ("Weekly_Sales", "nan", "'nan' is not a number"),
        ("Weekly_Sales", "NA", "'NA' is not a number"),
        ("Weekly_Sales", "-inf", "'-inf' is not a number"),
        ("Weekly_Sales", "1e999", "'1e999' is not a number"),
        ("Weekly_Sales", "-1e15", "'-1e15' is not a number below 1e15 such as 1643690.9"),
        ("Weekly_Sales", "1_000", "'1_000' is not a number"),
        ("Weekly_Sales", "$5", "'$5' is not a number"),
        ("Weekly_Sales", '"1,643,690.9"', "'1,643,690.9' is not a number"),
        ("Weekly_Sales", "x" * 99, f"'{'x' * 40}...' is not a number"),
        ("Holiday_Flag", "2", "'2' is not 0 or 1"),
        ("Holiday_Flag", "TRUE", "'TRUE' is not 0 or 1"),
        ("Temperature", "warm", "'warm' is not a number"),
        ("Fuel_Price", "Infinity", "'Infinity' is not a number"),
        ("CPI", "unknown", "'unknown' is not a number below 1e15 such as 1643690.9, or NA"),
        ("Unemployment", "8,1", "9 cells, the header has 8"),
    ],
)
def test_a_bad_cell_is_refused_with_its_line_and_column(
    refusal: Callable[[str], DataRefused], column: str, value: str, problem: str
) -> None:
    error = refusal(with_cell(2, column, value))

    ragged = problem.startswith("9 cells")
    place = "sales.csv, line 4" + ("" if ragged else f", column {column}")
    assert error.message.startswith(f"{place}: ")
    assert problem in error.message
    assert error.fields["line"] == 4
    assert (None if ragged else column) == error.fields["column"]


def test_the_other_lines_with_the_same_problem_are_counted(
    refusal: Callable[[str], DataRefused],
) -> None:
    two = content().replace("8.324", "?")
    all_four = two.replace("8.106", "?")

    assert refusal(two).message == (
        "sales.csv, line 4, column Unemployment: '?' is not a number below 1e15 such as 1643690.9,"
        " or NA (1 more line has this problem)"
    )
    assert refusal(all_four).message.endswith("(3 more lines have this problem)")


def test_blank_lines_and_quoted_line_ends_do_not_shift_line_numbers(
    refusal: Callable[[str], DataRefused],
) -> None:
    lines = [HEADER, "", ROWS[0].replace("8.106", '"8.106\n"'), "", ROWS[1].replace("1100", "x")]

    assert refusal("\n".join(lines)).fields["line"] == 6


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (HEADER.replace("CPI", "Cpi"), "(missing: CPI; not expected: 'Cpi')"),
        ("," + HEADER, "(not expected: '')"),
        (HEADER + ",Dept,Region", "(not expected: 'Dept', 'Region')"),
        (HEADER.replace("CPI", "Store"), "(missing: CPI; twice: Store)"),
        (
            HEADER.replace(",", "|"),
            "...'; columns must be separated by commas, semicolons or tabs)",
        ),
        (HEADER.replace("Store,Date,", ""), "(missing: Store, Date)"),
        (ROWS[0], "(missing: Store, Date, Weekly_Sales, "),
    ],
)
def test_other_columns_are_refused_by_name(
    refusal: Callable[[str], DataRefused], header: str, problem: str
) -> None:
    error = refusal(content(header=header))

    assert error.message.startswith("sales.csv, line 1: wrong columns (")
    assert problem in error.message


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (b"", "sales.csv: the file is empty"),
        (b"\xef\xbb\xbf", "sales.csv: the file is empty"),
        (b"\n\n", "sales.csv: the file is empty"),
        (HEADER.encode(), "sales.csv: the file has a header and no rows"),
        (content().encode("utf-16"), "sales.csv: the file is UTF-16; save it as UTF-8"),
        (
            content().encode("utf-16-le"),
            "sales.csv, line 1: a zero byte: this is no text; save the file as CSV",
        ),
        (
            with_cell(1, "CPI", "é").encode("latin-1"),
            "sales.csv, line 3: byte 0xE9 is not UTF-8; save the file as UTF-8",
        ),
        (
            content(ROWS[0], '1,"12-02-2010').encode(),
            "sales.csv, line 3: a quote opens here and none closes it; close it, or leave it out",
        ),
        (
            content(ROWS[0], '1,"12-02-2010' + "x" * 200_000).encode(),
            "sales.csv, line 3: a quote opens here and none closes it; close it, or leave it out",
        ),
        (
            content('1,"05"02-2010"').encode(),
            (
                "sales.csv, line 2: text stands behind the quote that ends a cell; write a quote"
                " within a cell twice"
            ),
        ),
        (
            content("1,05-02-2010,5").encode(),
            "sales.csv, line 2: 3 cells, the header has 8; " + COMMAS,
        ),
        (
            content(*(row + ",0" for row in ROWS)).encode(),
            f"sales.csv, line 2: 9 cells, the header has 8; {COMMAS}",
        ),
        (
            content(header=HEADER.replace(",", ";")).encode(),
            (
                "sales.csv, line 2: 1 cells, the header has 8; "
                + COMMAS.replace("commas", "semicolons")
            ),
        ),
    ],
)
def test_a_file_that_is_no_table_is_refused(
    refusal: Callable[[bytes], DataRefused], written: bytes, message: str
) -> None:
    assert message == refusal(written).message


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            EUROPEAN.replace("1000,5", "1000.5"),
            (
                "line 2, column Weekly_Sales: 1000.5 has a decimal point, but 211,1 on line 2"
                " a comma; write all numbers in one form"
            ),
        ),
        (
            EUROPEAN.replace("40,19", "40.19"),
            (
                "line 5, column Temperature: 40.19 has a decimal point, but 211,1 on line 2"
                " a comma; write all numbers in one form"
            ),
        ),
        (
            EUROPEAN.replace("1000,5", "1.000,5"),
            "line 2, column Weekly_Sales: '1.000,5' is not a number below 1e15 such as 1643690,9",
        ),
        (
            EUROPEAN.replace("1000,5", "1,643,690"),
            "line 2, column Weekly_Sales: '1,643,690' is not a number below 1e15 such as 1643690,9",
        ),
        (
            content("1,2010-02-05,1.643,0,1,1,1,1").replace(",", ";").replace(".", ","),
            (
                "line 2, column Weekly_Sales: 1,643 may be thousands or have three decimals; write"
                " numbers with a point"
            ),
        ),
        (
            EUROPEAN.replace("12.02.2010", "12-02-2010"),
            (
                "line 3, column Date: 12-02-2010 is DD-MM-YYYY, but 05.02.2010 on line 2 is"
                " DD.MM.YYYY; write all dates in one form (1 more line has this problem)"
            ),
        ),
    ],
)
def test_what_is_written_in_two_ways_is_refused_with_its_line_and_the_remedy(
    refusal: Callable[[str], DataRefused], written: str, message: str
) -> None:
    assert refusal(written).message == f"sales.csv, {message}"


@pytest.mark.parametrize(
    ("written", "what", "remedy"),
    [
        (b"PK\x03\x04....xl/workbook.xml", "an Excel workbook", "save the sheet with the sales as"),
        (
            b"PK\x03\x04..mimetypeapplication/vnd.oasis.opendocument.spreadsheet",
            "an OpenDocument spreadsheet",
            "save the sheet with the sales as CSV (UTF-8)",
        ),
        (b"PK\x03\x04....sales.csv", "a zip archive", "unpack it and name the file in it"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an Excel workbook of the old form (.xls)", "save the sheet"),
        (gzip.compress(content().encode()), "a gzip file", "give it a name that ends on .gz"),
        (b"PAR1\x15\x04", "a Parquet file", "write its table as CSV"),
        (b"SQLite format 3\0", "an SQLite database", "write its table as CSV"),
        (b"%PDF-1.7", "a PDF document", "save its table as CSV"),
    ],
)
def test_a_binary_file_is_named_as_what_it_is(
    refusal: Callable[[bytes], DataRefused], written: bytes, what: str, remedy: str
) -> None:
    assert refusal(written).message.startswith(f"sales.csv: this is {what} and no text; {remedy}")


def test_a_file_that_mixes_date_forms_is_refused_with_both_lines(
    refusal: Callable[[str], DataRefused],
) -> None:
    assert refusal(with_cell(3, "Date", "2010-02-12")).message == (
        "sales.csv, line 5, column Date: 2010-02-12 is YYYY-MM-DD, but 05-02-2010 on line 2 is"
        " DD-MM-YYYY; write all dates in one form"
    )


def test_a_date_on_another_weekday_is_refused_wherever_it_stands(
    refusal: Callable[[str], DataRefused],
) -> None:
    assert refusal(with_cell(0, "Date", "06-02-2010")).message == (
        "sales.csv, line 2, column Date: 06-02-2010 is a Saturday, but the date on line 3 is"
        " a Friday; weeks must be whole weeks apart, and dates are read day first"
    )


def test_a_month_first_file_is_refused_and_not_read_as_other_days(
    refusal: Callable[[str], DataRefused],
) -> None:
    """02-05-2010 and 02-12-2010 are dates in both forms, but no weeks apart day first."""
    error = refusal(
        content().replace("05-02-2010", "02-05-2010").replace("12-02-2010", "02-12-2010")
    )

    assert "dates are read day first" in error.message


MONDAYS = content().replace("05-02-2010", "01-02-2010").replace("12-02-2010", "08-02-2010")


def test_a_file_that_dates_weeks_by_another_weekday_asks_what_its_dates_are(
    file: Path, refusal: Callable[[str], DataRefused]
) -> None:
    assert refusal(MONDAYS).message == (
        "sales.csv, line 2, column Date: weeks are dated by Mondays: say whether that is their"
        " first or their last day, by --dates first or --dates last, or by dates in a layout of"
        " your own"
    )
    for dates, weeks in (
        ("first", [date(2010, 2, 7), date(2010, 2, 14)]),
        ("last", [date(2010, 2, 1), date(2010, 2, 8)]),
    ):
        panel = read_panel(file, dates=dates)
        assert weeks == panel.periods.tolist()
        assert panel.spec is not None
        assert dates == panel.spec.dates
        assert panel == read_sales(file, dates=dates).to_panel()


def test_days_are_not_asked_which_day_of_a_week_they_are(tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match="--dates is for weeks, and the layout daily has days"):
        read_panel(tmp_path, "daily", "first")


def test_a_duplicate_is_refused_with_both_lines(refusal: Callable[[str], DataRefused]) -> None:
    assert refusal(content(*ROWS, ROWS[2].replace("2,05", "02,05"))).message == (
        "sales.csv, line 6, column Date: store 2 already has the week 05-02-2010 on line 4"
    )


def test_a_missing_file_a_folder_and_an_unknown_layout_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match=r"nothing\.csv: cannot be read: No such file"):
        read_sales(tmp_path / "nothing.csv")
    with pytest.raises(DataRefused, match="this is a folder; name a file in it"):
        read_sales(tmp_path)
    with pytest.raises(
        DataRefused, match="there is no layout 'days'; the known layouts are: stores"
    ):
        read_sales(tmp_path, "days")


READ = st.floats(-1e15, 1e15, exclude_min=True, exclude_max=True)
AGAIN = settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])


@AGAIN
@given(numbers=st.lists(READ, min_size=6, max_size=6))
def test_every_number_is_read_back_exactly(file: Path, numbers: list[float]) -> None:
    sales, *conditions = numbers
    file.write_text(
        content(f"7,2010-02-05,{sales!r},1,{','.join(map(repr, conditions[:4]))}"), encoding="utf-8"
    )

    rows = read_sales(file)

    expected = [sales, 1.0, *conditions[:4]]
    found = [rows.sales[0], *(rows.conditions[name][0] for name in CONDITIONS)]
    assert expected == found


@AGAIN
@given(
    start=st.integers(0, len(content())),
    removed=st.integers(0, 30),
    added=st.one_of(st.text(max_size=8).map(lambda text: text.encode()), st.binary(max_size=8)),
)
def test_a_damaged_file_is_refused_or_gives_valid_rows(
    file: Path, start: int, removed: int, added: bytes
) -> None:
    whole = content().encode()
    file.write_bytes(whole[:start] + added + whole[start + removed :])

    rows, refusal = None, None
    try:
        rows = read_sales(file)
    except DataRefused as error:
        refusal = error.message

    if rows is None:
        assert refusal is not None
        assert refusal.startswith(str(file))
        assert "\n" not in refusal
    else:
        assert 1 <= len(rows) <= len(ROWS)
        assert (rows.store >= 0).all()
        assert len({day.weekday() for day in rows.week.tolist()}) == 1
        assert all(math.isfinite(value) for value in rows.sales)


def test_the_real_file_is_read_as_pandas_reads_it(walmart_csv: Path) -> None:
    oracle = pd.read_csv(walmart_csv)
    weeks = pd.to_datetime(oracle["Date"], format="%d-%m-%Y").to_numpy().astype("datetime64[D]")

    rows = read_sales(walmart_csv)

    assert oracle["Store"].tolist() == rows.store.tolist()
    assert weeks.tolist() == rows.week.tolist()
    assert oracle["Weekly_Sales"].tolist() == rows.sales.tolist()
    for name in CONDITIONS:
        np.testing.assert_allclose(rows.conditions[name], oracle[name], rtol=1e-15)


def test_gaps_are_the_weeks_missing_between_the_first_and_last_of_a_store(file: Path) -> None:
    """Store 1 lacks 1 and 2 weeks, store 2 begins late, store 3 ends early: only 1 has gaps."""
    weeks = {
        1: ["2010-02-05", "2010-02-19", "2010-03-12"],
        2: ["2010-03-05", "2010-03-12"],
        3: ["2010-02-05"],
    }
    file.write_text(
        content(*(f"{store},{week},1,0,1,1,1,1" for store in weeks for week in weeks[store]))
    )

    assert gaps(read_sales(file).to_panel()) == {
        "1": (
            Gap(date(2010, 2, 12), date(2010, 2, 12), 1),
            Gap(date(2010, 2, 26), date(2010, 3, 5), 2),
        )
    }

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

import database_loader
from sales_forecast.data.database import Database
from sales_forecast.data.forecast_tables import QUANTILES
from sales_forecast.data.forecasts.issuing import ForecastTable, Issue
from sales_forecast.data.panel import Panel
from sales_forecast.data.rows import STORES
from sales_forecast.data.sample import sample_rows
from tests.builders import panel_of_layout

LOADER = Path(database_loader.__file__)
HEADER = "Store,Date,Weekly_Sales,Holiday_Flag,Temperature,Fuel_Price,CPI,Unemployment"
WEEKS = ("05-02-2010", "12-02-2010", "19-02-2010", "26-02-2010", "05-03-2010")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(file: str, sales: dict[str, float], store: int = 1) -> None:
    lines = [f"{store},{week},{value},0,40,2.5,211,8" for week, value in sales.items()]
    path = Path(file)
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join([HEADER, *lines]), encoding="utf-8")


def panel() -> Panel:
    """What the database of the default settings holds."""
    with closing(Database("sqlite:///var/sales.db")) as database:
        return database.read_panel()


def test_without_any_file_the_sample_is_loaded_and_called_generated(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert database_loader.main([]) == 0

    assert sample_rows().to_panel().fingerprint == panel().fingerprint
    assert capsys.readouterr().out.splitlines() == [
        "No data/Walmart_Sales.csv here: loaded the generated sample. Its sales are invented.",
        "  To load your own, which replace it: python database_loader.py --csv FILE",
        "  rows 6,435, stores 45, weeks ending 2010-02-05 .. 2012-10-26",
        "  inserted 6,435, corrected 0, unchanged 0",
        "  negative sales (kept): 0",
        "Stored now: stores 45, weeks ending 2010-02-05 .. 2012-10-26",
        "  stores with gaps: 0",
    ]


def test_the_usual_file_is_loaded_without_being_named(capsys: pytest.CaptureFixture[str]) -> None:
    write("data/Walmart_Sales.csv", {WEEKS[0]: 10.0, WEEKS[1]: -2.5})

    assert database_loader.main([]) == 0

    assert panel().y.tolist() == [[10.0, -2.5]]
    assert capsys.readouterr().out.splitlines() == [
        "Loaded data/Walmart_Sales.csv.",
        "  rows 2, stores 1, weeks ending 2010-02-05 .. 2010-02-12",
        "  inserted 2, corrected 0, unchanged 0",
        "  negative sales (kept): 1",
        "Stored now: stores 1, weeks ending 2010-02-05 .. 2010-02-12",
        "  stores with gaps: 0",
    ]


def test_new_and_corrected_rows_are_counted_and_gaps_are_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write("a.csv", {WEEKS[0]: 10.0, WEEKS[1]: 11.0})
    write("b.csv", {WEEKS[1]: 11.5, WEEKS[4]: 14.0})
    database_loader.main(["--csv", "a.csv"])
    capsys.readouterr()

    assert database_loader.main(["--csv", "b.csv", "--layout", "stores"]) == 0

    assert capsys.readouterr().out.splitlines() == [
        "Loaded b.csv.",
        "  rows 2, stores 1, weeks ending 2010-02-12 .. 2010-03-05",
        "  inserted 1, corrected 1, unchanged 0",
        "  negative sales (kept): 0",
        "Stored now: stores 1, weeks ending 2010-02-05 .. 2010-03-05",
        "  stores with gaps: 1",
        "    store 1, weeks missing 2: 2010-02-19 .. 2010-02-26",
    ]


def test_a_later_file_that_fills_a_gap_closes_it(capsys: pytest.CaptureFixture[str]) -> None:
    write("a.csv", {WEEKS[0]: 10.0, WEEKS[2]: 12.0, WEEKS[4]: 14.0})
    write("b.csv", {WEEKS[1]: 11.0})
    database_loader.main(["--csv", "a.csv"])
    before = capsys.readouterr().out
    database_loader.main(["--csv", "b.csv"])
    after = capsys.readouterr().out

    assert before.endswith("    store 1, weeks missing 2: 2010-02-12, 2010-02-26\n")
    assert after.endswith("    store 1, weeks missing 1: 2010-02-26\n")


def test_the_first_real_file_replaces_the_sample(capsys: pytest.CaptureFixture[str]) -> None:
    write("a.csv", {WEEKS[0]: 10.0})
    database_loader.main([])
    capsys.readouterr()

    assert database_loader.main(["--csv", "a.csv"]) == 0

    assert panel().y.tolist() == [[10.0]]
    assert capsys.readouterr().out.startswith(
        "Removed the generated sample (6,435 rows).\nLoaded a.csv.\n"
    )


def test_real_sales_are_kept_when_no_file_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write("a.csv", {WEEKS[0]: 10.0})
    database_loader.main(["--csv", "a.csv"])
    capsys.readouterr()

    assert database_loader.main([]) == 0

    assert panel().y.tolist() == [[10.0]]
    assert capsys.readouterr().out == (
        "No data/Walmart_Sales.csv here."
        f" The database keeps the sales loaded from {tmp_path.resolve()}/a.csv.\n"
    )


def test_a_refused_file_is_one_line_and_changes_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write("a.csv", {WEEKS[0]: 10.0})
    write("b.csv", {WEEKS[0]: 99.0, "13-02-2010": 11.0})
    database_loader.main(["--csv", "a.csv"])
    capsys.readouterr()

    assert database_loader.main(["--csv", "b.csv"]) == 1

    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("b.csv, line 3, column Date: 13-02-2010 is a Saturday, but")
    assert output.err.count("\n") == 1
    assert panel().y.tolist() == [[10.0]]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--csv", ""], ".: this is a folder; name a file in it"),  # "$FILE", and FILE is not set
        (["--csv", "x" * 300], "File name too long"),
        (["--csv", "x" * 300, "--layout", "departments"], "File name too long"),
    ],
)
def test_a_place_that_cannot_be_read_is_one_line_and_no_sample(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 1 == database_loader.main(arguments)
    output = capsys.readouterr()
    assert "" == output.out
    assert says in output.err.splitlines()[-1]


def test_a_refused_file_does_not_remove_the_sample(capsys: pytest.CaptureFixture[str]) -> None:
    database_loader.main([])

    assert database_loader.main(["--csv", "nothing.csv"]) == 1

    assert capsys.readouterr().err == "nothing.csv: cannot be read: No such file or directory\n"
    assert sample_rows().to_panel().fingerprint == panel().fingerprint


def test_a_file_whose_name_is_not_utf8_is_loaded() -> None:
    name = os.fsdecode(b"caf\xe9.csv")
    write("plain.csv", {WEEKS[0]: 10.0})
    try:
        Path("plain.csv").rename(name)
    except OSError:
        pytest.skip("this file system takes only names in UTF-8")

    command = [sys.executable, str(LOADER), "--csv", name]
    strict = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=strict)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Loaded caf?.csv.\n")
    assert panel().y.tolist() == [[10.0]]


def test_a_database_that_is_not_there_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql+pymysql://anna:s3cret@127.0.0.1:1/sales")

    assert database_loader.main([]) == 1

    output = capsys.readouterr()
    assert output.err.startswith("The database mysql+pymysql://anna:***@127.0.0.1:1/sales does not")
    assert output.err.count("\n") == 1
    assert "s3cret" not in output.err + output.out


def test_departments_are_stored_as_they_are(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    expected = panel_of_layout("departments", tmp_path)

    assert database_loader.main(["--layout", "departments", "--csv", str(tmp_path)]) == 0

    assert expected == panel()
    assert expected.spec == panel().spec
    output = capsys.readouterr()
    assert output.out.splitlines() == [
        f"Loaded {tmp_path}.",
        "  rows 9 (5 with sales), series 3, weeks ending 2010-02-05 .. 2010-02-19",
        "  inserted 9, corrected 0, unchanged 0",
        "  negative sales (kept): 1",
        "Stored now: series 3, weeks ending 2010-02-05 .. 2010-02-19",
        "  series with gaps: 1",
        "    series 12-2, weeks missing 1: 2010-02-12",
    ]
    assert output.err.splitlines() == [
        f"Reading {tmp_path}.",
        "Writing 3 series.",
        "Reading it back.",
    ]


def test_departments_are_added_up_to_stores_if_asked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    panel_of_layout("departments", tmp_path)

    command = ["--layout", "departments", "--sum-to-stores", "--csv", str(tmp_path)]
    assert database_loader.main(command) == 0

    assert panel().spec == STORES
    assert panel().y[0, :2].tolist() == [150.5, -4.25]
    assert "  rows 4, stores 2, weeks ending 2010-02-05 .. 2010-02-19\n" in capsys.readouterr().out


def test_days_say_how_far_they_are_planned_and_closed_days_are_no_gaps(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    expected = panel_of_layout("daily", tmp_path)

    assert database_loader.main(["--layout", "daily", "--csv", str(tmp_path)]) == 0

    assert expected == panel()
    days = "stores 3, days 2013-01-01 .. 2013-03-01, planned until 2013-03-10"
    output = capsys.readouterr().out.splitlines()
    assert output[1].endswith(days)
    assert [f"Stored now: {days}", "  stores with gaps: 0"] == output[-2:]


def test_weeks_that_are_dated_by_their_first_days_are_stored_by_their_last(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write("a.csv", {"2010-02-01": 10.0, "2010-02-08": 11.0})
    assert database_loader.main(["--csv", "a.csv"]) == 1
    assert "weeks are dated by Mondays" in capsys.readouterr().err
    assert not Path("var/sales.db").exists()

    assert database_loader.main(["--csv", "a.csv", "--dates", "first"]) == 0
    assert "weeks ending 2010-02-07 .. 2010-02-14\n" in capsys.readouterr().out
    assert () == panel().notes


def test_another_layout_than_the_stored_one_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    panel_of_layout("departments", tmp_path)
    write("a.csv", {WEEKS[0]: 10.0})
    database_loader.main(["--csv", "a.csv"])
    capsys.readouterr()

    assert database_loader.main(["--layout", "departments", "--csv", str(tmp_path)]) == 1

    output = capsys.readouterr()
    assert output.out == ""
    assert "this is layout departments, and the database holds layout stores" in output.err
    assert output.err.splitlines()[-1].endswith("; name another database in DATABASE_URL")
    assert panel().y.tolist() == [[10.0]]


def test_of_many_series_with_gaps_the_first_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        f"{store},{week},1,0,40,2.5,211,8" for store in range(60) for week in (WEEKS[0], WEEKS[4])
    ]
    Path("a.csv").write_text("\n".join([HEADER, *lines]))

    assert database_loader.main(["--csv", "a.csv"]) == 0

    output = capsys.readouterr().out.splitlines()
    assert output[5] == "  stores with gaps: 60"
    assert output[6] == "    store 0, weeks missing 3: 2010-02-12 .. 2010-02-26"
    assert output[-1] == "    and 50 more"


@pytest.mark.parametrize(
    ("shut", "told"),
    [
        (lambda day: day.isoweekday() == 7, "12: Sundays, from 2024-01-07 to 2024-03-24"),
        (
            lambda day: day.isoweekday() > 5,
            (
                "24: 2024-01-06 .. 2024-01-07, 2024-01-13 .. 2024-01-14, 2024-01-20 .. 2024-01-21, "
                "2024-01-27 .. 2024-01-28, 2024-02-03 .. 2024-02-04, 2024-02-10 .. 2024-02-11, "
                "2024-02-17 .. 2024-02-18, 2024-02-24 .. 2024-02-25, 2024-03-02 .. 2024-03-03, "
                "2024-03-09 .. 2024-03-10 and 2 more times"
            ),
        ),
    ],
)
def test_a_shop_that_is_shut_every_week_is_a_line(
    capsys: pytest.CaptureFixture[str], shut: Callable[[date], bool], told: str
) -> None:
    days = (date(2024, 1, 1) + timedelta(n) for n in range(85))
    Path("a.csv").write_text(
        "\n".join(["day,sold", *(f"{day},5" for day in days if not shut(day))])
    )
    Path("shop.toml").write_text('frequency = "daily"\ndate = "day"\ntarget = "sold"\n')

    assert database_loader.main(["--csv", "a.csv", "--layout", "shop.toml"]) == 0

    assert capsys.readouterr().out.splitlines()[-1].endswith(f", days missing {told}")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--layout", "days"],
        ["--cvs", "a.csv"],
        ["a.csv"],
        ["--sum-to-stores", "--csv", "a.csv"],
        ["--sum-to-stores", "--layout", "daily", "--csv", "a"],
        ["--layout", "departments"],
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        database_loader.main(arguments)

    assert stop.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_the_command_loads_and_exits_with_0_and_with_1_when_it_refuses() -> None:
    write("a.csv", {WEEKS[0]: 10.0})
    codes = [
        subprocess.run([sys.executable, LOADER, "--csv", file], check=False, capture_output=True)
        for file in ("a.csv", "b.csv")
    ]

    assert [done.returncode for done in codes] == [0, 1]
    assert panel().y.tolist() == [[10.0]]


def test_the_real_file_is_loaded_and_loading_it_again_changes_nothing(
    walmart_csv: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database_loader.main(["--csv", str(walmart_csv)])
    first = capsys.readouterr().out
    database_loader.main(["--csv", str(walmart_csv)])
    second = capsys.readouterr().out

    assert "  inserted 5,850, corrected 0, unchanged 0\n" in first
    assert "  inserted 0, corrected 0, unchanged 5,850\n" in second
    assert "Stored now: stores 45, weeks ending 2010-02-05 .. 2012-07-27\n" in first
    assert panel().y.shape == (45, 130)


def forecast_the_next_week(expected: float) -> None:
    nothing = np.full((1, 1), np.nan)
    issue = Issue(
        "best",
        "arima",
        "v1",
        np.array([[expected]]),
        {**dict.fromkeys(QUANTILES, nothing), "q50": np.array([[expected]])},
    )
    with closing(ForecastTable("sqlite:///var/sales.db")) as table:
        table.write(panel(), [issue], datetime(2026, 3, 2, tzinfo=UTC))


def test_forecasts_of_what_is_loaded_are_judged(capsys: pytest.CaptureFixture[str]) -> None:
    write("a.csv", {WEEKS[0]: 10.0})
    write("b.csv", {WEEKS[1]: 12.5})
    database_loader.main(["--csv", "a.csv"])
    forecast_the_next_week(10.0)
    capsys.readouterr()

    assert database_loader.main(["--csv", "b.csv"]) == 0

    said = capsys.readouterr()
    assert said.err == "judging forecasts\n"
    assert said.out.splitlines()[-1] == "Judged 1 week of forecasts: WAPE 20.0% one week ahead."
    assert database_loader.main(["--csv", "b.csv"]) == 0
    assert "Judged" not in capsys.readouterr().out


def test_what_cannot_be_judged_is_loaded_and_said_in_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write("a.csv", {WEEKS[0]: 10.0})
    write("b.csv", {WEEKS[1]: 12.5})
    database_loader.main(["--csv", "a.csv"])
    forecast_the_next_week(10.0)
    with closing(sqlite3.connect("var/sales.db")) as connection:
        connection.execute(
            "CREATE TRIGGER no BEFORE INSERT ON scores_realised"
            " BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )
    capsys.readouterr()

    assert database_loader.main(["--csv", "b.csv"]) == 0

    _, said = capsys.readouterr().err.splitlines()
    assert said.startswith(
        "The sales are loaded; the next load judges their forecasts, which failed now:"
        " The database sqlite:///var/sales.db does not answer as it should: no room."
    )
    assert panel().y.tolist() == [[10.0, 12.5]]

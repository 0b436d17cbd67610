"""The layout of daily store sales: what becomes of its files, and what is refused."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import train
from sales_forecast.data.files.daily import no_trade
from sales_forecast.data.files.layouts import read_panel, read_sales
from sales_forecast.data.frequency import DAILY
from sales_forecast.data.panel import Panel
from sales_forecast.errors import DataRefused
from sales_forecast.evaluation.backtest import backtest
from sales_forecast.evaluation.protocols import RollingOrigin
from sales_forecast.evaluation.scoring import scores, with_quantiles
from sales_forecast.models.pooled import POOLED
from tests.builders import daily_folder, daily_panel, with_sales

HEADER = "Store,DayOfWeek,Date,Sales,Customers,Open,Promo,StateHoliday,SchoolHoliday"
ROWS = [
    "2,5,2014-10-03,0,0,0,1,a,1",
    "10,5,2014-10-03,700,70,1,1,0,0",
    "2,4,2014-10-02,400,40,1,0,0,0",
    "10,4,2014-10-02,600,60,1,0,0,0",
]
STORES = [
    "Store,StoreType,Assortment,CompetitionDistance,CompetitionOpenSinceMonth,Promo2",
    "2,a,b,570,11,1",
    "10,c,a,,,0",
]
COLUMNS = HEADER.split(",")


def written(folder: Path, rows: list[str] = ROWS, stores: list[str] = STORES) -> Path:
    (folder / "train.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    (folder / "store.csv").write_text("\n".join(stores) + "\n")
    return folder


def with_cell(row: int, column: str, value: str) -> list[str]:
    """The usual rows with one cell replaced; row 0 is on line 2."""
    cells = [line.split(",") for line in ROWS]
    cells[row][COLUMNS.index(column)] = value
    return [",".join(line) for line in cells]


def test_a_folder_becomes_a_panel_of_days(tmp_path: Path):
    panel = read_panel(written(tmp_path), "daily")

    assert DAILY == panel.frequency
    assert ("2", "10") == panel.series
    assert ["2014-10-02", "2014-10-03"] == panel.periods.astype(str).tolist()
    np.testing.assert_array_equal([[400, np.nan], [600, 700]], panel.y)
    assert {} == panel.conditions


def test_what_is_planned_of_a_day_is_its_plan(tmp_path: Path):
    plan = read_panel(written(tmp_path), "daily").plan
    assert (
        {
            "open": [[1, 0], [1, 1]],
            "promo": [[0, 1], [0, 1]],
            "state_holiday": [[0, 1], [0, 0]],
            "school_holiday": [[0, 1], [0, 0]],
            "public_holiday": [[0, 1], [0, 1]],  # the day of German unity
        }
        == {name: values[:, :2].tolist() for name, values in plan.items()}
    )


def test_days_to_come_have_a_plan_and_no_sales(tmp_path: Path):
    whole = daily_panel(n_series=2, n_days=45, ahead=10)
    panel = read_panel(daily_folder(tmp_path, whole), "daily")
    np.testing.assert_array_equal(panel.periods, whole.periods)
    np.testing.assert_allclose(panel.y, np.floor(whole.y))
    for name in ("open", "promo"):
        np.testing.assert_array_equal(panel.plan[name], whole.plan[name])


def test_a_day_without_sales_among_others_is_unknown(tmp_path: Path):
    panel = read_panel(written(tmp_path, with_cell(3, "Sales", "")), "daily")
    np.testing.assert_array_equal([[400, np.nan], [np.nan, 700]], panel.y)
    assert 1 == panel.plan["open"][1, 0]


def test_what_a_store_is_is_its_traits(tmp_path: Path):
    traits = read_panel(written(tmp_path), "daily").traits
    assert {
        "store": [2, 10],
        "type": ["a", "c"],
        "assortment": ["b", "a"],
        "competition_distance": [570, 570],  # none is known: as far as the farthest
    } == {name: values.tolist() for name, values in traits.items()}


def test_the_order_of_rows_does_not_matter_and_files_may_be_packed(tmp_path: Path):
    expected = read_panel(written(tmp_path), "daily")
    packed = tmp_path / "packed"
    packed.mkdir()
    for file in ("train.csv", "store.csv"):
        header, *rows = (tmp_path / file).read_text().splitlines()
        text = "\n".join([header, *reversed(rows)])
        (packed / f"{file}.gz").write_bytes(gzip.compress(text.encode()))
    assert expected == read_panel(packed, "daily")


def test_a_day_without_a_row_is_unknown_and_nothing_is_planned_of_it(tmp_path: Path):
    panel = read_panel(written(tmp_path, ROWS[:3]), "daily")
    assert np.isnan(panel.y[1, 0])
    assert np.isnan(panel.plan["open"][1, 0])


@pytest.mark.parametrize(
    ("row", "column", "value", "problem"),
    [
        (0, "Store", "one", "'one' is not a store number: digits only, at most 9 of them"),
        (1, "Date", "2014-13-03", "'2014-13-03' is not a date of 1900-2099 as DD-MM-YYYY"),
        (1, "Date", "2014-10-02", "store 10 already has the day 2014-10-02 on line 3"),
        (1, "DayOfWeek", "6", "6, but 2014-10-03 is a Friday, 5"),
        (1, "DayOfWeek", "Fr", "'Fr' is not 1 (Monday) to 7"),
        (1, "Sales", "nan", "'nan' is not a number below 1e15 such as 1643690.9, or NA"),
        (0, "Sales", "20", "sold 20 on a day on which Open is 0"),
        (1, "Customers", "many", "'many' is not a number below 1e15 such as 1643690.9"),
        (1, "Open", "yes", "'yes' is not 0 or 1"),
        (1, "Promo", "2", "'2' is not 0 or 1"),
        (1, "StateHoliday", "d", "'d' is not 0, a, b or c"),
        (1, "SchoolHoliday", "", "the cell is empty, it must be 0 or 1"),
    ],
)
def test_a_wrong_cell_is_refused_with_its_place(tmp_path: Path, row, column, value, problem):
    written(tmp_path, with_cell(row, column, value))
    with pytest.raises(DataRefused) as caught:
        read_panel(tmp_path, "daily")
    line = 5 if "already" in problem else row + 2
    place = f"{tmp_path / 'train.csv'}, line {line}, column {column}: {problem}"
    assert caught.value.message.startswith(place)


def test_a_plan_without_any_sales_is_refused(tmp_path: Path):
    written(tmp_path, ["10,5,2014-10-03,,,1,1,0,0", "2,5,2014-10-03,0,0,0,1,a,1"])
    with pytest.raises(DataRefused, match=r"train\.csv, column Sales: no open day has sales"):
        read_panel(tmp_path, "daily")


@pytest.mark.parametrize(
    ("stores", "problem"),
    [
        (STORES[:2], "has no row for store 10, which has sales"),
        ([*STORES, "2,a,a,100,1,0"], "line 2, column Store: store 2 has another row below"),
        ([STORES[0], "2,,b,570,11,1", STORES[2]], "line 2, column StoreType: the cell is empty"),
        ([STORES[0], "2,a,b,near,11,1", STORES[2]], "line 2, column CompetitionDistance: 'near'"),
        (["Store,StoreType,Assortment", "2,a,b"], "missing: CompetitionDistance"),
    ],
)
def test_a_wrong_table_of_stores_is_refused(tmp_path: Path, stores, problem):
    with pytest.raises(DataRefused) as caught:
        read_panel(written(tmp_path, stores=stores), "daily")
    assert str(tmp_path / "store.csv") in caught.value.message
    assert problem in caught.value.message


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda folder: folder / "train.csv", "this layout reads a folder with train and store"),
        (lambda folder: (folder / "store.csv").unlink() or folder, "has neither store.csv nor"),
        (lambda folder: (folder / "train.csv").unlink() or folder, "has neither train.csv nor"),
    ],
    ids=["a file", "no store", "no train"],
)
def test_a_folder_that_lacks_a_file_is_refused(
    tmp_path: Path, spoil: Callable[[Path], Path], problem: str
):
    with pytest.raises(DataRefused, match=problem):
        read_panel(spoil(written(tmp_path)), "daily")


def test_daily_sales_are_not_added_up_to_weekly_ones(tmp_path: Path):
    with pytest.raises(DataRefused, match="layout daily are no weekly sales of stores"):
        read_sales(written(tmp_path), "daily")


# Days on which an open store sold next to nothing


def sold(*values: float, before: int = 28) -> np.ndarray:
    return np.array([[1000.0] * before + list(values)])


@pytest.mark.parametrize(
    ("y", "found"),
    [
        (sold(19), [28]),
        (sold(0), [28]),
        (sold(20), []),
        (sold(np.nan), []),
        (sold(19, before=27), []),  # too little is known of what is usual
        (sold(0, 1000, 0), [28, 30]),
    ],
)
def test_a_day_below_two_percent_of_what_is_usual_is_no_day_of_trade(y, found):
    assert found == np.flatnonzero(no_trade(y)[0]).tolist()


def test_what_is_usual_is_said_by_the_days_before_alone():
    y = np.hstack([np.full((1, 40), 10.0), np.full((1, 400), 1000.0)])
    assert not no_trade(y).any()
    assert no_trade(np.hstack([y, [[15.0]]]))[0, -1]


def test_such_days_are_unknown_and_named(tmp_path: Path):
    panel = daily_panel(n_series=3, n_days=60)
    spoiled = with_sales(with_sales(panel, 1, 50, 51, 46.0), 2, 50, 52, 0.0)
    read = read_panel(daily_folder(tmp_path, spoiled), "daily")
    whole = read_panel(daily_folder(tmp_path, panel), "daily")
    assert () == whole.notes
    (note,) = read.notes
    assert note == (
        "Left out: 3 open days on which a store sold less than 2% of its median until then: "
        "2 of them nothing; store 2 on 2013-02-20 (46)."
    )
    gone = np.isnan(read.y) & ~np.isnan(whole.y)
    assert [(1, 50), (2, 50), (2, 51)] == [tuple(place) for place in np.argwhere(gone).tolist()]
    assert 1 == read.plan["open"][1, 50]


# The command, and the real files


def test_a_backtest_of_days_speaks_of_days(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = daily_folder(tmp_path, daily_panel(n_series=3, n_days=500))
    words = ["backtest", "--layout", "daily", "--csv", str(folder), "--models", "pooled"]
    assert 0 == train.main([*words, "--horizon", "14", "--windows", "2", "--step", "14"])
    first, left_out, header, *_ = capsys.readouterr().out.splitlines()
    expected = "14 days ahead, 2 windows 14 days apart, cutoffs 2014-04-04 .. 2014-04-18"
    assert f"{expected}, 3 series" == first
    assert left_out.startswith("In no window: the newest 13 days, from 2014-05-03 on; --step 1")
    assert header.endswith("|    WQL |   sum |  RMSPE |")


def test_a_forecast_of_days_knows_their_plan(tmp_path: Path):
    """Promotions were planted to sell a third more, and Wednesdays that are shut now and then."""
    whole = daily_panel(n_series=3, n_days=500, ahead=28)
    out = tmp_path / "ahead.csv"
    words = ["backtest", "--layout", "daily", "--csv", str(daily_folder(tmp_path, whole))]
    protocol = ["--models", "pooled", "--horizon", "28", "--windows", "1", "--step", "28"]
    assert 0 == train.main([*words, *protocol, "--forecast", str(out)])
    with out.open(newline="") as lines:
        said = [float(row["pooled"]) for row in csv.DictReader(lines)]
    expected = np.reshape(said, (3, 28))
    opened, promo = (whole.plan[name][:, 500:] == 1 for name in ("open", "promo"))

    assert not expected[~opened].any()
    assert expected[opened].all()
    for row in range(3):
        usual = np.median(expected[row][opened[row] & ~promo[row]])
        assert 1.2 < np.median(expected[row][opened[row] & promo[row]]) / usual < 1.5


def test_too_few_days_are_counted_in_days(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = daily_folder(tmp_path, daily_panel(n_series=3, n_days=60))
    words = ["backtest", "--layout", "daily", "--csv", str(folder), "--models", "pooled"]
    assert 1 == train.main([*words, "--horizon", "42", "--windows", "4", "--step", "42"])
    assert "4 windows of 42 days, 42 apart, need more than 209 days" in capsys.readouterr().err


@pytest.fixture(scope="module")
def real_days(real_panel: Callable[[str], Panel]) -> Panel:
    return real_panel("daily")


def test_the_real_files_are_read_as_they_are(real_days: Panel):
    assert (1115, 894) == real_days.y.shape
    assert "2015-06-13" == str(real_days.last)
    assert 963_689 == int((~np.isnan(real_days.plan["open"])).sum())
    # All open days, but for those on which next to nothing was sold.
    assert int(np.nansum(real_days.plan["open"])) - 52 == int((~np.isnan(real_days.y)).sum())
    assert "store 652 on 2014-11-22 (46)" in real_days.notes[0]


def test_real_stores_are_forecast_for_six_weeks_within_14_percent(real_days: Panel):
    """0.106 on all stores, of which this is every sixth; no baseline comes below 0.2."""
    some = real_days.select(real_days.series[::6])
    table = with_quantiles(backtest(some, [POOLED], RollingOrigin(42, 6, 42)))
    found = scores(table, percentages=True)["pooled"]
    assert found.rmspe < 0.14
    assert 0.77 <= found.coverage_80 <= 0.83

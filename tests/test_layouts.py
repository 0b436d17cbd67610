"""Other forms of files: a folder of departments, and one's own file with a description."""

from __future__ import annotations

import gzip
import re
from argparse import Namespace
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sales_forecast.commands.reading import asked
from sales_forecast.data.database import Database
from sales_forecast.data.files.layouts import read_panel, read_sales, sources_of
from sales_forecast.data.frequency import DAILY
from sales_forecast.data.panel import Array, Panel
from sales_forecast.data.spec import WeekDates
from sales_forecast.errors import DataRefused
from sales_forecast.evaluation.backtest import backtest
from sales_forecast.evaluation.judged import score_models
from sales_forecast.evaluation.metrics import wmae
from sales_forecast.evaluation.protocols import RollingOrigin
from sales_forecast.models.chance import chance_of_sale
from sales_forecast.models.naive import SEASONAL_NAIVE
from sales_forecast.models.pooled import POOLED
from sales_forecast.params import DEFAULTS
from tests.docs import code_blocks
from tests.zeros import slow

# Departments

TRAIN = """Store,Dept,Date,Weekly_Sales,IsHoliday
1,2,2010-02-05,100.5,FALSE
1,2,2010-02-12,-4.25,TRUE
1,10,2010-02-05,50,FALSE
12,2,2010-02-05,300,FALSE
12,2,2010-02-19,310,FALSE
"""
_MARKDOWNS = "MarkDown1,MarkDown2,MarkDown3,MarkDown4,MarkDown5"
FEATURES = f"""Store,Date,Temperature,Fuel_Price,{_MARKDOWNS},CPI,Unemployment,IsHoliday
1,2010-02-05,42.3,2.5,NA,NA,NA,NA,NA,211.1,8.1,FALSE
1,2010-02-12,38.5,2.6,10,-2.5,NA,NA,NA,211.2,8.1,TRUE
1,2010-02-19,39.9,2.6,NA,NA,NA,NA,NA,211.3,8.1,FALSE
12,2010-02-05,70.1,2.9,NA,NA,NA,NA,NA,126.4,13.9,FALSE
12,2010-02-12,70.2,2.9,NA,NA,NA,NA,NA,126.5,13.9,TRUE
12,2010-02-19,70.3,2.9,NA,NA,NA,NA,NA,126.6,13.9,FALSE
12,2013-07-26,99.9,3.9,1,2,3,4,5,NA,NA,FALSE
"""
STORES = "Store,Type,Size\r1,A,151315\r12,B,112238"  # old Mac line ends, as the public file has


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train.csv.gz").write_bytes(gzip.compress(TRAIN.encode()))
    (tmp_path / "features.csv").write_text(FEATURES)
    (tmp_path / "stores.csv").write_bytes(STORES.encode())
    return tmp_path


def test_a_series_is_a_department_of_a_store(folder: Path) -> None:
    panel = read_panel(folder, "departments")

    assert ("1-2", "1-10", "12-2") == panel.series
    assert ["2010-02-05", "2010-02-12", "2010-02-19"] == [str(week) for week in panel.periods]
    nan = np.nan
    expected = [[100.5, -4.25, nan], [50.0, nan, nan], [300.0, nan, 310.0]]
    np.testing.assert_array_equal(panel.y, expected)


def test_conditions_are_those_of_the_store_and_markdowns_are_among_them(folder: Path) -> None:
    conditions = read_panel(folder, "departments").conditions

    np.testing.assert_array_equal(conditions["Holiday_Flag"], [[0, 1, 0]] * 3)
    np.testing.assert_array_equal(conditions["CPI"][:, 0], [211.1, 211.1, 126.4])
    np.testing.assert_array_equal(conditions["MarkDown2"][0], [np.nan, -2.5, np.nan])


def test_what_a_store_is_comes_along_and_departments_are_the_pools(folder: Path) -> None:
    panel = read_panel(folder, "departments")

    assert ["A", "A", "B"] == panel.traits["type"].tolist()
    assert [151315.0, 151315.0, 112238.0] == panel.traits["size"].tolist()
    pools = {label: pool.series for label, _, pool in panel.pools()}
    assert {"2": ("1-2", "12-2"), "10": ("1-10",)} == pools


def test_departments_add_up_to_stores(folder: Path) -> None:
    rows = read_sales(folder, "departments")

    assert [1, 1, 12, 12] == rows.store.tolist()
    assert [150.5, -4.25, 300.0, 310.0] == rows.sales.tolist()
    assert [0.0, 1.0, 0.0, 0.0] == rows.conditions["Holiday_Flag"].tolist()
    assert [211.1, 211.2, 126.4, 126.6] == rows.conditions["CPI"].tolist()


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("train.csv", "1,10,", "1,2,", r"line 4, column Date: department 1-2 already has"),
        ("train.csv", "300", "NA", r"line 5, column Weekly_Sales: 'NA' is not a number"),
        ("train.csv", "TRUE", "1", r"line 3, column IsHoliday: '1' is not TRUE or FALSE"),
        ("train.csv", "12,2,2010-02-19", "12,2,2010-02-20", r"line 6, column Date: .* is a Sat"),
        ("train.csv", "1,10,", "1,x,", r"line 4, column Dept: 'x' is not a dept number"),
        ("features.csv", "42.3", "warm", r"line 2, column Temperature: 'warm' is not .*, or NA"),
        ("features.csv", "Temperature", "Warmth", r"features\.csv, line 1: wrong columns"),
        ("stores.csv", "12,B,112238", "13,B,112238", "has no row for store 12, which has sales"),
        ("stores.csv", "12,B,", "12,,", "line 3, column Type: the cell is empty"),
    ],
)
def test_what_is_wrong_in_a_folder_is_named_with_its_place(
    folder: Path, file: str, old: str, new: str, says: str
) -> None:
    contents = {"train.csv": TRAIN, "features.csv": FEATURES, "stores.csv": STORES}
    (folder / file).write_bytes(contents[file].replace(old, new, 1).encode())

    with pytest.raises(DataRefused, match=says):
        read_panel(folder, "departments")


def test_a_folder_must_hold_the_three_files(folder: Path, tmp_path: Path) -> None:
    (folder / "features.csv").unlink()
    with pytest.raises(DataRefused, match=r"has neither features\.csv nor features\.csv\.gz"):
        read_panel(folder, "departments")
    with pytest.raises(DataRefused, match="reads a folder with train, features and stores"):
        read_panel(tmp_path / "stores.csv", "departments")


def test_what_is_not_known_of_departments_is_not_known_of_their_stores(folder: Path) -> None:
    (folder / "features.csv").write_text(FEATURES.replace("211.2", "NA"))
    nan, stores = np.nan, read_sales(folder, "departments").to_panel()
    np.testing.assert_array_equal(
        stores.conditions["CPI"], [[211.1, nan, nan], [126.4, nan, 126.6]]
    )


def test_real_departments_add_up_to_the_real_stores(
    walmart_departments: Path, walmart_csv: Path
) -> None:
    stores = read_sales(walmart_csv).to_panel()
    assert stores == read_sales(walmart_departments, "departments").to_panel()


def test_pooled_departments_are_a_quarter_better_than_last_year(
    real_panel: Callable[[str], Panel],
) -> None:
    """On a third of them and the last of the windows that the README reports."""
    panel = real_panel("departments")
    assert {"A", "B", "C"} == set(panel.traits["type"])
    assert 3000 < panel.n_series
    assert (panel.y < 0).any()
    models, third = (SEASONAL_NAIVE, POOLED), panel.select(panel.series[::3])
    table = score_models(third, models, RollingOrigin(8, 1, 8), lambda _: None)
    errors = {of.name: wmae(table["y"], table[of.name], table["holiday"]) for of in models}
    assert errors["pooled"] < 0.71 * errors["seasonal_naive"]


# One's own file

OWN = """series = ["shop", "article"]
date = "week"
target = "revenue"
known_in_advance = ["promotion"]
conditions = ["rain"]
traits = ["region"]
pooled_by = "article"
holiday = "bank_holiday"
"""
SALES = """week,shop,article,region,revenue,promotion,rain,bank_holiday,comment
05-01-2024,north,007,x,10,0,1.5,0,first
12-01-2024,north,007,x,12,1,,1,
19-01-2024,north,007,x,NA,1,NA,0,yet to come
05-01-2024,east,7,y,20,0,0,0,
"""


@pytest.fixture
def own(tmp_path: Path) -> Callable[..., tuple[Path, str]]:
    def write(layout: str = OWN, sales: str = SALES) -> tuple[Path, str]:
        (tmp_path / "my.toml").write_text(layout)
        (tmp_path / "sales.csv").write_text(sales)
        return tmp_path / "sales.csv", str(tmp_path / "my.toml")

    return write


Own = Callable[..., tuple[Path, str]]


def test_columns_mean_what_the_description_says(own: Own) -> None:
    panel = read_panel(*own())

    assert ("east-7", "north-007") == panel.series
    assert ["2024-01-05", "2024-01-12"] == [str(week) for week in panel.periods]
    np.testing.assert_array_equal(panel.y, [[20.0, np.nan], [10.0, 12.0]])
    np.testing.assert_array_equal(panel.conditions["rain"], [[0.0, np.nan], [1.5, np.nan]])
    np.testing.assert_array_equal(panel.holidays, [[0.0, 0.0], [0.0, 1.0]])
    assert {"shop": ["east", "north"], "article": ["7", "007"], "region": ["y", "x"]} == {
        name: values.tolist() for name, values in panel.traits.items()
    }
    assert "article" == panel.pooled_by


def test_sizes_with_decimals_are_numbers_and_codes_stay_texts(own: Own) -> None:
    layout = 'series = ["s"]\ndate = "d"\ntarget = "y"\ntraits = ["size", "zip", "floor"]\n'
    rows = "s,d,y,size,zip,floor\n1,2024-01-05,9,12.5,01234,2\n2,2024-01-05,9,8,10115,1\n"
    traits = read_panel(*own(layout, rows)).traits
    assert {"size": [12.5, 8.0], "zip": ["01234", "10115"], "floor": [2, 1]} == {
        name: values.tolist() for name, values in traits.items()
    }


def test_what_is_planned_reaches_beyond_what_was_sold(own: Own) -> None:
    panel = read_panel(*own())
    expected = [[0.0, np.nan, np.nan], [0.0, 1.0, 1.0]]
    np.testing.assert_array_equal(panel.plan["promotion"], expected)


def test_what_is_shut_by_plan_has_no_sales_to_forecast(own: Own) -> None:
    layout = 'series = ["s"]\ndate = "d"\ntarget = "y"\nfrequency = "daily"\nopen = "o"\n'
    panel = read_panel(*own(layout, "s,d,y,o\n1,2024-01-05,9,1\n1,2024-01-06,0,0\n"))

    assert DAILY == panel.frequency
    np.testing.assert_array_equal(panel.y, [[9.0]])
    np.testing.assert_array_equal(panel.plan["o"], [[1.0, 0.0]])
    assert ("1",) == panel.series
    assert not panel.traits


# Missing rows that are zeros

ZEROS = 'series = ["s"]\ndate = "d"\ntarget = "y"\nmissing = "zero"\n'


def _known(file: Path, layout: str) -> Panel:
    """What `train.py backtest --csv` reads, which is what a training reads once it is stored."""
    asked_for = Namespace(csv=file, layout=layout, dates=None)
    panel = asked(asked_for, DEFAULTS)
    assert panel.spec
    with closing(Database(f"sqlite:///{file.parent}/{panel.spec.missing}.db")) as database:
        database.write(read_panel(file, layout), "sales.csv")
        stored = database.read_panel()
    assert stored.fingerprint == panel.fingerprint
    return panel


def test_a_missing_row_is_a_zero_from_the_first_number_on(own: Own) -> None:
    rows = "s,d,y\n1,2024-01-05,9\n1,2024-01-26,NA\n2,2024-01-05,\n2,2024-01-12,4\n"
    panel = _known(*own(ZEROS, f"{rows}2,2024-02-02,5\n2,2024-02-09,NA\n"))
    assert ["2024-01-05", "2024-02-02"] == [str(panel.periods[0]), str(panel.periods[-1])]
    np.testing.assert_array_equal(panel.y, [[9, 0, 0, 0, 0], [np.nan, 4, 0, 0, 5]])


def test_a_missing_day_is_a_zero_unless_it_is_shut_by_plan(own: Own) -> None:
    layout = f'{ZEROS}frequency = "daily"\nopen = "o"\n'
    rows = "s,d,y,o\n1,2024-01-05,9,1\n1,2024-01-06,0,0\n1,2024-01-08,,1\n1,2024-01-09,7,1\n"
    panel = _known(*own(layout, rows))
    np.testing.assert_array_equal(panel.y, [[9, np.nan, 0, 0, 7]])


def test_a_file_without_its_zeros_is_forecast_and_scored_as_with_them(own: Own) -> None:
    whole = slow(20)
    sold = np.where(np.maximum.accumulate(whole.y, axis=1) > 0, whole.y, np.nan)
    sold[0, -1] = 1.0

    def written(layout: str, y: Array) -> Panel:
        cells = zip(*np.nonzero(~np.isnan(y)), strict=True)
        rows = [f"{row + 1},{whole.periods[week]},{y[row, week]}\n" for row, week in cells]
        return _known(*own(layout, "".join(["s,d,y\n", *rows])))

    sparse = written(ZEROS, np.where(sold == 0, np.nan, sold))
    dense = written(ZEROS.replace("zero", "unknown"), sold)
    assert (sparse.y == 0).sum() > 1000
    np.testing.assert_array_equal(sparse.y, dense.y)
    np.testing.assert_array_equal(chance_of_sale(sparse, 8), chance_of_sale(dense, 8))
    windows = RollingOrigin(8, 3, 8)
    pd.testing.assert_frame_equal(
        backtest(sparse, [POOLED], windows), backtest(dense, [POOLED], windows)
    )


@pytest.mark.parametrize(
    ("layout", "sales", "says"),
    [
        (OWN.replace('"week"', '"shop"'), SALES, r"my\.toml: .*column 'shop' is named twice"),
        (OWN.replace('"article"\n', '"size"\n'), SALES, "pooled_by 'size' is neither in series"),
        (OWN.replace("date", "day"), SALES, r"my\.toml: describes no layout: date is required$"),
        (
            'frequency = "hourly"\n' + OWN, SALES,
            r"layout: frequency: it is weekly or daily, not hourly$",
        ),
        (OWN + 'open = "date"\n', SALES, "layout: open is for daily sales$"),
        (OWN + "colour = 1\n", SALES, r"colour is not known \(known: series, date,"),
        (OWN.replace('["region"]', '"x"'), SALES, "traits must be a list, not 'x'$"),
        (OWN.replace('"week"', "7"), SALES, "date must be a text, not 7$"),
        (OWN.replace('"week"', '""'), SALES, "date must not be empty$"),
        (OWN + 'dates = "begin"\n', SALES, "dates must be 'first' or 'last', not 'begin'$"),
        (OWN + 'open = "rain"\n', SALES, "column 'rain' is named twice"),
        (OWN + 'open = "comment"\n', SALES, "open is for daily sales"),
        ("series = [", SALES, r"my\.toml: is not TOML"),
        (OWN, SALES.replace("revenue", "income"), r"missing: revenue; others there: 'income', '"),
        (OWN, SALES.replace("12,1,,1", "12,1,wet,1"), "line 3, column rain: 'wet' is not"),
        (OWN, SALES.replace("12-01-2024,north,007,x", "12-01-2024,north,007,y"),
         "line 3, column region: series north-007 was x before and is y here"),
        (OWN, SALES.replace("12-01-2024", "05-01-2024"),
         "series north-007 already has the week .* on line 2; .* named by series in my.toml"),
        (OWN, SALES.replace("10,", "NA,").replace("12,1", ",1").replace("20,", ","),
         "column revenue: no row has sales; a plan of what is to come stands in one file with"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_ones_own_is_named(own: Own, layout: str, sales: str, says: str) -> None:
    with pytest.raises(DataRefused, match=says):
        read_panel(*own(layout, sales))


def own_weeks(own: Own, *days: str, says: str = "", dates: WeekDates | None = None) -> list[str]:
    """The last days of weeks that a file of one's own dates so."""
    layout = f'series = ["s"]\ndate = "d"\ntarget = "y"\n{says}'
    rows = "".join(f"a,{day},1\n" for day in days)
    return read_panel(*own(layout, f"s,d,y\n{rows}"), dates).periods.astype(str).tolist()


@pytest.mark.parametrize("day", ["2024-01-05", "2024-01-06"])
def test_fridays_and_saturdays_are_last_days_if_nobody_says_otherwise(own: Own, day: str) -> None:
    assert [day] == own_weeks(own, day)
    assert ["2024-01-12"] == own_weeks(own, "2024-01-06", says='dates = "first"\n')


@pytest.mark.parametrize(
    ("day", "called"),
    [("2024-01-01", "Mondays"), ("2024-01-03", "Wednesdays"), ("2024-01-07", "Sundays")],
)
def test_of_other_weekdays_a_layout_says_what_they_are(own: Own, day: str, called: str) -> None:
    with pytest.raises(DataRefused, match=f"line 2, column d: weeks are dated by {called}: say"):
        own_weeks(own, day)
    first, last = (f'dates = "{dates}"\n' for dates in ("first", "last"))
    assert [day] == own_weeks(own, day, says=last) == own_weeks(own, day, dates="last")
    shifted = [str(np.datetime64(day) + np.timedelta64(6, "D"))]
    assert shifted == own_weeks(own, day, says=first) == own_weeks(own, day, dates="first")
    assert shifted == own_weeks(own, day, says=last, dates="first")  # the command has the last word


@pytest.mark.parametrize(
    "months", [["2024-01-01", "2024-02-01", "2024-03-01"], ["2024-02-29", "2024-03-31"]]
)
def test_months_are_told_to_be_no_weeks(own: Own, months: list[str]) -> None:
    with pytest.raises(DataRefused, match="the dates are one a month; sales are read by weeks or"):
        own_weeks(own, *months)


def test_a_key_that_no_request_could_name_is_refused(own: Own) -> None:
    layout, longest = 'series = ["s"]\ndate = "d"\ntarget = "y"\n', "x" * 200
    assert (longest,) == read_panel(*own(layout, f"d,s,y\n2024-01-05,{longest},1\n")).series
    with pytest.raises(DataRefused, match="is not a name of up to 200 characters"):
        read_panel(*own(layout, f"d,s,y\n2024-01-05,{longest}x,1\n"))


def test_days_have_no_first_and_last_day(own: Own) -> None:
    with pytest.raises(DataRefused, match="describes no layout: dates is for weekly sales"):
        own_weeks(own, "2024-01-01", says='frequency = "daily"\ndates = "first"\n')


def test_departments_and_their_conditions_are_dated_alike(folder: Path) -> None:
    mondays = {"02-05": "02-01", "02-12": "02-08", "02-19": "02-15", "07-26": "07-22"}
    (folder / "train.csv.gz").unlink()
    for name, content in {"train": TRAIN, "features": FEATURES}.items():
        dated = re.sub("|".join(mondays), lambda found: mondays[found[0]], content)
        (folder / f"{name}.csv").write_text(dated)
    panel = read_panel(folder, "departments", "first")
    assert ["2010-02-07", "2010-02-14", "2010-02-21"] == panel.periods.astype(str).tolist()
    assert not np.isnan(panel.conditions["CPI"]).any()


def test_a_description_may_begin_with_a_byte_order_mark(own: Own) -> None:
    assert read_panel(*own("\ufeff" + OWN)) == read_panel(*own(OWN))


def test_decimal_commas_are_read_in_every_column_that_holds_numbers(own: Own) -> None:
    layout = 'series = ["s"]\ndate = "d"\ntarget = "y"\ntraits = ["size"]\nconditions = ["rain"]\n'
    points = "s,d,y,size,rain\na,2024-01-05,9.25,12.5,NA\nb,2024-01-05,9,8,0.5\n"
    expected = read_panel(*own(layout, points))

    assert expected == read_panel(*own(layout, points.replace(",", ";").replace(".", ",")))


def test_a_description_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match=r"no\.toml: cannot be read: No such file"):
        read_panel(tmp_path / "sales.csv", str(tmp_path / "no.toml"))


def test_sales_of_ones_own_are_not_added_up_to_stores(own: Own) -> None:
    with pytest.raises(DataRefused, match="are no weekly sales of stores"):
        read_sales(*own())


def test_the_example_in_the_documentation_is_read_as_it_stands(own: Own) -> None:
    description, sales = code_blocks("layouts.md", "toml")[0], code_blocks("layouts.md", "csv")[0]
    file, layout, *_ = own(description, sales)
    panel = read_panel(file, layout)

    assert () == sources_of(layout)  # none that asks for a trait which is not there
    assert ("berlin-88", "berlin-103", "bonn-103") == panel.series
    assert panel.plan["promotion"].shape[1] == panel.n_periods + 1

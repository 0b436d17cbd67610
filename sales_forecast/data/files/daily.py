"""A folder of two files: what stores sold on each day, and what the stores are.

`train` has a row per store and day, in any order; days that are yet to come have their plan and no
sales. A store that is closed sells nothing as planned: its day is known, and neither forecast nor
scored. How many customers came is known afterwards alone and not used. `store` has a row per store.
Each may be packed (`.csv.gz`).

An open day on which a store sold hardly anything is a till that failed or a shop that shut after an
hour: no plan foretells it, and two of a hundred thousand decide a mean of squared percentages. Such
days count as unknown, and `Panel.notes` names them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sales_forecast.data.files import cells
from sales_forecast.data.files.csv_table import Table, file_in, read_table
from sales_forecast.data.files.plans import with_plan
from sales_forecast.data.frequency import DAILY
from sales_forecast.data.panel import OPEN, Array, Days, Panel
from sales_forecast.data.spec import PUBLIC_HOLIDAY, Covariate, Key, PanelSpec, StaticFeature
from sales_forecast.errors import DataRefused

_FILES = ("train", "store")
_SALES = (
    "Store", "DayOfWeek", "Date", "Sales", "Customers", "Open", "Promo", "StateHoliday",
    "SchoolHoliday",
)  # fmt: skip
_STORES = ("Store", "StoreType", "Assortment", "CompetitionDistance")
_STATE_HOLIDAYS = ("0", "a", "b", "c")
_COUNTRY = "DE"
_NO_TRADE = 0.02
"""An open day below so much of the median of the store's open days before it is no day of trade."""
_FEWEST_BEFORE, _MOST_BEFORE = 28, 364
_MOST_NAMED = 10
_PLANNED = {
    "Open": OPEN,
    "Promo": "promo",
    "StateHoliday": "state_holiday",
    "SchoolHoliday": "school_holiday",
}
_SPEC = PanelSpec(
    layout="daily",
    keys=(Key(column="Store", kind="number", field="store_id"),),
    frequency=DAILY,
    date="Date",
    target="Sales",
    future=tuple(
        Covariate(name=name, column=column)
        for column, name in {**_PLANNED, PUBLIC_HOLIDAY: PUBLIC_HOLIDAY}.items()
    ),
    static=(
        StaticFeature(name="store", column="Store", kind="whole"),
        StaticFeature(name="type", column="StoreType", kind="label"),
        StaticFeature(name="assortment", column="Assortment", kind="label"),
        StaticFeature(name="competition_distance", column="CompetitionDistance", kind="number"),
    ),
    country=_COUNTRY,
    open=OPEN,
)


class StoreDays:
    """Files train and store of a folder; series are named by the number of their store."""

    def panel(self, folder: Path) -> Panel:
        """See `layouts.Layout.panel`. What is planned of a day is its `plan`."""
        sales = _sales(file_in(folder, "train", _FILES))
        without = no_trade(sales.y)
        traits = _stores(file_in(folder, "store", _FILES), np.array(sales.series, dtype=np.int64))
        whole = replace(sales, y=np.where(without, np.nan, sales.y), traits=traits)
        past = with_plan(whole, sales.conditions, _COUNTRY)
        return replace(past, notes=_notes(sales, without), spec=_SPEC.describing(traits))


def no_trade(y: Array) -> npt.NDArray[np.bool_]:
    """Return bool[n_series, n_days]: where an open store sold next to nothing.

    Each day is judged by the year before it alone, so that a backtest knows no more than one did.
    `y`: float64[n_series, n_days], NaN on closed days.
    """
    known = ~np.isnan(y)
    most = np.maximum.accumulate(np.nan_to_num(y), axis=1)
    found = known & (y < _NO_TRADE * most)  # no median is above the maximum: few are left to judge
    for row, day in np.argwhere(found):
        before = y[row, max(day - _MOST_BEFORE, 0) : day]
        before = before[~np.isnan(before)]
        enough = len(before) >= _FEWEST_BEFORE
        found[row, day] = enough and y[row, day] < _NO_TRADE * np.median(before)
    return found


def _notes(sales: Panel, without: npt.NDArray[np.bool_]) -> tuple[str, ...]:
    sold = [
        f"store {sales.series[row]} on {sales.periods[day]} ({sales.y[row, day]:,.0f})"
        for row, day in np.argwhere(without & (sales.y > 0))
    ]
    if not without.any():
        return ()
    nothing, more = int((without & (sales.y <= 0)).sum()), len(sold) - _MOST_NAMED
    kinds = [f"{nothing} of them nothing", *sold[:_MOST_NAMED]]
    if more > 0:
        kinds.append(f"{more} more")
    note = (
        f"Left out: {int(without.sum())} open days on which a store sold less than "
        f"{_NO_TRADE:.0%} of its median until then: {'; '.join(kinds)}."
    )
    return (note,)


def _sales(file: Path) -> Panel:
    table = read_table(file, _SALES)
    store = np.array(table.parse("Store", cells.store, cells.STORE_NUMBER), dtype=np.int64)
    days = cells.days(table)
    cells.refuse_duplicates(table, "Date", store.tolist(), days, what="store", unit="day")
    _refuse_other_weekdays(table, days)
    counted = ("Sales", "Customers")
    sales = cells.numbers(table, counted, missing=counted)["Sales"]
    opened = cells.flags(table, "Open")
    if np.isnan(sales[opened == 1]).all():
        raise DataRefused(file, "no open day has sales", column="Sales")
    if (odd := np.flatnonzero((opened == 0) & (np.nan_to_num(sales) != 0))).size:
        problem = f"sold {table.cells['Sales'][odd[0]]} on a day on which Open is 0"
        raise table.refusal(odd.tolist(), "Sales", problem)
    plan = {
        OPEN: opened,
        "promo": cells.flags(table, "Promo"),
        "state_holiday": np.array(table.parse("StateHoliday", _state_holiday, "0, a, b or c")),
        "school_holiday": cells.flags(table, "SchoolHoliday"),
    }
    sold = np.where(opened == 1, sales, np.nan)
    return Panel.from_rows({"Store": store}, days, sold, plan, DAILY)


def _state_holiday(text: str) -> float:
    """Return 1 for any kind of holiday, 0 for none. Raises ValueError."""
    return float(_STATE_HOLIDAYS.index(text) > 0)


def _refuse_other_weekdays(table: Table, days: Days) -> None:
    """Refuse a date of another weekday than is told: day and month may have changed places."""
    told = np.array(table.parse("DayOfWeek", cells.store, "1 (Monday) to 7"), dtype=np.int64)
    true = (days.astype(np.int64) + 3) % 7 + 1
    if (odd := np.flatnonzero(told != true)).size:
        row = odd[0]
        problem = f"{told[row]}, but {days[row]} is a {days[row].item():%A}, {true[row]}"
        raise table.refusal(odd.tolist(), "DayOfWeek", problem)


def _stores(file: Path, of_series: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.generic]]:
    """Return what the store of each series is."""
    table = read_table(file, _STORES, others=True)
    store = table.parse("Store", cells.store, cells.STORE_NUMBER)
    row = {number: position for position, number in enumerate(store)}
    if len(row) < len(store):
        twice = [position for position, number in enumerate(store) if row[number] != position]
        raise table.refusal(twice, "Store", f"store {store[twice[0]]} has another row below")
    if unknown := sorted(set(of_series.tolist()) - row.keys()):
        raise DataRefused(file, f"has no row for store {unknown[0]}, which has sales")
    rows = [row[number] for number in of_series.tolist()]
    kinds = {
        trait: np.array(table.parse(column, cells.text, "a kind such as a"))[rows]
        for trait, column in {"type": "StoreType", "assortment": "Assortment"}.items()
    }
    measured = "CompetitionDistance"
    distance = cells.numbers(table, [measured], missing=[measured])[measured]
    # No competitor is known: as if the next were as far away as that of any store.
    farthest = np.nanmax(distance) if not np.isnan(distance).all() else 0.0
    distance = np.where(np.isnan(distance), farthest, distance)
    return {"store": of_series, **kinds, "competition_distance": distance[rows]}

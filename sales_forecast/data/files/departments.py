"""A folder of three files: sales of departments, conditions of stores, and what the stores are.

`train` has a row per store, department and week; a missing row is an unknown week, not a zero.
`features` has a row per store and week, also of weeks to come, which are not read. `stores` has a
row per store. Each may be packed (`.csv.gz`); `NA` is a missing number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sales_forecast.data.files import cells
from sales_forecast.data.files.csv_table import Table, file_in, read_table
from sales_forecast.data.panel import CONDITIONS, Array, Panel
from sales_forecast.data.rows import SalesRows
from sales_forecast.data.spec import Covariate, Key, PanelSpec, StaticFeature, WeekDates, covariates
from sales_forecast.errors import DataRefused

_FILES = ("train", "features", "stores")
_SALES = ("Store", "Dept", "Date", "Weekly_Sales", "IsHoliday")
_OBSERVED = ("Temperature", "Fuel_Price", "CPI", "Unemployment")
_MARKDOWNS = tuple(f"MarkDown{number}" for number in range(1, 6))
_CONDITIONS = ("Store", "Date", *_OBSERVED, *_MARKDOWNS, "IsHoliday")
_STORES = ("Store", "Type", "Size")
_TRUTH = "TRUE or FALSE"
_SPEC = PanelSpec(
    layout="departments",
    keys=(
        Key(column="Store", kind="number", field="store_id"),
        Key(column="Dept", kind="number", field="dept_id"),
    ),
    date="Date",
    target="Weekly_Sales",
    past=(
        Covariate(name=CONDITIONS[0], column="IsHoliday"),
        *covariates((*_OBSERVED, *_MARKDOWNS)),
    ),
    static=(
        StaticFeature(name="store", column="Store", kind="whole"),
        StaticFeature(name="department", column="Dept", kind="label"),
        StaticFeature(name="type", column="Type", kind="label"),
        StaticFeature(name="size", column="Size", kind="number"),
    ),
    pool="department",
    holiday=CONDITIONS[0],
)


@dataclass(frozen=True, eq=False)
class _Sales:
    store: npt.NDArray[np.int64]
    department: npt.NDArray[np.int64]
    panel: Panel


@dataclass(frozen=True)
class DepartmentWeeks:
    """Files train, features and stores of a folder; series are named `store-department`."""

    dates: WeekDates | None = None

    def panel(self, folder: Path) -> Panel:
        """See `layouts.Layout.panel`. Markdowns are conditions; departments are the pools."""
        sales = _sales(file_in(folder, "train", _FILES), self.dates)
        stores = _stores(file_in(folder, "stores", _FILES), sales.store)
        traits = {"store": sales.store, "department": sales.department.astype(str), **stores}
        return replace(
            sales.panel,
            conditions=_conditions(file_in(folder, "features", _FILES), sales, self.dates),
            traits=traits,
            pooled_by=_SPEC.pool,
            spec=_SPEC.describing(traits).dated(self.dates),
        )

    def rows(self, folder: Path) -> SalesRows:
        """Return what the stores sold, all departments together, with conditions of their weeks.

        Raises DataRefused.
        """
        sales = _sales(file_in(folder, "train", _FILES), self.dates)
        conditions = _conditions(file_in(folder, "features", _FILES), sales, self.dates)
        known = ~np.isnan(sales.panel.y)
        series, week = np.nonzero(known)
        stores, of_store = np.unique(sales.store, return_inverse=True)
        cell = of_store[series] * sales.panel.n_periods + week
        cells_with_sales, first, back = np.unique(cell, return_index=True, return_inverse=True)
        return SalesRows(
            store=stores[cells_with_sales // sales.panel.n_periods],
            week=sales.panel.periods[cells_with_sales % sales.panel.n_periods],
            sales=np.asarray(np.bincount(back, sales.panel.y[known]).round(2), dtype=np.float64),
            conditions={name: conditions[name][known][first] for name in CONDITIONS},
            dates=self.dates,
        )


def _sales(file: Path, dates: WeekDates | None) -> _Sales:
    table = read_table(file, _SALES)
    weeks = cells.weeks(table, dates)
    store = _integers(table, "Store")
    department = _integers(table, "Dept")
    names = list(zip(store.tolist(), department.tolist(), strict=True))
    cells.refuse_duplicates(table, "Date", names, weeks, what="department", unit="week")
    table.parse("IsHoliday", cells.boolean, _TRUTH)
    keys = {"Store": store, "Dept": department}
    panel = Panel.from_rows(keys, weeks, cells.numbers(table, ["Weekly_Sales"])["Weekly_Sales"], {})
    stores, departments = (panel.keys[column].astype(np.int64) for column in keys)
    return _Sales(stores, departments, panel)


def _conditions(file: Path, sales: _Sales, dates: WeekDates | None) -> dict[str, Array]:
    """Return the conditions of the store of each series, float64[n_series, n_periods]."""
    table = read_table(file, _CONDITIONS)
    store, weeks = _integers(table, "Store"), cells.weeks(table, dates)
    cells.refuse_duplicates(table, "Date", store.tolist(), weeks, what="store", unit="week")
    stores = np.unique(sales.store)
    periods = sales.panel.periods
    row, column = np.searchsorted(stores, store), np.searchsorted(periods, weeks)
    wanted = np.isin(store, stores) & np.isin(weeks, periods)
    place = row[wanted], column[wanted]
    of_series = np.searchsorted(stores, sales.store)

    def dense(values: Array) -> Array:
        grid = np.full((len(stores), len(periods)), np.nan)
        grid[place] = values[wanted]
        return grid[of_series]

    flags = np.array(table.parse("IsHoliday", cells.boolean, _TRUTH))
    observed = (*_OBSERVED, *_MARKDOWNS)
    numbers = cells.numbers(table, observed, missing=observed)
    return {name: dense(values) for name, values in {CONDITIONS[0]: flags, **numbers}.items()}


def _stores(file: Path, of_series: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.generic]]:
    """Return the type and the size of the store of each series."""
    table = read_table(file, _STORES)
    store = _integers(table, "Store")
    row = {number: position for position, number in enumerate(store.tolist())}
    if unknown := sorted(set(of_series.tolist()) - row.keys()):
        raise DataRefused(file, f"has no row for store {unknown[0]}, which has sales")
    rows = [row[number] for number in of_series.tolist()]
    types = np.array(table.parse("Type", cells.text, "a type such as A"))
    return {"type": types[rows], "size": cells.numbers(table, ["Size"])["Size"][rows]}


def _integers(table: Table, column: str) -> npt.NDArray[np.int64]:
    expected = cells.STORE_NUMBER.replace("store", column.lower())
    return np.array(table.parse(column, cells.store, expected), dtype=np.int64)

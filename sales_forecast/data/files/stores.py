"""One file, one row per store and week, with the conditions of that week."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sales_forecast.data.files import cells
from sales_forecast.data.files.csv_table import read_table
from sales_forecast.data.panel import CONDITIONS, Panel
from sales_forecast.data.rows import SalesRows
from sales_forecast.data.spec import WeekDates

_COLUMNS = ("Store", "Date", "Weekly_Sales", *CONDITIONS)
_OTHERWISE = (
    "stores of any name, with or without conditions, are read by a layout of your own: --layout"
    ' my.toml with series = ["Store"], date = "Date", target = "Weekly_Sales" (docs/layouts.md)'
)


@dataclass(frozen=True)
class StoreWeeks:
    """Columns Store, Date, Weekly_Sales and the conditions of a store's week."""

    dates: WeekDates | None = None

    def rows(self, file: Path) -> SalesRows:
        """Validate all columns; negative sales are returns, and stay. Raises DataRefused."""
        table = read_table(file, _COLUMNS, otherwise=_OTHERWISE)
        stores = table.parse("Store", cells.store, f"{cells.STORE_NUMBER}; {_OTHERWISE}")
        weeks = cells.weeks(table, self.dates)
        cells.refuse_duplicates(table, "Date", stores, weeks, what="store", unit="week")
        holiday, *measured = CONDITIONS
        flags = cells.flags(table, holiday, missing=True)
        numbers = cells.numbers(table, ("Weekly_Sales", *measured), missing=measured)
        return SalesRows(
            store=np.array(stores, dtype=np.int64),
            week=weeks,
            sales=numbers["Weekly_Sales"],
            conditions={holiday: flags, **{name: numbers[name] for name in measured}},
            dates=self.dates,
        )

    def panel(self, file: Path) -> Panel:
        """See `layouts.Layout.panel`."""
        return self.rows(file).to_panel()

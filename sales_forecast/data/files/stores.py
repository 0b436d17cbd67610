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


@dataclass(frozen=True)
class StoreWeeks:
    """Columns Store, Date, Weekly_Sales and the conditions of a store's week."""

    dates: WeekDates | None = None

    def rows(self, file: Path) -> SalesRows:
        """Validate all columns; negative sales are returns, and stay. Raises DataRefused."""
        table = read_table(file, _COLUMNS)
        stores = table.parse("Store", cells.store, cells.STORE_NUMBER)
        weeks = cells.weeks(table, self.dates)
        cells.refuse_duplicates(table, "Date", stores, weeks, what="store", unit="week")
        flags = np.array(table.parse("Holiday_Flag", cells.flag, "0 or 1"))
        numbers = cells.numbers(table, ("Weekly_Sales", *CONDITIONS[1:]))
        conditions = {"Holiday_Flag": flags, **numbers}
        return SalesRows(
            store=np.array(stores, dtype=np.int64),
            week=weeks,
            sales=numbers["Weekly_Sales"],
            conditions={name: conditions[name] for name in CONDITIONS},
            dates=self.dates,
        )

    def panel(self, file: Path) -> Panel:
        """See `layouts.Layout.panel`."""
        return self.rows(file).to_panel()

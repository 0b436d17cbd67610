"""Validated sales rows: what files and the sample give, and what the database keeps.

Takes columns of equal length, gives a table that is ordered and can become a `Panel`. Must
not validate: whoever builds rows has validated them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sales_forecast.data.panel import CONDITIONS, Array, Days, Panel
from sales_forecast.data.spec import Key, PanelSpec, WeekDates, covariates

STORES = PanelSpec(
    layout="stores",
    keys=(Key(column="Store", kind="number", field="store_id"),),
    date="Date",
    target="Weekly_Sales",
    past=covariates(CONDITIONS),
    holiday=CONDITIONS[0],
    required=CONDITIONS,
)
"""Weekly stores: all that they are known by must be told of the week that is asked for."""


@dataclass(frozen=True, eq=False)
class SalesRows:
    """Long rows, one per store and week, at most one of each.

    Attributes:
        store: int64[n], store numbers.
        week: datetime64[D][n], the day that ends the week.
        sales: float64[n], sales of the whole week.
        conditions: float64[n] for each name of `panel.CONDITIONS`, NaN where unknown.
        dates: which day of a week its date was, where that was said.
    """

    store: npt.NDArray[np.int64]
    week: Days
    sales: Array
    conditions: Mapping[str, Array]
    dates: WeekDates | None = None

    def __len__(self) -> int:
        return len(self.sales)

    def to_panel(self) -> Panel:
        """Return the dense form. Raises ValueError as `Panel.from_rows` does."""
        keys = {STORES.keys[0].column: self.store}
        panel = Panel.from_rows(keys, self.week, self.sales, self.conditions)
        return replace(panel, spec=STORES.dated(self.dates))

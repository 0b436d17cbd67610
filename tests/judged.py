"""Two stores, three weeks and what was said of them: forecasts scored by hand."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime

import numpy as np

from sales_forecast.data.database import Database
from sales_forecast.data.forecast_tables import QUANTILES
from sales_forecast.data.forecasts.issuing import ForecastTable, Issue, Role
from sales_forecast.data.panel import Array, Panel
from sales_forecast.data.spec import Covariate, Key, PanelSpec
from tests.builders import weeks

NAN = float("nan")
NOW = datetime(2026, 3, 2, 5, tzinfo=UTC)
SPEC = PanelSpec(
    layout="two.toml",
    keys=(Key(column="Store", kind="number", field="store_id"),),
    date="Date",
    target="Sales",
    past=(Covariate(name="Holiday", column="Holiday"),),
    holiday="Holiday",
    holiday_weight=3.0,
)
Y = np.array([[100.0, 110.0, 120.0], [200.0, 190.0, 0.0]])


def two_stores(y: Array = Y, holidays: Sequence[float] = (0, 0, 1)) -> Panel:
    """Three weeks, the last of them a holiday."""
    return Panel(
        y=y,
        periods=weeks("2010-02-05", y.shape[1]),
        series=("1", "2"),
        conditions={"Holiday": np.tile(np.array(holidays, dtype=np.float64), (2, 1))},
        keys={"Store": np.array([1, 2])},
        spec=SPEC,
    )


def said(
    mean: Sequence[Sequence[float]] | Array,
    median: Sequence[Sequence[float]] | Array | None = None,
    *,
    role: Role = "best",
    version: str = "v1",
    by: float | None = 10.0,
    sums: str = "{}",
) -> Issue:
    """80% of sales between 10 less than the median and 10 more, 95% between twice that."""
    expected = np.array(mean)
    middle = expected if median is None else np.array(median)
    apart = NAN if by is None else by
    ends = {"lower_95": -2 * apart, "lower_80": -apart, "upper_80": apart, "upper_95": 2 * apart}
    around = {name: middle + ends.get(name, 0.0 if by is not None else NAN) for name in QUANTILES}
    return Issue(role, "pooled", version, expected, {**around, "q50": middle}, sums)


def baseline_of(expected: Array) -> Issue:
    return said(expected, role="baseline")


BEST = said([[102.0, 110.0], [210.0, 8.0]], [[100.0, 115.0], [200.0, 4.0]])
BASELINE = said([[130.0, 100.0], [150.0, 5.0]], role="baseline", by=None)


def load(url: str, sales: Panel) -> Panel:
    """Store sales and return all that is stored."""
    with closing(Database(url)) as database:
        database.write(sales, "panel")
        return database.read_panel()


def issued(url: str, sales: Panel, *issues: Issue) -> None:
    with closing(ForecastTable(url)) as table:
        table.write(sales, issues, NOW)


def begin(url: str, *issues: Issue, sales: Panel | None = None, known: int = 1) -> None:
    """Load some periods and forecast those that follow."""
    whole = two_stores() if sales is None else sales
    past = whole.until(whole.periods[known - 1])
    load(url, past)
    issued(url, past, *issues)

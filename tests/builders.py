"""What tests of the core are built from: small panels, and backtest tables of a few rows."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import joblib
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from sales_forecast.data.files.layouts import read_panel
from sales_forecast.data.frequency import DAILY
from sales_forecast.data.panel import CONDITIONS, Array, Panel
from sales_forecast.data.sample import sample_rows
from sales_forecast.features.calendar_effects import CalendarProfile, PooledProcess
from sales_forecast.features.gaussian import Hyperparameters
from sales_forecast.models.boosting import BOOSTED
from sales_forecast.models.spread import Spread

BOOSTED_IF_INSTALLED = [
    pytest.param(
        forecaster,
        id=forecaster.name,
        marks=pytest.mark.skipif(
            find_spec(forecaster.name) is None,
            reason=f"{forecaster.name} is not installed: it is in the extra `boosting`",
        ),
    )
    for forecaster in BOOSTED
]
"""LightGBM and CatBoost as parameters of a test, skipped where their library is missing."""
FIRST_WEEK = "2010-02-05"  # of the sample, a Friday


def weeks(first: str, n: int) -> npt.NDArray[np.datetime64]:
    """The ends of `n` weeks from `first` on."""
    return np.datetime64(first, "D") + 7 * np.arange(n)


def panel_of(y: npt.ArrayLike, first: str = FIRST_WEEK, *, conditions: float = 0.0) -> Panel:
    """A panel of stores "1", "2", ...; every condition has one value in all weeks."""
    sales = np.atleast_2d(np.asarray(y, dtype=np.float64))
    return Panel(
        y=sales,
        periods=weeks(first, sales.shape[1]),
        series=tuple(str(row + 1) for row in range(len(sales))),
        conditions={name: np.full(sales.shape, conditions) for name in CONDITIONS},
    )


@cache
def _whole_sample() -> Panel:
    return sample_rows().to_panel()


def sample_panel(n_series: int = 3, n_weeks: int = 143) -> Panel:
    """The first stores and weeks of the generated sample, a copy of one's own."""
    whole = _whole_sample()
    some = whole.select(whole.series[:n_series])
    past = some.until(some.periods[n_weeks - 1])
    copies = {name: values.copy() for name, values in past.conditions.items()}
    return replace(past, y=past.y.copy(), conditions=copies)


def without_calendar() -> CalendarProfile:
    """A profile by which dates make no difference."""
    process = PooledProcess(*(Hyperparameters(*np.ones(11)),) * 2, weeks(FIRST_WEEK, 1)[0])
    return CalendarProfile(process, weeks(FIRST_WEEK, 1), np.zeros(1), {})


def with_sales(panel: Panel, series: int, first: int, stop: int | None, sales: float) -> Panel:
    """The panel with other sales in the weeks first..stop-1 of one series (None: to the end)."""
    y = panel.y.copy()
    y[series, first:stop] = sales
    return replace(panel, y=y)


def sales_file(folder: Path, panel: Panel) -> Path:
    """The sales of a panel as a file of the layout of stores."""
    file = folder / "sales.csv"
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["Store", "Date", "Weekly_Sales", *panel.conditions])
        for row, store in enumerate(panel.series):
            for week, day in enumerate(panel.periods):
                flag, *others = (values[row, week] for values in panel.conditions.values())
                writer.writerow([store, day, panel.y[row, week], int(flag), *others])
    return file


def table_of(
    y: Sequence[float],
    models: Mapping[str, Sequence[float]],
    *,
    holiday: Sequence[float] | None = None,
    step: int = 1,
    first: str = "2012-01-06",
    store: str = "1",
) -> pd.DataFrame:
    """A backtest table of one store: one row a week, each predicted `step` weeks before."""
    ds = weeks(first, len(y))
    return pd.DataFrame(
        {
            "unique_id": store,
            "cutoff": ds - np.timedelta64(7 * step, "D"),
            "ds": ds,
            "step": step,
            "y": np.array(y, dtype=np.float64),
            "holiday": np.zeros(len(y)) if holiday is None else np.array(holiday, np.float64),
            **{name: np.array(values, dtype=np.float64) for name, values in models.items()},
        }
    )


def spread_of(lower: float, upper: float, *, by_step: float = 0.0, **widths: float) -> Spread:
    """80% between two factors and 95% between their squares, 1.2 times the logs beyond 98%.

    `by_step`: how much wider for each unit of log(1 + step) beyond the first step.
    """
    ends = np.log([lower, 1.0, upper]) * [1.0, 0.0, 1.0]
    shape = np.interp(
        np.arange(1, 100) / 100,
        [0.01, 0.1, 0.5, 0.9, 0.99],
        [2.2 * ends[0], *ends, 2.2 * ends[2]],
    )
    return Spread(shape, 100, steps=52, widths=widths, by_step=by_step, middle=float(np.log(2)))


@contextmanager
def one_thread() -> Iterator[None]:
    """Run trees on one thread: threads add a forest up in any order, so its last bit differs."""
    with threadpool_limits(limits=1), joblib.parallel_config("sequential"):
        yield


def log_growth(n_series: int, n_weeks: int, seed: int = 0) -> Array:
    """Yearly growth as it comes: a slow walk with noise around it."""
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.normal(0.0, 0.01, (n_series, n_weeks)), axis=1)
    return walk + rng.normal(0.0, 0.03, (n_series, n_weeks))


def days(first: str, n: int) -> npt.NDArray[np.datetime64]:
    """`n` days from `first` on."""
    return np.datetime64(first, "D") + np.arange(n)


@dataclass(frozen=True)
class Planted:
    """What was planted into daily sales, on a log scale; `noise` is the deviation of a day."""

    promotion: float = 0.3
    saturday: float = -0.2
    day_before_closed: float = 0.15
    noise: float = 0.05


PLANTED = Planted()


def daily_panel(
    n_series: int = 8, n_days: int = 460, ahead: int = 0, planted: Planted = PLANTED, seed: int = 0
) -> Panel:
    """Generated sales of stores that close on Sundays and on some planned Wednesdays.

    Promotions are planned by weeks. Every store has a level and effects a tenth off the planted.
    The plan reaches `ahead` days further than the sales.
    """
    rng = np.random.default_rng(seed)
    all_days = days("2013-01-01", n_days + ahead)
    weekday = (all_days.astype(np.int64) + 3) % 7
    closed = (weekday == 6) | ((weekday == 2) & (np.arange(len(all_days)) % 35 > 27))
    promotion = (rng.random(len(all_days) // 7 + 2) < 0.5)[np.arange(len(all_days)) // 7]
    tomorrow = np.append(closed[1:], False) & (weekday != 5)
    effects = np.array([planted.promotion, planted.saturday, planted.day_before_closed])
    own = effects * (1 + 0.1 * rng.standard_normal((n_series, 3)))
    logs = 8 + 0.5 * rng.standard_normal((n_series, 1))
    logs = logs + own @ np.stack([promotion, weekday == 5, tomorrow]).astype(float)
    logs = logs + planted.noise * rng.standard_normal(logs.shape)
    plan = {"open": ~closed, "promo": promotion}
    return Panel(
        y=np.where(closed, np.nan, np.exp(logs))[:, :n_days],
        periods=all_days[:n_days],
        series=tuple(str(row + 1) for row in range(n_series)),
        plan={name: np.tile(values.astype(float), (n_series, 1)) for name, values in plan.items()},
        frequency=DAILY,
    )


def daily_folder(folder: Path, panel: Panel) -> Path:
    """The sales of a panel of days as a folder of the layout of daily stores, newest day first.

    Days that are planned and yet to come have no sales.
    """
    with (folder / "train.csv").open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(
            ["Store", "DayOfWeek", "Date", "Sales", "Customers", "Open", "Promo", "StateHoliday",
             "SchoolHoliday"]
        )  # fmt: skip
        for day in reversed(range(panel.plan["open"].shape[1])):
            date = (panel.periods[0] + np.timedelta64(day, "D")).item()
            for row, store in enumerate(panel.series):
                opened, promo = (int(panel.plan[name][row, day]) for name in ("open", "promo"))
                known = [int(np.nan_to_num(sales)) for sales in panel.y[row, day : day + 1]]
                sales, customers = (known[0], known[0] // 10) if known else ("", "")
                writer.writerow(
                    [store, date.isoweekday(), date, sales, customers, opened, promo, "0", 0]
                )
    with (folder / "store.csv").open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["Store", "StoreType", "Assortment", "CompetitionDistance", "Promo2"])
        writer.writerows([store, "c", "a", 1270, 0] for store in panel.series)
    return folder


LAYOUT_NAMES = ("stores", "departments", "daily", "articles")
"""The layouts of `panel_of_layout`; `articles` is one of one's own."""
_MARKDOWNS = "MarkDown1,MarkDown2,MarkDown3,MarkDown4,MarkDown5"
_DEPARTMENTS = {
    "train.csv": """Store,Dept,Date,Weekly_Sales,IsHoliday
1,2,2010-02-05,100.5,FALSE
1,2,2010-02-12,-4.25,TRUE
1,10,2010-02-05,50,FALSE
12,2,2010-02-05,300,FALSE
12,2,2010-02-19,310,FALSE
""",
    "features.csv": f"""Store,Date,Temperature,Fuel_Price,{_MARKDOWNS},CPI,Unemployment,IsHoliday
1,2010-02-05,42.3,2.5,NA,NA,NA,NA,NA,211.1,8.1,FALSE
1,2010-02-12,38.5,2.6,10,-2.5,NA,NA,NA,211.2,8.1,TRUE
1,2010-02-19,39.9,2.6,NA,NA,NA,NA,NA,211.3,8.1,FALSE
12,2010-02-05,70.1,2.9,NA,NA,NA,NA,NA,126.4,13.9,FALSE
12,2010-02-12,70.2,2.9,NA,NA,NA,NA,NA,126.5,13.9,TRUE
12,2010-02-19,70.3,2.9,NA,NA,NA,NA,NA,126.6,13.9,FALSE
""",
    "stores.csv": "Store,Type,Size\n1,A,151315\n12,B,112238.5\n",
}
_ARTICLES = {
    "articles.toml": """series = ["shop", "article"]
date = "week"
target = "revenue"
known_in_advance = ["promotion", "Promotion"]
conditions = ["rain"]
traits = ["region", "floor", "area"]
pooled_by = "article"
holiday = "order"
country = "DE"
""",
    "sales.csv": """week,shop,article,region,floor,area,revenue,promotion,Promotion,rain,order
05-01-2024,north,007,x,1,70.5,10,0,0.5,1.5,0
12-01-2024,north,007,x,1,70.5,12,1,,,1
19-01-2024,north,007,x,1,70.5,NA,1,0.5,NA,0
26-01-2024,north,007,x,1,70.5,NA,,,NA,0
05-01-2024,east,7,y,2,80,20,0,0,0,0
05-01-2024,"öst, 2",7,y,2,80,,0,0,0,0
""",
}


def panel_of_layout(layout: str, folder: Path) -> Panel:
    """A small panel as files of a layout give it: gaps, unknown values, days that are planned."""
    if layout == "stores":
        return read_panel(sales_file(folder, sample_panel(3, 12)))
    if layout == "daily":
        return read_panel(daily_folder(folder, daily_panel(3, 60, ahead=9)), layout)
    for name, content in {**_DEPARTMENTS, **_ARTICLES}.items():
        (folder / name).write_text(content)
    if layout == "departments":
        return read_panel(folder, layout)
    return read_panel(folder / "sales.csv", str(folder / "articles.toml"))

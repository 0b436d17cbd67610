"""What was forecast of each week before it began, by the newest forecasts that were issued then.

Takes a panel, gives tables of its form. Must not know what becomes of them.
"""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from sales_forecast.data import dimensions
from sales_forecast.data.database_server import Server, read_at_one_moment
from sales_forecast.data.forecast_tables import FORECAST_ISSUES, FORECASTS
from sales_forecast.data.frequency import DAYS_PER_PERIOD
from sales_forecast.data.panel import Array, Days, Panel
from sales_forecast.data.series_names import joined


class WeekAhead(NamedTuple):
    """What was said of each period of a panel in the week before its own.

    float64[n_series, n_periods] each, NaN where nothing was: the median, both ends of the interval
    of 80%, and the mean, which alone may be added up.
    """

    middle: Array
    low: Array
    high: Array
    mean: Array


def read_week_ahead(url: str, panel: Panel, ends: Days) -> WeekAhead:
    """Return what the best model said of the periods of a panel with a spec.

    `ends`: datetime64[D][n_periods], the day that ends the week of each. Raises DatabaseError.
    """
    with closing(Server(url)) as server, server.connection() as connection:
        read_at_one_moment(connection)
        return _read(connection, panel, ends)


def _read(connection: sa.Connection, panel: Panel, ends: Days) -> WeekAhead:
    found = WeekAhead(*(np.full(panel.y.shape, np.nan) for _ in WeekAhead._fields))
    rows = _rows(connection, panel)
    of, row = FORECAST_ISSUES.c, FORECASTS.c
    said = row.q50, row.lower_80, row.upper_80, row.sales
    issues = sa.select(of.id, of.origin).where(of.role == "best").order_by(of.origin, of.id)
    newest = {np.datetime64(origin): number for number, origin in connection.execute(issues)}
    origins = np.array([*newest], dtype="datetime64[D]")
    week = np.timedelta64(DAYS_PER_PERIOD, "D")
    for end in np.unique(ends):
        # Issued in the week before: with the forecasts of an earlier one errors are larger.
        fit = origins[(origins <= end - week) & (origins > end - 2 * week)]
        if not len(fit):
            continue
        first, last = (end - week).item() + timedelta(days=1), end.item()
        asked = sa.select(row.series_id, row.target, *said).where(
            row.issue_id == newest[fit[-1]], row.target.between(first, last)
        )
        for series, target, *values in connection.execute(asked):
            column = int((np.datetime64(target) - panel.periods[0]).astype(int))
            place = rows[series], column // panel.frequency.days
            if place[0] < 0 or place[1] >= panel.n_periods:
                continue
            for table, value in zip(found, values, strict=True):
                table[place] = np.nan if value is None else value
    return found


def _rows(connection: sa.Connection, panel: Panel) -> npt.NDArray[np.intp]:
    """Return intp[highest id + 1]: the row of each series of `dim_series`, -1 of a strange one."""
    if panel.spec is None:
        raise ValueError("only forecasts of a panel with a spec are stored")
    series = dimensions.read_series(connection, panel.spec)
    rows = np.full(int(series.ids.max()) + 1, -1, dtype=np.intp)
    rows[series.ids] = [panel.positions.get(of, -1) for of in joined([*series.keys.values()])]
    return rows

"""What was forecast before, read back for whoever compares: by origin, of a sum or of every series.

Takes origins, periods and keys, gives numbers. Must not know models, nor what was sold.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import NamedTuple

import numpy as np
import sqlalchemy as sa

from sales_forecast.data import dimensions
from sales_forecast.data.forecast_tables import FORECASTS, cents_of, newest_of_origins
from sales_forecast.data.forecasts.issuing import Role
from sales_forecast.data.forecasts.stored_forecasts import ids_with
from sales_forecast.data.panel import Array, Panel
from sales_forecast.data.spec import PanelSpec
from sales_forecast.data.tables import Tables
from sales_forecast.errors import NotReady

CELLS = ("sales", "lower_80", "upper_80", "lower_95", "upper_95")
"""What is read of many series at once."""


class FormerForecast(NamedTuple):
    """What was said of one period: the mean and, of a single series, median and interval of 80%."""

    sales: float
    median: float | None
    lower_80: float | None
    upper_80: float | None


class FormerForecasts(Tables):
    """Reads the forecasts of a database. Every method raises NotReady, too."""

    def origins(self, most: int, role: Role = "best") -> Mapping[date, int]:
        """Return the newest origins, newest first -> the `id` of what was issued last of each."""
        with self._reading() as connection:
            found = connection.execute(newest_of_origins(role, most)) if connection else ()
            return {origin: number for origin, number in found}  # noqa: C416 - rows are no pairs

    def former(
        self,
        spec: PanelSpec,
        keys: Mapping[str, str],
        issues: Collection[int],
        steps: Collection[int],
    ) -> Mapping[tuple[int, date], FormerForecast]:
        """Return (step, target) -> what some issues said of the sum of all series with some keys.

        `keys` as `StoredForecasts.find` takes them.
        """
        row = FORECASTS.c
        one = len(keys) == len(spec.keys)
        beside = (row.q50, row.lower_80, row.upper_80) if one else (sa.null(),) * 3
        with self._server.connection() as connection:
            query = (
                sa.select(row.step, row.target, cents_of(row.sales), *map(sa.func.min, beside))
                .where(
                    row.issue_id.in_(issues),
                    row.series_id.in_(ids_with(connection, spec, keys)),
                    row.step.in_(steps),
                )
                .group_by(row.step, row.target)
            )
            return {
                (step, target): FormerForecast(round(total) / 100, *of_one)
                for step, target, total, *of_one in connection.execute(query)
            }

    def cells(
        self, panel: Panel, issues: Collection[int], targets: Collection[date]
    ) -> Mapping[tuple[int, date], Mapping[str, Array]]:
        """Return (issue, target) -> what was said of each series of a panel, float64[n_series].

        By the columns of `forecasts`: `sales` and the ends of both intervals; NaN for nothing.
        Raises NotReady where the stored series are not those of the panel, too.
        """
        row, series = FORECASTS.c, sa.table("dim_series", sa.column("id"))
        with self._server.connection() as connection:
            ids = dimensions.ids_of(connection, panel)
            if ids is None:
                raise NotReady("The stored series changed meanwhile. Try again in a few seconds.")
            query = sa.select(
                row.issue_id, row.target, row.series_id, *(row[name] for name in CELLS)
            ).where(
                # By the series: whole issues are many times what is asked for.
                row.series_id == series.c.id,
                row.issue_id.in_(issues),
                row.target.in_(targets),
            )
            found = connection.execute(query).all()
        row_of = {number: place for place, number in enumerate(ids.tolist())}
        made: dict[tuple[int, date], dict[str, Array]] = {}
        for issue, target, number, *values in found:
            if (place := row_of.get(number)) is None:
                continue
            at = made.setdefault(
                (issue, target), {name: np.full(panel.n_series, np.nan) for name in CELLS}
            )
            for name, value in zip(CELLS, values, strict=True):
                at[name][place] = np.nan if value is None else value
        return made

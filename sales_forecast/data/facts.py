"""Panels as rows of `fact_sales`, and rows as panels.

Takes a panel, gives blocks of rows as arrays; takes all rows of a database, gives the panel back:
equal to the one that was written. Must not know a database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sales_forecast.data import star
from sales_forecast.data.panel import Array, Days, Labels, Panel
from sales_forecast.data.series_names import joined
from sales_forecast.data.spec import PUBLIC_HOLIDAY, PanelSpec

_BLOCK = 200_000
"""Rows that are written at once: few enough for a server to answer within seconds."""


@dataclass(frozen=True, eq=False)
class Facts:
    """Rows of `fact_sales`, in any order.

    Attributes:
        series: int64[n], the `id` of `dim_series`.
        days: datetime64[D][n], the day that ends the period.
        values: float64[n] for the target and each covariate; NaN is what is not known.
    """

    series: npt.NDArray[np.int64]
    days: Days
    values: Sequence[Array]

    def __len__(self) -> int:
        return len(self.series)


@dataclass(frozen=True, eq=False)
class Series:
    """The rows of `dim_series`: ids, keys by column of files, static features by name."""

    ids: npt.NDArray[np.int64]
    keys: Mapping[str, Labels]
    static: Mapping[str, Labels]


def blocks(panel: Panel, spec: PanelSpec, ids: npt.NDArray[np.int64]) -> Iterator[Facts]:
    """Yield the rows of a panel in which anything is known.

    `spec`: that of the panel; `ids`: int64[n_series].
    """
    names = star.covariates(spec).values()
    ahead = {name: panel.plan[name] for name in names if name in panel.plan}
    lengths = {values.shape[1] for values in ahead.values()}
    if len(lengths) > 1:
        raise ValueError(f"plans reach to different periods: {sorted(lengths)}")
    n_periods = max([panel.n_periods, *lengths])
    tables = [panel.y, *(ahead[of] if of in ahead else panel.conditions[of] for of in names)]
    steps = np.arange(n_periods) * np.timedelta64(panel.frequency.days, "D")
    days = panel.periods[0] + steps
    ends = [
        column
        for column in (0, n_periods - 1)
        if not any((~np.isnan(of[:, column])).any() for of in tables if column < of.shape[1])
    ]
    size = max(_BLOCK // n_periods, 1)
    for start in range(0, panel.n_series, size):
        part = [_wide(table[start : start + size], n_periods) for table in tables]
        known = np.logical_or.reduce([~np.isnan(table) for table in part])
        if start == 0:
            known[0, ends] = True  # the first and last period of a panel are kept, even if unknown
        row, column = np.nonzero(known)
        yield Facts(
            ids[start : start + size][row], days[column], [table[row, column] for table in part]
        )


def _wide(table: Array, n_periods: int) -> Array:
    missing = n_periods - table.shape[1]
    return table if not missing else np.pad(table, ((0, 0), (0, missing)), constant_values=np.nan)


def panel_of(
    spec: PanelSpec, series: Series, facts: Facts, holidays: tuple[Days, Array] | None
) -> Panel:
    """Build the panel of a database; it ends with the last period in which anything sold.

    `holidays`: periods, and public holidays in each, where the spec has a country.
    Raises ValueError for periods that are no panel.
    """
    order = np.lexsort([series.ids, *[*series.keys.values()][::-1]])
    keys = {column: values[order] for column, values in series.keys.items()}
    rows = np.empty(int(series.ids.max()) + 1, dtype=np.intp)
    rows[series.ids[order]] = np.arange(len(order))
    frequency = spec.frequency
    first = facts.days.min()
    columns, odd = np.divmod((facts.days - first).astype(np.int64), frequency.days)
    if odd.any():
        raise ValueError("the weeks do not all end on the same weekday")
    place = rows[facts.series], columns
    sold = columns[~np.isnan(facts.values[0])]
    n_periods = int(sold.max()) + 1 if len(sold) else int(columns.max()) + 1
    n_planned = int(columns.max()) + 1

    def dense(values: Array) -> Array:
        table = np.full((len(order), n_planned), np.nan)
        table[place] = values
        return table

    names = list(star.covariates(spec).values())
    tables = dict(zip(names, map(dense, facts.values[1:]), strict=True))
    if spec.country and holidays is not None:
        tables[PUBLIC_HOLIDAY] = _of_all(*holidays, first, frequency.days, len(order))
    return Panel(
        y=dense(facts.values[0])[:, :n_periods],
        periods=first + np.arange(n_periods) * np.timedelta64(frequency.days, "D"),
        series=joined([*keys.values()]),
        conditions={of.name: tables[of.name][:, :n_periods] for of in spec.past},
        plan={of.name: tables[of.name] for of in spec.future},
        traits=_traits(spec, keys, {name: of[order] for name, of in series.static.items()}),
        pooled_by=spec.pool,
        frequency=frequency,
        keys=keys,
        spec=spec,
    )


def _of_all(days: Days, values: Array, first: np.datetime64, step: int, n_series: int) -> Array:
    """Return what is alike for all series, float64[n_series, n], from the first period on."""
    columns = (days - first).astype(np.int64) // step
    kept = columns >= 0
    table = np.full(int(columns.max()) + 1, np.nan)
    table[columns[kept]] = values[kept]
    return np.tile(table, (n_series, 1))


def _traits(
    spec: PanelSpec, keys: Mapping[str, Labels], static: Mapping[str, Labels]
) -> dict[str, Labels]:
    kinds = {"number": np.float64, "whole": np.int64, "label": np.str_}
    return {
        of.name: (static[of.name] if of.name in static else keys[of.column]).astype(kinds[of.kind])
        for of in spec.static
    }

"""The panel: the one in-memory form of sales.

Takes arrays or long rows, gives a dense, immutable table of series by weeks. Missing weeks
are NaN, so that lag k is a slice and not a join. `Panel.until` is the only way to get "the
past". Must not know files, databases or models.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Days = npt.NDArray[np.datetime64]

DAYS_PER_PERIOD = 7
SEASON_LENGTH = 52  # weeks: 364 days, so that a week is compared with the same weekdays
CONDITIONS = ("Holiday_Flag", "Temperature", "Fuel_Price", "CPI", "Unemployment")


@dataclass(frozen=True, eq=False)
class Panel:
    """Weekly sales of many series, and the conditions observed in the same weeks.

    Panels of equal data are equal, so that work on one can be remembered for the other.

    Attributes:
        y: float64[n_series, n_periods], sales; NaN where there is no row.
        periods: datetime64[D][n_periods], the day that ends each week, one week apart.
        series: the names, one per row of `y`.
        conditions: name -> float64[n_series, n_periods]; NaN where there is no row.
    """

    y: Array
    periods: Days
    series: tuple[str, ...]
    conditions: Mapping[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = (len(self.series), len(self.periods))
        for name, values in {"y": self.y, **self.conditions}.items():
            if values.shape != shape:
                raise ValueError(f"{name} has shape {values.shape}, expected {shape}")
        steps = np.diff(self.periods).astype(int)
        if (steps != DAYS_PER_PERIOD).any():
            raise ValueError("periods must be exactly one week apart")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Panel) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    @property
    def n_series(self) -> int:
        """Number of series."""
        return len(self.series)

    @property
    def n_periods(self) -> int:
        """Number of weeks from the first to the last, gaps included."""
        return len(self.periods)

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """The row of `y` of each series."""
        return {name: row for row, name in enumerate(self.series)}

    @property
    def first(self) -> date:
        """The day that ends the first week."""
        return date.fromisoformat(str(self.periods[0]))

    @property
    def last(self) -> date:
        """The day that ends the last week."""
        return date.fromisoformat(str(self.periods[-1]))

    def until(self, cutoff: date | np.datetime64) -> Panel:
        """Return what was known when the week that ends on `cutoff` had ended (inclusive)."""
        end = int((self.periods <= np.datetime64(cutoff)).sum())
        return replace(
            self,
            y=self.y[:, :end],
            periods=self.periods[:end],
            conditions={name: values[:, :end] for name, values in self.conditions.items()},
        )

    def after(self, horizon: int) -> Days:
        """Return the ends of the `horizon` weeks that follow the last known one."""
        weeks = np.arange(1, horizon + 1) * np.timedelta64(DAYS_PER_PERIOD, "D")
        following: Days = self.periods[-1] + weeks
        return following

    def select(self, series: Sequence[str]) -> Panel:
        """Return the same weeks of some of the series, in the order given."""
        rows = [self.positions[name] for name in series]
        return replace(
            self,
            y=self.y[rows],
            series=tuple(series),
            conditions={name: values[rows] for name, values in self.conditions.items()},
        )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of every value: equal data, equal fingerprint, whatever the row order was."""
        digest = hashlib.sha256(",".join(self.series).encode())
        digest.update(self.periods.astype("datetime64[D]").astype("<i8").tobytes())
        for name in sorted(self.conditions):
            digest.update(name.encode())
            digest.update(_bytes(self.conditions[name]))
        digest.update(_bytes(self.y))
        return digest.hexdigest()

    @classmethod
    def from_rows(
        cls,
        series: npt.NDArray[np.int64],
        periods: Days,
        y: Array,
        conditions: Mapping[str, Array],
    ) -> Panel:
        """Build a panel from long rows, in any order, at most one per (series, period).

        `series`: int64[n], `periods`: datetime64[D][n], `y` and each condition: float64[n].
        Series are ordered by number. Raises ValueError for no rows at all or for weeks that
        do not share one weekday.
        """
        if len(y) == 0:
            raise ValueError("no rows")
        days = periods.astype("datetime64[D]")
        offsets = (days - days.min()).astype(np.int64)
        if (offsets % DAYS_PER_PERIOD).any():
            raise ValueError("the weeks do not all end on the same weekday")
        names, rows = np.unique(series, return_inverse=True)
        columns = offsets // DAYS_PER_PERIOD
        n_periods = int(columns.max()) + 1

        def dense(values: Array) -> Array:
            table = np.full((len(names), n_periods), np.nan)
            table[rows, columns] = values
            return table

        weeks = np.arange(n_periods) * np.timedelta64(DAYS_PER_PERIOD, "D")
        return cls(
            y=dense(y),
            periods=days.min() + weeks,
            series=tuple(str(name) for name in names),
            conditions={name: dense(values) for name, values in conditions.items()},
        )


def _bytes(values: Array) -> bytes:
    # One NaN has many bit patterns, and -0.0 equals 0.0: make equal values equal bytes.
    return np.where(np.isnan(values), np.nan, values + 0.0).astype("<f8").tobytes()

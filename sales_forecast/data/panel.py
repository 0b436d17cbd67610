"""The panel: the one in-memory form of sales.

Takes arrays or long rows, gives a dense, immutable table of series by weeks or days. Missing
periods are NaN, so that lag k is a slice and not a join. `Panel.until` is the only way to get
"the past". Must not know files, databases or models. One
class, and so longer than other modules.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from sales_forecast.data.frequency import WEEKLY, Frequency
from sales_forecast.data.series_names import named
from sales_forecast.data.spec import PanelSpec
from sales_forecast.errors import SettingsError

Array = npt.NDArray[np.float64]
Days = npt.NDArray[np.datetime64]
Labels = npt.NDArray[np.generic]

CONDITIONS = ("Holiday_Flag", "Temperature", "Fuel_Price", "CPI", "Unemployment")
"""Those of a store's week, in the order in which the service is told them."""
LARGEST_SALES = 1e15
"""No sales are so large; sums and squares of such numbers are no longer exact, or no numbers."""
OPEN = "open"
"""The plan by which a series sells or does not, in layouts of our own."""


@dataclass(frozen=True, eq=False)
class Panel:
    """Sales of many series, and what was observed or planned in the same periods.

    Panels of equal data are equal, so that work on one can be remembered for the other.

    Attributes:
        y: float64[n_series, n_periods], sales; NaN where there is no row.
        periods: datetime64[D][n_periods], the day that ends each, `frequency.days` apart.
        series: the names, one per row of `y`.
        conditions: name -> float64[n_series, n_periods], known afterwards; NaN where there is
            no row.
        plan: name -> float64[n_series, n_planned], known in advance, from the first period on
            and as far ahead as there is a plan; NaN where there is none.
        traits: name -> array[n_series], what a series is: texts (a department, a type) or
            numbers (a size).
        pooled_by: the trait within which series are alike, None if all are.
        keys: column of files -> int64 or text[n_series], what together names a series.
        spec: what the panel is, where files or a database said it.
        notes: what whoever read the sales did not take as they are, in sentences.
    """

    y: Array
    periods: Days
    series: tuple[str, ...]
    conditions: Mapping[str, Array] = field(default_factory=dict)
    plan: Mapping[str, Array] = field(default_factory=dict)
    traits: Mapping[str, Labels] = field(default_factory=dict)
    pooled_by: str | None = None
    frequency: Frequency = WEEKLY
    notes: tuple[str, ...] = ()
    keys: Mapping[str, Labels] = field(default_factory=dict)
    spec: PanelSpec | None = None

    def __post_init__(self) -> None:
        shape = (len(self.series), len(self.periods))
        for name, values in (("y", self.y), *self.conditions.items()):
            if values.shape != shape:
                raise ValueError(f"{name} has shape {values.shape}, expected {shape}")
        steps = np.diff(self.periods).astype(int)
        if (steps != self.frequency.days).any():
            raise ValueError(f"periods must be exactly one {self.frequency.unit} apart")

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
        """Number of periods from the first to the last, gaps included."""
        return len(self.periods)

    @property
    def holiday(self) -> str | None:
        """The condition of 0 and 1 by which a period is a holiday."""
        return self.spec.holiday if self.spec else CONDITIONS[0]

    @property
    def open(self) -> str | None:
        """The plan of 0 and 1 by which a series sells or does not."""
        name = self.spec.open if self.spec else OPEN
        return name if name in self.plan else None

    @property
    def holidays(self) -> Array:
        """float64[n_series, n_periods]: 1 where a period is known to be a holiday, else 0."""
        flags = self.conditions.get(self.holiday) if self.holiday else None
        return np.zeros_like(self.y) if flags is None else np.nan_to_num(flags)

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """The row of `y` of each series."""
        return {name: row for row, name in enumerate(self.series)}

    @property
    def first(self) -> date:
        """The day that ends the first period."""
        return date.fromisoformat(str(self.periods[0]))

    @property
    def last(self) -> date:
        """The day that ends the last period."""
        return date.fromisoformat(str(self.periods[-1]))

    def until(self, cutoff: date | np.datetime64) -> Panel:
        """Return what was known when the period that ends on `cutoff` had ended (inclusive).

        Plans stay whole, as they are what is known in advance; those that are known only some
        periods before end there.
        """
        end = int((self.periods <= np.datetime64(cutoff)).sum())
        leads = self.spec.leads if self.spec else {}
        return replace(
            self,
            y=self.y[:, :end],
            periods=self.periods[:end],
            conditions={name: values[:, :end] for name, values in self.conditions.items()},
            plan={
                name: values[:, : end + leads[name]] if name in leads else values
                for name, values in self.plan.items()
            }
            if leads
            else self.plan,
        )

    @cached_property
    def past(self) -> Panel:
        """The same without what is planned of periods after the last: all that sales can teach."""
        n = self.n_periods
        if all(values.shape[1] <= n for values in self.plan.values()):
            return self
        return replace(self, plan={name: values[:, :n] for name, values in self.plan.items()})

    def planning(self, row: int, first: int, wish: Mapping[str, Sequence[float | None]]) -> Panel:
        """Return the same sales with another plan of one series.

        `wish`: name of a plan -> what it is to be from period `first` on; None where it stays.
        """
        plan = dict(self.plan)
        for name, values in wish.items():
            told = np.array(values, dtype=np.float64)  # None is NaN
            there, before = ~np.isnan(told), plan[name]
            plan[name] = np.full((self.n_series, max(before.shape[1], first + len(told))), np.nan)
            plan[name][:, : before.shape[1]] = before
            plan[name][row, first : first + len(told)][there] = told[there]
        changed = replace(self, plan=plan)
        if first >= self.n_periods:
            vars(changed)["past"] = self.past  # which is compared often, and taken for long
        return changed

    def with_zeros(self) -> Panel:
        """Return sales in which a missing row is 0, from the first number of a series on.

        Only where the spec says so; days that are closed by plan stay unknown.
        """
        if self.spec is None or self.spec.missing != "zero":
            return self
        known = ~np.isnan(self.y)
        missing = ~known & np.logical_or.accumulate(known, axis=1)
        if self.open is not None:
            missing &= self.plan[self.open][:, : self.n_periods] != 0
        return replace(self, y=np.where(missing, 0.0, self.y))

    def without(self, names: Sequence[str]) -> Panel:
        """Return the same sales with some conditions unknown throughout.

        Their places stay, so that a caller may go on telling them. Raises SettingsError.
        """
        known = [name for name in self.conditions if name != self.holiday]
        if unknown := [name for name in names if name not in known]:
            raise SettingsError(
                f"{', '.join(unknown)} cannot be left out: it is no covariate of these sales. "
                f"Known: {', '.join(known) or 'none'}."
            )
        nothing = {name: np.full_like(self.y, np.nan) for name in names}
        return replace(self, conditions={**self.conditions, **nothing}) if names else self

    def after(self, horizon: int) -> Days:
        """Return the ends of the `horizon` periods that follow the last known one."""
        steps = np.arange(1, horizon + 1) * np.timedelta64(self.frequency.days, "D")
        following: Days = self.periods[-1] + steps
        return following

    def select(self, series: Sequence[str]) -> Panel:
        """Return the same periods of some of the series, in the order given."""
        return self._rows([self.positions[name] for name in series])

    def _rows(self, rows: Sequence[int] | npt.NDArray[np.intp]) -> Panel:
        def chosen(tables: Mapping[str, Any]) -> dict[str, Any]:
            return {name: values[rows] for name, values in tables.items()}

        return replace(
            self,
            y=self.y[rows],
            series=tuple(self.series[row] for row in rows),
            conditions=chosen(self.conditions),
            plan=chosen(self.plan),
            traits=chosen(self.traits),
            keys=chosen(self.keys),
        )

    def pools(self) -> Iterator[tuple[str, npt.NDArray[np.intp], Panel]]:
        """Yield (label, rows, panel) of the series that are alike, each a panel of one pool."""
        if self.pooled_by is None:
            yield "", np.arange(self.n_series), self
            return
        labels = self.traits[self.pooled_by].astype(str)
        for label in np.unique(labels):
            rows = np.flatnonzero(labels == label)
            yield str(label), rows, replace(self._rows(rows), pooled_by=None)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of every value: equal data, equal fingerprint, whatever the row order was."""
        digest = hashlib.sha256(",".join(self.series).encode())
        digest.update(self.periods.astype("datetime64[D]").astype("<i8").tobytes())
        for name in sorted(self.conditions):
            digest.update(name.encode())
            digest.update(_bytes(self.conditions[name]))
        digest.update(_bytes(self.y))
        if self.plan or self.traits or self.frequency != WEEKLY:
            digest.update(repr((self.frequency.name, self.pooled_by)).encode())
            for name in sorted(self.plan):
                digest.update(name.encode())
                digest.update(_bytes(self.plan[name]))
            for name in sorted(self.traits):
                digest.update(f"{name} {self.traits[name].tolist()}".encode())
        return digest.hexdigest()

    @classmethod
    def from_rows(
        cls,
        series: Labels | Sequence[Labels] | Mapping[str, Labels],
        periods: Days,
        y: Array,
        conditions: Mapping[str, Array],
        frequency: Frequency = WEEKLY,
    ) -> Panel:
        """Build a panel from long rows, in any order, at most one per (series, period).

        `series`: int64[n] or text[n], or several such keys, which together name a series (`3-72`),
        each by the column that it has in files if the panel is to have its `keys`.
        `periods`: datetime64[D][n], `y` and each condition: float64[n].
        Series are ordered by number or text of their keys. Raises ValueError for no rows at all, or
        for weeks that do not share one weekday.
        """
        if len(y) == 0:
            raise ValueError("no rows")
        days = periods.astype("datetime64[D]")
        offsets = (days - days.min()).astype(np.int64)
        if (offsets % frequency.days).any():
            raise ValueError("the weeks do not all end on the same weekday")
        if isinstance(series, np.ndarray):
            series = [series]
        columns_of_keys = tuple(series) if isinstance(series, Mapping) else ()
        names, keys, rows = named(
            [*series.values()] if isinstance(series, Mapping) else series, len(y)
        )
        columns = offsets // frequency.days
        n_periods = int(columns.max()) + 1

        def dense(values: Array) -> Array:
            table = np.full((len(names), n_periods), np.nan)
            table[rows, columns] = values
            return table

        steps = np.arange(n_periods) * np.timedelta64(frequency.days, "D")
        return cls(
            y=dense(y),
            periods=days.min() + steps,
            series=names,
            conditions={name: dense(values) for name, values in conditions.items()},
            frequency=frequency,
            keys=dict(zip(columns_of_keys, keys, strict=False)),
        )


def _bytes(values: Array) -> bytes:
    # One NaN has many bit patterns, and -0.0 equals 0.0: make equal values equal bytes.
    return np.where(np.isnan(values), np.nan, values + 0.0).astype("<f8").tobytes()

"""What stores sell in a week because of its dates, and what the chain and its stores are worth.

Takes a panel, gives the calendar part of log sales of each store for any week, past or future,
or all that is expected of the weeks ahead. The chain and each store's deviation from it are
processes of `gaussian`: pooling all stores is what makes two years enough, since a single store
has seen each holiday twice. numpy only, so that the service can run it; `models.pooled` fits it.
Must not know models or conditions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from sales_forecast.data.panel import Array, Days, Panel
from sales_forecast.features.decomposition import Split
from sales_forecast.features.gaussian import (
    Between,
    Hyperparameters,
    Weeks,
    calendar_covariance,
    covariance,
    observed,
)
from sales_forecast.features.lasting import Lasting, lasting

State = Mapping[str, Any]
"""Plain JSON values, numpy arrays, and mappings of these by name: all that a fitted thing knows.

What two things share is one object in both states, so that it is kept once.
"""

_ONCE_NAMED = {"fortnight": "cycle", "fortnight_length": "cycle_length"}
"""Hyperparameters in bundles that know cycles of two weeks alone."""

Index = npt.NDArray[np.intp]
Alike = tuple[Index, Index]
"""Stores that are known in the same weeks, and these weeks."""


class Profile(Protocol):
    """The part of log sales that is known in advance."""

    @property
    def state(self) -> State:
        """All that it knows; `kind` says which class restores it."""
        ...

    def seeing(self, panel: Panel) -> Profile:
        """Return the profile with the plan and the series of another panel, learning nothing."""
        ...

    def at(self, series: Sequence[str], periods: Days) -> Array:
        """Return float64[n_series, n] for series and periods, past or future."""
        ...


class Process(Protocol):
    """What is expected of log sales."""

    @property
    def state(self) -> State:
        """All that it knows; `kind` says which class restores it."""
        ...

    def ahead(self, history: Panel, horizon: int) -> Array:
        """Return float64[n_series, horizon]: log sales expected of the weeks after a history.

        NaN for a series of which it knows nothing.
        """
        ...

    def calendar(self, panel: Panel) -> Profile:
        """Return what dates alone make of log sales, as far as a panel tells."""
        ...


@dataclass(frozen=True, eq=False)
class PooledProcess:
    """Both processes of a pool, fitted."""

    chain: Hyperparameters
    store: Hyperparameters
    pivot: np.datetime64
    """The day that time is counted from: the last of the weeks it was fitted to."""

    @cached_property
    def state(self) -> State:
        """See `Process.state`."""
        return {
            "kind": "weeks",
            "chain": asdict(self.chain),
            "store": asdict(self.store),
            "pivot": str(self.pivot.astype("datetime64[D]")),
        }

    @classmethod
    def restore(cls, state: State) -> Self:
        """Return the process of a state."""
        chain, store = (
            Hyperparameters(**{_ONCE_NAMED.get(name, name): value for name, value in of.items()})
            for of in (state["chain"], state["store"])
        )
        return cls(chain, store, np.datetime64(state["pivot"]))

    def weeks(self, periods: Days) -> Weeks:
        """Describe weeks as both processes see them."""
        return Weeks.of(periods, self.pivot)

    def _chain(self, weeks: Weeks, between: Between, split: Split) -> tuple[Lasting, Index]:
        """Return what lasts of the chain, and the process that has seen the rest; and its weeks.

        `between`: of all weeks and themselves.
        """
        week = np.flatnonzero(~np.isnan(split.chain))
        shared = covariance(self.chain, between)[np.ix_(week, week)]
        both, values = observed(shared, self.chain.noise), split.chain[week][:, None]
        return lasting(both, weeks.years[week], values, grows=True), week

    def _stores(
        self, weeks: Weeks, between: Between, split: Split
    ) -> Iterator[tuple[Lasting, Alike]]:
        """Yield the same of deviations of stores, with the stores and their weeks."""
        of_all = covariance(self.store, between)
        for series, week, noise in split.blocks():
            both = observed(of_all[np.ix_(week, week)], noise * self.store.noise)
            values = split.deviations[np.ix_(series, week)].T
            yield lasting(both, weeks.years[week], values, grows=False), (series, week)

    def ahead(self, history: Panel, horizon: int) -> Array:
        """See `Process.ahead`."""
        split, weeks = Split.of(history), self.weeks(history.periods)
        asked, known = self.weeks(history.after(horizon)), Between.of(weeks, weeks)
        ahead = Between.of(asked, weeks)
        chain, week = self._chain(weeks, known, split)
        of_chain = covariance(self.chain, ahead)[:, week]
        expected = split.levels[:, None] + chain.expected(asked, of_chain).T
        of_store = covariance(self.store, ahead)
        for store, (series, week) in self._stores(weeks, known, split):
            expected[series] += store.expected(asked, of_store[:, week]).T
        expected[np.isnan(split.deviations).all(axis=1)] = np.nan
        return expected

    def calendar(self, panel: Panel) -> CalendarProfile:
        """See `Process.calendar`."""
        n = panel.n_periods
        chain, stores = np.zeros(n), np.zeros((panel.n_series, n))
        split, weeks = Split.of(panel), self.weeks(panel.periods)
        known = Between.of(weeks, weeks)
        of_chain, week = self._chain(weeks, known, split)
        chain[week] = of_chain.rest.weights[:, 0]
        for store, (series, week) in self._stores(weeks, known, split):
            stores[np.ix_(series, week)] = store.rest.weights.T
        named = dict(zip(panel.series, stores, strict=True))
        return CalendarProfile(self, panel.periods, chain, named)


@dataclass(frozen=True, eq=False)
class CalendarProfile:
    """What dates alone make of log sales, store by store.

    Attributes:
        process: what the weights belong to.
        periods: datetime64[D][n], the weeks that it has seen.
        chain: float64[n], the weight of each in what is expected of the chain.
        stores: name -> float64[n], of each in what is expected of a store beside the chain.
    """

    process: PooledProcess
    periods: Days
    chain: Array
    stores: Mapping[str, Array]

    @cached_property
    def state(self) -> State:
        """See `Profile.state`."""
        weights = [*self.stores.values()]
        return {
            "kind": "weeks",
            "process": self.process.state,
            "periods": self.periods.astype("datetime64[D]").astype(np.int64),
            "chain": self.chain,
            "series": list(self.stores),
            "stores": np.array(weights) if weights else np.zeros((0, len(self.chain))),
        }

    @classmethod
    def restore(cls, state: State, process: PooledProcess) -> Self:
        """Return the profile of a state. `process`: that of the state in it, restored."""
        return cls(
            process,
            state["periods"].astype("datetime64[D]"),
            state["chain"],
            dict(zip(state["series"], state["stores"], strict=True)),
        )

    def seeing(self, panel: Panel) -> CalendarProfile:
        """See `Profile.seeing`: dates are the same for all."""
        del panel
        return self

    def at(self, series: Sequence[str], periods: Days) -> Array:
        """Return float64[n_series, n]: the calendar part of log sales of weeks.

        A store that it does not know has that of the chain.
        """
        between = Between.of(self.process.weeks(periods), self.process.weeks(self.periods))
        of_chain = calendar_covariance(self.process.chain, between) @ self.chain
        unknown = np.zeros(len(self.periods))
        weights = np.stack([self.stores.get(name, unknown) for name in series])
        of_store = calendar_covariance(self.process.store, between) @ weights.T
        parts: Array = of_chain + of_store.T
        return parts

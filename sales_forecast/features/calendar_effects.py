"""What stores sell in a week because of its dates, and what the chain and its stores are worth.

Takes a panel, gives the calendar part of log sales of each store for any week, past or future,
or all that is expected of the weeks ahead. The chain and each store's deviation from it are
processes of `gaussian`: pooling all stores is what makes two years enough, since a single store
has seen each holiday twice. numpy only, so that the service can run it; `models.pooled` fits it.
Must not know models or conditions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from sales_forecast.data.panel import Array, Days, Panel
from sales_forecast.features.decomposition import Split
from sales_forecast.features.gaussian import Hyperparameters, Weeks, calendar_covariance
from sales_forecast.features.lasting import Lasting, lasting

State = Mapping[str, Any]
"""Plain JSON values, numpy arrays, and mappings of these by name: all that a fitted thing knows.

What two things share is one object in both states, so that it is kept once.
"""

Alike = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]
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
        chain, store = (Hyperparameters(**state[name]) for name in ("chain", "store"))
        return cls(chain, store, np.datetime64(state["pivot"]))

    def weeks(self, periods: Days) -> Weeks:
        """Describe weeks as both processes see them."""
        return Weeks.of(periods, self.pivot)

    def _chain(self, panel: Panel, split: Split) -> Lasting:
        """Return what lasts of the chain, and the process that has seen the rest."""
        known = np.flatnonzero(~np.isnan(split.chain))
        weeks, chain = self.weeks(panel.periods[known]), split.chain[known][:, None]
        return lasting(self.chain, weeks, chain, grows=True)

    def _stores(self, panel: Panel, split: Split) -> Iterator[tuple[Lasting, Alike]]:
        """Yield the same of deviations of stores, with the stores and their weeks."""
        for series, week, noise in split.blocks():
            values = split.deviations[np.ix_(series, week)].T
            store = replace(self.store, noise=noise * self.store.noise)
            weeks = self.weeks(panel.periods[week])
            yield lasting(store, weeks, values, grows=False), (series, week)

    def ahead(self, history: Panel, horizon: int) -> Array:
        """See `Process.ahead`."""
        split = Split.of(history)
        asked = self.weeks(history.after(horizon))
        expected = split.levels[:, None] + self._chain(history, split).expected(asked).T
        for store, (series, _) in self._stores(history, split):
            expected[series] += store.expected(asked).T
        expected[np.isnan(split.deviations).all(axis=1)] = np.nan
        return expected

    def calendar(self, panel: Panel) -> CalendarProfile:
        """See `Process.calendar`."""
        n = panel.n_periods
        chain, stores = np.zeros(n), np.zeros((panel.n_series, n))
        split = Split.of(panel)
        chain[~np.isnan(split.chain)] = self._chain(panel, split).rest.weights[:, 0]
        for store, (series, week) in self._stores(panel, split):
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
        seen, asked = self.process.weeks(self.periods), self.process.weeks(periods)
        of_chain = calendar_covariance(self.process.chain, asked, seen) @ self.chain
        unknown = np.zeros(len(self.periods))
        weights = np.stack([self.stores.get(name, unknown) for name in series])
        of_store = calendar_covariance(self.process.store, asked, seen) @ weights.T
        parts: Array = of_chain + of_store.T
        return parts

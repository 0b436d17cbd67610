"""What stores sell in a week because of its dates, and what the chain and its stores are worth.

Takes a panel, gives the calendar part of log sales of each store for any week, past or future,
or all that is expected of the weeks ahead. The chain and each store's deviation from it are
processes of `gaussian`: pooling all stores is what makes two years enough, since a single store
has seen each holiday twice. numpy only, so that the service can run it;
`forecasters.pooled` fits it. Must not know models or conditions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sales_forecast.gaussian import Hyperparameters, Seen, Weeks, calendar_covariance
from sales_forecast.panel import Array, Days, Panel


def log_sales(y: Array) -> Array:
    """Return log(y), NaN where sales are missing or not positive (they have no logarithm)."""
    return np.log(np.where(y > 0, y, np.nan))


@dataclass(frozen=True, eq=False)
class Split:
    """Log sales as chain, level of the store, and deviation; the three add up.

    Attributes:
        chain: float64[n_periods], mean over stores of log sales beyond their own level, NaN where
            no store is known.
        levels: float64[n_series], 0 for a store of which nothing is known.
        deviations: float64[n_series, n_periods], NaN where sales are unknown.
    """

    chain: Array
    levels: Array
    deviations: Array

    @classmethod
    def of(cls, panel: Panel) -> Split:
        """Split the log sales of a panel."""
        logs = log_sales(panel.y)
        beyond = logs - _means(logs, 1)[:, None]
        chain = np.where(np.isnan(logs).all(axis=0), np.nan, _means(beyond, 0))
        # A store of only some weeks has its level beside the chain of those weeks.
        levels = _means(logs - chain, 1)
        return cls(chain, levels, logs - chain - levels[:, None])

    def alike(self) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
        """Yield (series, weeks) of the stores that are known in the same weeks."""
        known = ~np.isnan(self.deviations)
        patterns, back = np.unique(known, axis=0, return_inverse=True)
        for number, pattern in enumerate(patterns):
            if pattern.any():
                yield np.flatnonzero(back.ravel() == number), np.flatnonzero(pattern)


def _means(values: Array, axis: int) -> Array:
    """Return means that leave NaN out, 0 where there is nothing else."""
    known = ~np.isnan(values)
    means: Array = np.where(known, values, 0.0).sum(axis) / np.maximum(known.sum(axis), 1)
    return means


@dataclass(frozen=True, eq=False)
class PooledProcess:
    """Both processes, fitted."""

    chain: Hyperparameters
    store: Hyperparameters
    pivot: np.datetime64
    """The day that time is counted from: the last of the weeks it was fitted to."""

    def weeks(self, periods: Days) -> Weeks:
        """Describe weeks as both processes see them."""
        return Weeks.of(periods, self.pivot)

    def seen(self, panel: Panel, split: Split) -> Iterator[tuple[Seen, npt.NDArray[np.intp]]]:
        """Yield each process that has seen its part of a panel, with the stores it stands for."""
        known = np.flatnonzero(~np.isnan(split.chain))
        everyone = np.arange(panel.n_series)
        values = split.chain[known, None]
        yield Seen.values(self.chain, self.weeks(panel.periods[known]), values), everyone
        for series, week in split.alike():
            values = split.deviations[np.ix_(series, week)].T
            yield Seen.values(self.store, self.weeks(panel.periods[week]), values), series

    def ahead(self, history: Panel, horizon: int) -> Array:
        """Return float64[n_series, horizon]: log sales expected of the weeks after a history.

        NaN for a store of which it knows nothing.
        """
        split = Split.of(history)
        asked = self.weeks(history.after(horizon))
        expected = np.repeat(split.levels[:, None], horizon, axis=1)
        for seen, series in self.seen(history, split):
            expected[series] += seen.expected(asked).T
        expected[np.isnan(split.deviations).all(axis=1)] = np.nan
        return expected

    def spread(self, history: Panel, horizon: int) -> Array:
        """Return float64[n_series, horizon]: the standard deviation of log sales around `ahead`."""
        asked = self.weeks(history.after(horizon))
        variance = np.zeros((history.n_series, horizon))
        for seen, series in self.seen(history, Split.of(history)):
            variance[series] += seen.spread(asked) ** 2
        return np.sqrt(variance)

    def calendar(self, panel: Panel) -> CalendarProfile:
        """Return what dates alone make of log sales, as far as a panel tells."""
        n = panel.n_periods
        chain, stores = np.zeros(n), np.zeros((panel.n_series, n))
        split = Split.of(panel)
        (first, _), *others = self.seen(panel, split)
        chain[~np.isnan(split.chain)] = first.weights[:, 0]
        for (seen, series), (_, week) in zip(others, split.alike(), strict=True):
            stores[np.ix_(series, week)] = seen.weights.T
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

"""Processes and profiles of a panel of several pools.

Where a static feature tells series apart (departments), each pool has processes of its own, and its
stores are the series in it. Takes a panel, gives what each pool says, put together again. Must not
know how a pool is fitted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from sales_forecast.data.panel import Array, Days, Panel
from sales_forecast.features.calendar_effects import Process, Profile, State


@dataclass(frozen=True, eq=False)
class ProcessByPool:
    """A process for each pool of a panel."""

    pools: Mapping[str, Process]

    @cached_property
    def state(self) -> State:
        """See `Process.state`."""
        return {"kind": "pools", "pools": {name: of.state for name, of in self.pools.items()}}

    def ahead(self, history: Panel, horizon: int) -> Array:
        """See `Process.ahead`."""
        expected = np.full((history.n_series, horizon), np.nan)
        for _, process, rows, pool in self._known(history):
            expected[rows] = process.ahead(pool, horizon)
        return expected

    def calendar(self, panel: Panel) -> ProfileByPool:
        """See `Process.calendar`."""
        known = [(label, of, pool) for label, of, _, pool in self._known(panel)]
        return ProfileByPool({label: of.calendar(pool) for label, of, pool in known}).seeing(panel)

    def _known(self, panel: Panel) -> Iterator[tuple[str, Process, npt.NDArray[np.intp], Panel]]:
        for label, rows, pool in panel.pools():
            if label in self.pools:
                yield label, self.pools[label], rows, pool


@dataclass(frozen=True, eq=False)
class ProfileByPool:
    """What dates alone make of log sales, by the profile of the pool of each series.

    Attributes:
        pools: label -> profile.
        of_series: name -> profile, of the series of the panel that is seen.
    """

    pools: Mapping[str, Profile]
    of_series: Mapping[str, Profile] = field(default_factory=dict)

    @cached_property
    def state(self) -> State:
        """See `Profile.state`."""
        return {"kind": "pools", "pools": {name: of.state for name, of in self.pools.items()}}

    def seeing(self, panel: Panel) -> ProfileByPool:
        """See `Profile.seeing`."""
        seen = {
            label: (self.pools[label].seeing(pool), pool)
            for label, _, pool in panel.pools()
            if label in self.pools
        }
        return ProfileByPool(
            self.pools, {name: of for of, pool in seen.values() for name in pool.series}
        )

    def at(self, series: Sequence[str], periods: Days) -> Array:
        """See `Profile.at`. For a series of a pool that it does not know, dates do nothing."""
        parts = np.zeros((len(series), len(periods)))
        rows: dict[Profile, list[int]] = {}
        for row, name in enumerate(series):
            if name in self.of_series:
                rows.setdefault(self.of_series[name], []).append(row)
        for profile, of in rows.items():
            parts[of] = profile.at([series[row] for row in of], periods)
        return parts

"""What plans make of weekly sales: a regression first, and the process of weeks on the rest.

Takes a panel with plans (promotions, open days, public holidays of a country), gives how much they
move the log sales of each series, and process and profile with that added. The changes from week to
week tell: levels and seasons stay out of it. numpy only. Must not know how a process is fitted, nor
read a plan beyond the weeks that are asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from sales_forecast.data.panel import Array, Days, Panel
from sales_forecast.features.calendar_effects import Process, Profile, State
from sales_forecast.features.decomposition import log_sales
from sales_forecast.features.planned_numbers import PlannedNumber

_LARGEST_MOVE = 0.5
"""A change of log sales that is further than that from what plans make of it is an accident."""
_ROUNDS = 6
"""Each counts what lies beyond the effects of the one before; six tell a factor of 20."""
_OF_ALL = 10.0
"""So many weeks of what all series do are added to those of each."""


@dataclass(frozen=True, eq=False)
class PlanEffects:
    """The effects of plans on log sales.

    Attributes:
        numbers: names of the plans, in order -> how their numbers are compared; None of flags.
        usual: float64[n_plans], what flags are on average, of which a missing one is.
        chain: float64[n_plans], for each unit of a plan, of a series that is not known.
        own: name of a series -> float64[n_plans].
    """

    numbers: Mapping[str, PlannedNumber | None]
    usual: Array
    chain: Array
    own: dict[str, Array]

    @cached_property
    def state(self) -> State:
        """All that it knows."""
        return {
            "numbers": {name: of and asdict(of) for name, of in self.numbers.items()},
            "usual": self.usual,
            "chain": self.chain,
            "series": list(self.own),
            "own": np.array([*self.own.values()]),
        }

    @classmethod
    def restore(cls, state: State) -> Self:
        """Return the effects of a state."""
        own = dict(zip(state["series"], state["own"], strict=True))
        numbers = {name: of and PlannedNumber(**of) for name, of in state["numbers"].items()}
        return cls(numbers, state["usual"], state["chain"], own)

    @classmethod
    def fit(cls, panel: Panel) -> Self:
        """Estimate them from all of a panel that has plans."""
        past, every = panel.past.plan, panel.frequency
        numbers = {name: PlannedNumber.of(of, every) for name, of in past.items()}
        plans = plans_of(panel, numbers, panel.n_periods, expecting=False)
        known = ~np.isnan(plans)
        count = np.maximum(known.sum(axis=(0, 1)), 1)
        flags = [of is None for of in numbers.values()]
        mean = np.where(known & flags, plans, 0.0).sum(axis=(0, 1)) / count
        moved = np.diff(log_sales(panel.y), axis=1)
        changed = np.diff(plans, axis=1)
        # A plan that is unknown says nothing, and keeps no other from being learned from.
        told = ~np.isnan(moved)[:, :, None] & ~np.isnan(changed)
        moved, changed = np.nan_to_num(moved), np.where(told, changed, 0.0)
        squares = np.einsum("swp,swq->spq", changed, changed)
        variances = squares.sum(axis=0).diagonal() / np.maximum(told.sum(axis=(0, 1)), 1)
        # A plan that never changes tells nothing, and has no effect.
        prior = _OF_ALL * np.diag(np.where(variances > 0, variances, 1.0))
        chain, own = np.zeros(len(numbers)), np.zeros((panel.n_series, len(numbers)))
        for _ in range(_ROUNDS):
            planned = np.einsum("swp,sp->sw", changed, own)
            beyond = np.clip(moved - planned, -_LARGEST_MOVE, _LARGEST_MOVE)
            products = np.einsum("swp,sw->sp", changed, planned + beyond)
            chain = np.linalg.solve(squares.sum(axis=0) + prior, products.sum(axis=0))
            own = np.linalg.solve(squares + prior, (products + prior @ chain)[:, :, None])[:, :, 0]
        return cls(numbers, mean, chain, dict(zip(panel.series, own, strict=True)))

    def at(self, panel: Panel, first: int, end: int) -> Array:
        """Return float64[n_series, end - first]: the effects in weeks of a panel, by number."""
        plans = plans_of(panel, self.numbers, end, expecting=True)[:, first:] - self.usual
        own = np.array([self.own.get(name, self.chain) for name in panel.series])
        effects: Array = np.einsum("swp,sp->sw", np.nan_to_num(plans), own)
        return effects

    def without(self, panel: Panel) -> Panel:
        """Return a panel whose sales are what they were without the effects."""
        return replace(panel, y=panel.y * np.exp(-self.at(panel, 0, panel.n_periods)))


def plans_of(
    panel: Panel, numbers: Mapping[str, PlannedNumber | None], end: int, *, expecting: bool
) -> Array:
    """Return float64[n_series, end, n_plans]: flags, and how far numbers are from the usual.

    NaN where there is no plan, unless `expecting` numbers to be what `PlannedNumber.expected` says.
    """
    found = np.full((panel.n_series, end, len(numbers)), np.nan)
    for place, (name, number) in enumerate(numbers.items()):
        planned = panel.plan.get(name, np.empty((panel.n_series, 0)))
        values = found[:, :, place]
        values[:, : planned.shape[1]] = planned[:, :end]
        if number is not None:
            known = number.expected(values, panel.frequency) if expecting else values
            values[:] = number.away(known, number.usual(planned[:, : panel.n_periods]))
    return found


@dataclass(frozen=True, eq=False)
class PlannedProcess:
    """A process of what plans leave over."""

    process: Process
    effects: PlanEffects

    @cached_property
    def state(self) -> State:
        """See `Process.state`."""
        return {"kind": "planned", "process": self.process.state, **self.effects.state}

    def ahead(self, history: Panel, horizon: int) -> Array:
        """See `Process.ahead`."""
        n = history.n_periods
        rest = self.process.ahead(self.effects.without(history), horizon)
        return rest + self.effects.at(history, n, n + horizon)

    def calendar(self, panel: Panel) -> PlannedProfile:
        """See `Process.calendar`."""
        return PlannedProfile(
            self.process.calendar(self.effects.without(panel)), self.effects, panel
        )


@dataclass(frozen=True, eq=False)
class PlannedProfile:
    """What dates and plans make of log sales.

    `sight`: the panel whose plans are read; None before one was seen.
    """

    profile: Profile
    effects: PlanEffects
    sight: Panel | None = None

    @cached_property
    def state(self) -> State:
        """See `Profile.state`."""
        return {"kind": "planned", "profile": self.profile.state, **self.effects.state}

    def seeing(self, panel: Panel) -> PlannedProfile:
        """See `Profile.seeing`."""
        return replace(self, profile=self.profile.seeing(panel), sight=panel)

    def at(self, series: Sequence[str], periods: Days) -> Array:
        """See `Profile.at`."""
        panel = self.sight
        assert panel is not None, "a profile of plans is asked before it has seen one"  # noqa: S101
        weeks = (periods - panel.periods[0]).astype(int) // panel.frequency.days
        effects = self.effects.at(panel, 0, int(weeks.max(initial=-1)) + 1)
        rows = [panel.positions.get(name, -1) for name in series]
        of = np.vstack([effects, np.zeros_like(effects[:1])])[rows][:, np.maximum(weeks, 0)]
        return self.profile.at(series, periods) + np.where(weeks >= 0, of, 0.0)

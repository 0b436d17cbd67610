"""Daily sales: one regression of log sales on date and plan, for all series of a panel.

Takes panels of days, gives what is expected of the days ahead, and the part of it that dates and
plan make. The level is part of the same regression: it may step every four weeks, so that the last
one is the filtered level of a random walk. numpy only. Must not read sales after the history, nor
the plan after the days it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from sales_forecast.data.panel import Array, Days, Panel
from sales_forecast.features.calendar_effects import State
from sales_forecast.features.daily_design import CONTEXT, Design
from sales_forecast.features.decomposition import log_sales
from sales_forecast.features.shrinkage import (
    CHAIN_STEP,
    Coefficients,
    Floats,
    Spreads,
    Sums,
    blocks,
    estimate,
    solve,
)
from sales_forecast.models.fit_cache import once

_STEP_DAYS = 28


def fit_days(panel: Panel) -> DailyProcess:
    """Estimate how far series differ, and the coefficients, from all of a panel of days."""
    design = Design.of(panel)
    sums = _sums(design, panel)
    found, spreads = estimate(sums, Spreads.usual(len(design.names), panel.n_series))
    usual = np.median(spreads.noise[sums.known > 0]) if sums.known.any() else spreads.noise[0]
    noise = np.where(sums.known > 0, spreads.noise, usual)
    return DailyProcess(
        design, replace(spreads, noise=noise), panel.series, panel.fingerprint, found
    )


def _sums(design: Design, panel: Panel) -> Sums:
    """Read a history: the columns of dates and plan, then the steps of the level."""
    matrix = design.matrix(panel, panel.periods)
    steps = _steps(panel.n_periods)

    def columns(block: slice) -> Floats:
        X = matrix(block)
        return np.concatenate([X, np.broadcast_to(steps, (len(X), *steps.shape))], axis=1)

    return Sums.of(log_sales(panel.y), columns, len(design.names) + len(steps))


def _steps(days: int) -> Floats:
    """Return rows that are 1 until 1, 2, 3 .. steps of the level before the last day."""
    until = np.arange(days - 1 - _STEP_DAYS, 0, -_STEP_DAYS)
    return (np.arange(days) <= until[:, None]).astype(np.float32)


@dataclass(frozen=True, eq=False)
class DailyProcess:
    """The regression, fitted.

    Attributes:
        series: the names of the series that it was fitted to.
        seen: the fingerprint of the panel that it was fitted to.
        found: the coefficients there.
    """

    design: Design
    spreads: Spreads
    series: tuple[str, ...]
    seen: str
    found: Coefficients

    @cached_property
    def state(self) -> State:
        """See `calendar_effects.Process.state`."""
        return {
            "kind": "days",
            "design": self.design.state,
            "spreads": asdict(self.spreads),
            "series": list(self.series),
            "seen": self.seen,
            "found": self.found.state,
        }

    @classmethod
    def restore(cls, state: State) -> Self:
        """Return the process of a state."""
        return cls(
            Design.restore(state["design"]),
            Spreads(**state["spreads"]),
            tuple(state["series"]),
            state["seen"],
            Coefficients(**state["found"]),
        )

    def ahead(self, history: Panel, horizon: int) -> Array:
        """See `calendar_effects.Process.ahead`."""
        profile = _profile(self, history)
        level = profile.found.chain[0] + profile.found.own[:, :1]
        expected = level + profile.at(history.series, history.after(horizon))
        return np.where((history.y > 0).any(axis=1, keepdims=True), expected, np.nan)

    def spread(self, history: Panel, horizon: int) -> Array:
        """See `calendar_effects.Process.spread`: a day's own, and steps of the level."""
        steps = 1 + np.arange(1, horizon + 1) / _STEP_DAYS
        walk = (self.spreads.step + CHAIN_STEP**2) * steps
        return np.sqrt(self._noise(history)[:, None] + walk)

    def calendar(self, panel: Panel) -> PlanProfile:
        """See `calendar_effects.Process.calendar`."""
        return _profile(self, panel)

    def coefficients(self, history: Panel) -> Coefficients:
        """Return what a history says of the columns."""
        if history.fingerprint == self.seen:
            return self.found
        spreads = replace(self.spreads, noise=self._noise(history))
        return solve(_sums(self.design, history), spreads)

    def _noise(self, history: Panel) -> Array:
        """Return float64[n_series]; what is usual for a series that it was not fitted to."""
        noise = np.append(self.spreads.noise, np.median(self.spreads.noise))
        return noise[_rows(self.series, history.series)]


@once
def _profile(process: DailyProcess, panel: Panel) -> PlanProfile:
    return PlanProfile(process.design, process.coefficients(panel), panel.series).seeing(panel)


def _rows(known: Sequence[str], asked: Sequence[str]) -> list[int]:
    """Return the row of each series that is asked for among the known ones; -1 if it is none."""
    positions = {name: row for row, name in enumerate(known)}
    return [positions.get(name, -1) for name in asked]


def _planned_alike(panel: Panel, other: Panel) -> bool:
    """Tell whether two panels begin on a day, with the same series and the same plan."""
    if panel.series != other.series or panel.periods[0] != other.periods[0]:
        return False
    return panel.plan is other.plan or (
        panel.plan.keys() == other.plan.keys()
        and all(
            np.array_equal(values, other.plan[name], equal_nan=True)
            for name, values in panel.plan.items()
        )
    )


def _parts(design: Design, found: Coefficients, panel: Panel, days: Days) -> Array:
    """Return float64[n_series + 1, n] for days in a row: log sales but for the level.

    The last row is that of the chain: what a series does of which nothing is known.
    """
    matrix = design.matrix(panel, days)
    effects = slice(1, len(design.names))  # the level is the first
    chain = found.chain[effects]
    both = chain + found.own[:, effects]
    parts = np.zeros((panel.n_series + 1, len(days)))
    for block in blocks(panel.n_series):
        X = matrix(block)[:, 1:].astype(np.float64)  # single precision has seven digits
        parts[:-1][block] = (both[block, None] @ X)[:, 0]
        parts[-1] += (chain @ X).sum(axis=0) / panel.n_series
    return parts


@dataclass(frozen=True, eq=False)
class _Sight:
    """A panel as a profile sees it.

    Attributes:
        found: the coefficients of its series.
        known: float64[n_series + 1, n_periods], the answer for its days; the chain's is the last.
    """

    panel: Panel
    found: Coefficients
    known: Array


@dataclass(frozen=True, eq=False)
class PlanProfile:
    """What dates and plan make of log sales, series by series.

    Attributes:
        series: the names that the coefficients belong to.
        sight: the panel whose plan is read; None before one was seen.
    """

    design: Design
    found: Coefficients
    series: tuple[str, ...]
    sight: _Sight | None = None

    @cached_property
    def state(self) -> State:
        """See `calendar_effects.Profile.state`."""
        return {
            "kind": "days",
            "design": self.design.state,
            "found": self.found.state,
            "series": list(self.series),
        }

    @classmethod
    def restore(cls, state: State) -> Self:
        """Return the profile of a state."""
        found = Coefficients(**state["found"])
        return cls(Design.restore(state["design"]), found, tuple(state["series"]))

    def seeing(self, panel: Panel) -> PlanProfile:
        """See `calendar_effects.Profile.seeing`. A panel of the same plan is seen already."""
        for seen in (self, *self._last_seen):
            if seen.sight and _planned_alike(panel, seen.sight.panel):
                return seen
        own = np.vstack([self.found.own, np.zeros_like(self.found.own[:1])])
        found = Coefficients(self.found.chain, own[_rows(self.series, panel.series)])
        known = _parts(self.design, found, panel, panel.periods)
        self._last_seen[:] = [replace(self, sight=_Sight(panel, found, known))]
        return self._last_seen[0]

    @cached_property
    def _last_seen(self) -> list[PlanProfile]:
        """The profile with the sight of the last panel: models that share it look once."""
        return []

    def at(self, series: Sequence[str], periods: Days) -> Array:
        """See `calendar_effects.Profile.at`. A series that it does not know has the chain's.

        Days after the panel are seen by the plan up to the last of `periods`.
        """
        sight = self.sight
        assert sight is not None, "a profile of plans is asked before it has seen one"  # noqa: S101
        panel = sight.panel
        at = (periods - panel.periods[0]).astype(int)
        outside = (at < 0) | (at >= panel.n_periods)
        parts = np.empty((panel.n_series + 1, len(periods)))
        parts[:, ~outside] = sight.known[:, at[~outside]]
        if outside.any():
            first = min(int(at[outside].min()), panel.n_periods) - CONTEXT
            days = panel.periods[0] + np.arange(first, int(at.max()) + 1)
            later = _parts(self.design, sight.found, panel, days)
            parts[:, outside] = later[:, at[outside] - first]
        return parts[_rows(panel.series, series)]

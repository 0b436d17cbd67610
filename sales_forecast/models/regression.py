"""Daily sales: one regression of log sales on date and plan, for all series of a panel.

Takes panels of days, gives what is expected of the days ahead, and the part of it that dates and
plan make. The level is part of the same regression: it may step every four weeks, so that the last
one is the filtered level of a random walk. numpy only. Must not read sales after the history, nor
the plan after the days it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sales_forecast.data.panel import Array, Days, Panel
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
    return DailyProcess(design, replace(spreads, noise=noise), panel, found)


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
        seen: the panel that it was fitted to.
        found: the coefficients there.
    """

    design: Design
    spreads: Spreads
    seen: Panel
    found: Coefficients

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
        if history == self.seen:
            return self.found
        spreads = replace(self.spreads, noise=self._noise(history))
        return solve(_sums(self.design, history), spreads)

    def _noise(self, history: Panel) -> Array:
        """Return float64[n_series]; what is usual for a series that it was not fitted to."""
        noise = np.append(self.spreads.noise, np.median(self.spreads.noise))
        return noise[[self.seen.positions.get(name, -1) for name in history.series]]


@once
def _profile(process: DailyProcess, panel: Panel) -> PlanProfile:
    design, found = process.design, process.coefficients(panel)
    return PlanProfile(design, found, panel, _parts(design, found, panel, panel.periods))


def _parts(design: Design, found: Coefficients, panel: Panel, days: Days) -> Array:
    """Return float64[n_series + 1, n] for days in a row: log sales but for the level.

    The last row is that of the chain: what a series does of which nothing is known.
    """
    matrix = design.matrix(panel, days)
    effects = slice(1, len(design.names))  # the level is the first
    chain = found.chain[effects].astype(np.float32)
    both = chain + found.own[:, effects].astype(np.float32)
    parts = np.zeros((panel.n_series + 1, len(days)))
    for block in blocks(panel.n_series):
        X = matrix(block)[:, 1:]
        parts[:-1][block] = (both[block, None] @ X)[:, 0]
        parts[-1] += (chain @ X).sum(axis=0) / panel.n_series
    return parts


@dataclass(frozen=True, eq=False)
class PlanProfile:
    """What dates and plan make of log sales, series by series.

    Attributes:
        panel: what it was learned from, with the plan.
        known: float64[n_series + 1, n_periods], the answer for its days; the chain's is the last.
    """

    design: Design
    found: Coefficients
    panel: Panel
    known: Array

    def at(self, series: Sequence[str], periods: Days) -> Array:
        """See `calendar_effects.Profile.at`. A series that it does not know has that of the chain.

        Days after the panel are seen by the plan up to the last of `periods`.
        """
        panel = self.panel
        at = (periods - panel.periods[0]).astype(int)
        outside = (at < 0) | (at >= panel.n_periods)
        parts = np.empty((panel.n_series + 1, len(periods)))
        parts[:, ~outside] = self.known[:, at[~outside]]
        if outside.any():
            first = min(int(at[outside].min()), panel.n_periods) - CONTEXT
            days = panel.periods[0] + np.arange(first, int(at.max()) + 1)
            later = _parts(self.design, self.found, panel, days)
            parts[:, outside] = later[:, at[outside] - first]
        rows = [panel.positions.get(name, -1) for name in series]
        return parts[rows]

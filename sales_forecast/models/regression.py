"""Daily sales: one regression of log sales on date and plan, for all series of a panel.

Takes panels of days, gives what is expected of the days ahead, and the part of it that dates and
plan make. The level is part of the same regression: it may step every four weeks, so that the last
one is the filtered level of a random walk. numpy only. Must not read sales after the history, nor
the plan after the days it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from sales_forecast.data.panel import Array, Panel
from sales_forecast.features.calendar_effects import State
from sales_forecast.features.cycles import cycle_of_days
from sales_forecast.features.daily_design import Design
from sales_forecast.features.decomposition import log_sales
from sales_forecast.features.shrinkage import (
    Coefficients,
    Floats,
    Spreads,
    Sums,
    estimate,
    solve,
)
from sales_forecast.features.weekday_breaks import WeekdayBreaks
from sales_forecast.models.fit_cache import once
from sales_forecast.models.plan_profile import PlanProfile, parts_of, rows_of

_STEP_DAYS = 28


def fit_days(panel: Panel) -> DailyProcess:
    """Estimate how far series differ, and the coefficients, from all of a panel of days."""
    logs, n_steps = log_sales(panel.y), len(_steps(panel.n_periods))

    def fit(sums: Sums) -> tuple[Coefficients, Spreads]:
        return estimate(sums, Spreads.usual(sums.cross.shape[1] - n_steps, panel.n_series))

    design = Design.of(panel)
    fitted = fit(_sums(design, panel, logs))
    left = _left(design, fitted[0], panel)
    if cycle := cycle_of_days(left):
        design = replace(design, cycle=cycle)
        fitted = fit(_sums(design, panel, logs))
        left = _left(design, fitted[0], panel)
    (found, spreads), breaks = _without_breaks(design, panel, fitted, left, fit)
    known = (panel.y > 0).any(axis=1)
    usual = np.median(spreads.noise[known]) if known.any() else spreads.noise[0]
    spreads = replace(spreads, noise=np.where(known, spreads.noise, usual))
    return DailyProcess(design, spreads, panel.series, panel.past.fingerprint, found, breaks)


def _left(design: Design, found: Coefficients, panel: Panel) -> Array:
    return log_sales(panel.y) - parts_of(design, found, panel, panel.periods)[:-1]


def _without_breaks(
    design: Design,
    panel: Panel,
    fitted: tuple[Coefficients, Spreads],
    left: Array,
    fit: Callable[[Sums], tuple[Coefficients, Spreads]],
) -> tuple[tuple[Coefficients, Spreads], WeekdayBreaks]:
    """Fit again to a history without the breaks of its weekday patterns, which would blur them.

    `left`: what `fitted` leaves of log sales.
    """
    breaks = WeekdayBreaks.of(left, panel.series, panel.periods)
    if breaks.series:
        broken = breaks.at(panel.series, panel.periods)
        fitted = fit(_sums(design, panel, log_sales(panel.y) - broken))
    return fitted, breaks


def _sums(design: Design, panel: Panel, logs: Array) -> Sums:
    """Read a history: the columns of dates and plan, then the steps of the level."""
    matrix = design.matrix(panel, panel.periods)
    steps = _steps(panel.n_periods)

    def columns(block: slice) -> Floats:
        X = matrix(block)
        return np.concatenate([X, np.broadcast_to(steps, (len(X), *steps.shape))], axis=1)

    return Sums.of(logs, columns, len(design.names) + len(steps))


def _steps(days: int) -> Floats:
    """Return rows that are 1 until 1, 2, 3 .. steps of the level before the last day."""
    until = np.arange(days - 1 - _STEP_DAYS, 0, -_STEP_DAYS)
    return (np.arange(days) <= until[:, None]).astype(np.float32)


@dataclass(frozen=True, eq=False)
class DailyProcess:
    """The regression, fitted.

    Attributes:
        series: the names of the series that it was fitted to.
        seen: the fingerprint of the past of the panel that it was fitted to.
        found: the coefficients there, beside the breaks.
        breaks: of weekday patterns there.
    """

    design: Design
    spreads: Spreads
    series: tuple[str, ...]
    seen: str
    found: Coefficients
    breaks: WeekdayBreaks

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
            "breaks": self.breaks.state,
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
            WeekdayBreaks.restore(state.get("breaks")),
        )

    def ahead(self, history: Panel, horizon: int) -> Array:
        """See `calendar_effects.Process.ahead`."""
        profile = _profile(self, history.past).seeing(history)
        level = profile.found.chain[0] + profile.found.own[:, :1]
        expected = level + profile.at(history.series, history.after(horizon))
        return np.where((history.y > 0).any(axis=1, keepdims=True), expected, np.nan)

    def calendar(self, panel: Panel) -> PlanProfile:
        """See `calendar_effects.Process.calendar`."""
        return _profile(self, panel.past).seeing(panel)

    def learned(self, history: Panel) -> tuple[Coefficients, WeekdayBreaks]:
        """Return what a history says of the columns; what is planned after it says nothing."""
        if history.past.fingerprint == self.seen:
            return self.found, self.breaks
        spreads = replace(self.spreads, noise=self._noise(history))

        def fit(sums: Sums) -> tuple[Coefficients, Spreads]:
            return solve(sums, spreads), spreads

        fitted = fit(_sums(self.design, history, log_sales(history.y)))
        left = _left(self.design, fitted[0], history)
        (found, _), breaks = _without_breaks(self.design, history, fitted, left, fit)
        return found, breaks

    def _noise(self, history: Panel) -> Array:
        """Return float64[n_series]; what is usual for a series that it was not fitted to."""
        noise = np.append(self.spreads.noise, np.median(self.spreads.noise))
        return noise[rows_of(self.series, history.series)]


@once
def _profile(process: DailyProcess, past: Panel) -> PlanProfile:
    found, breaks = process.learned(past)
    return PlanProfile(process.design, found, past.series, breaks).seeing(past)

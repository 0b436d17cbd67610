"""What dates and plan make of daily log sales, seen through a panel's plan.

Takes the coefficients of `regression` and panels, gives the calendar part of days, known ones and
those ahead. numpy only. Must not read sales, nor the plan after the days it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from sales_forecast.data.panel import Array, Days, Panel
from sales_forecast.features.calendar_effects import State
from sales_forecast.features.daily_design import CONTEXT, Design
from sales_forecast.features.shrinkage import Coefficients
from sales_forecast.features.tables import blocks
from sales_forecast.features.weekday_breaks import WeekdayBreaks


def rows_of(known: Sequence[str], asked: Sequence[str]) -> list[int]:
    """Return the row of each series that is asked for among the known ones; -1 if it is none."""
    positions = {name: row for row, name in enumerate(known)}
    return [positions.get(name, -1) for name in asked]


def _planned_alike(panel: Panel, other: Panel) -> bool:
    """Tell whether two panels have the same days, the same series and the same plan."""
    if panel is other:
        return True
    if panel.series != other.series or not np.array_equal(panel.periods, other.periods):
        return False
    return panel.plan is other.plan or (
        panel.plan.keys() == other.plan.keys()
        and all(
            np.array_equal(values, other.plan[name], equal_nan=True)
            for name, values in panel.plan.items()
        )
    )


def parts_of(design: Design, found: Coefficients, panel: Panel, days: Days) -> Array:
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
class _Past:
    """The past of a panel as a profile sees it; `found`: the coefficients of its series."""

    design: Design
    found: Coefficients
    panel: Panel

    @cached_property
    def known(self) -> Array:
        """float64[n_series + 1, n_periods], the answer for its days; the chain's is the last."""
        return parts_of(self.design, self.found, self.panel, self.panel.periods)


@dataclass(frozen=True, eq=False)
class _Sight:
    """A panel as a profile sees it."""

    panel: Panel
    past: _Past


@dataclass(frozen=True, eq=False)
class PlanProfile:
    """What dates and plan make of log sales, series by series.

    Attributes:
        series: the names that the coefficients belong to.
        breaks: of weekday patterns, beside the coefficients.
        sight: what it saw last; None before that.
    """

    design: Design
    found: Coefficients
    series: tuple[str, ...]
    breaks: WeekdayBreaks
    sight: _Sight | None = None

    @cached_property
    def state(self) -> State:
        """See `calendar_effects.Profile.state`."""
        return {
            "kind": "days",
            "design": self.design.state,
            "found": self.found.state,
            "series": list(self.series),
            "breaks": self.breaks.state,
        }

    @classmethod
    def restore(cls, state: State) -> Self:
        """Return the profile of a state."""
        found = Coefficients(**state["found"])
        breaks = WeekdayBreaks.restore(state.get("breaks"))
        return cls(Design.restore(state["design"]), found, tuple(state["series"]), breaks)

    def seeing(self, panel: Panel) -> PlanProfile:
        """See `calendar_effects.Profile.seeing`. A past of the same plan is seen already."""
        past = panel.past
        for seen in (self.sight.past if self.sight else None, *self._last_seen):
            if seen and _planned_alike(past, seen.panel):
                return replace(self, sight=_Sight(panel, seen))
        own = np.vstack([self.found.own, np.zeros_like(self.found.own[:1])])
        found = Coefficients(self.found.chain, own[rows_of(self.series, panel.series)])
        looked = _Past(self.design, found, past)
        self._last_seen[:] = [looked]
        return replace(self, sight=_Sight(panel, looked))

    @cached_property
    def _last_seen(self) -> list[_Past]:
        """The last one: models that share a profile look once."""
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
        if not outside.all():
            parts[:, ~outside] = sight.past.known[:, at[~outside]]
        if outside.any():
            first = int(at[outside].min()) - CONTEXT
            days = panel.periods[0] + np.arange(first, int(at.max()) + 1)
            later = parts_of(self.design, sight.past.found, panel, days)
            parts[:, outside] = later[:, at[outside] - first]
        at_each: Array = parts[rows_of(panel.series, series)]
        return at_each + self.breaks.at(series, periods)

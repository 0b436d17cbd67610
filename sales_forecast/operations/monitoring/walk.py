"""What a model would have said of every week of a history, one week ahead.

Takes a panel and a forecaster, gives what was expected, by the backtest's own walk: refitted every
four weeks, and never told a later week. Parts of the walk run side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sales_forecast.compute.engine import LONG_TASKS
from sales_forecast.data.calendar import DAYS_PER_WEEK, SATURDAY
from sales_forecast.data.forecasts.week_ahead import WeekAhead
from sales_forecast.data.frequency import DAILY, SEASON_LENGTH
from sales_forecast.data.panel import Array, Panel
from sales_forecast.errors import NotEnoughData
from sales_forecast.evaluation.backtest import REFIT_WEEKS, backtest
from sales_forecast.evaluation.protocols import MIN_WEEKS, RollingOrigin
from sales_forecast.evaluation.scoring import with_quantiles
from sales_forecast.models.base import Forecaster
from sales_forecast.models.fit_cache import fit_once, forget
from sales_forecast.operations.monitoring.rules import WARM_UP

_FIRST_FIT = SEASON_LENGTH + 4
"""Weeks that a model has seen when it is first asked: a year, and some that tell it from chance."""


@dataclass(frozen=True, eq=False)
class Walk:
    """A whole history, walked through.

    Attributes:
        panel: the sales; of days six more than are walked through.
        first: how many periods the first fit saw; refits follow every four weeks.
        raw: float64[n_series, n_periods], what the model said before intervals were measured.
        expected: what it would have been answered with.
    """

    panel: Panel
    forecaster: Forecaster
    first: int
    raw: Array
    expected: WeekAhead

    @property
    def week(self) -> int:
        """Periods of a week."""
        return self.panel.frequency.a_week

    @property
    def end(self) -> int:
        """How many periods are walked through, those before the first fit among them."""
        return _end(self.panel)

    def refit_before(self, period: int) -> int:
        """Return how many periods the fit saw that answers for a period."""
        month = REFIT_WEEKS * self.week
        return self.first + (period - self.first) // month * month


def walk(panel: Panel, forecaster: Forecaster, progress: Callable[[str], None]) -> Walk:
    """Walk through a history. Raises NotEnoughData with the numbers."""
    panel = _for_whole_weeks(panel)
    first = _first_fit(panel, forecaster)
    week = panel.frequency.a_week
    end, month = _end(panel), REFIT_WEEKS * week
    every = (
        Part(panel, forecaster, start, min(start + month, end))
        for start in range(first, end, month)
    )
    parts = [part for part in every if part.can_be_judged]
    if not parts:
        raise NotEnoughData(
            f"A replay asks for the weeks after the first {first // week}, and no series has sales "
            "in these as well as before. Load more."
        )
    tables = mapped(said, parts, "walking through the history", progress)
    table = pd.concat(tables, ignore_index=True)
    progress("measuring the intervals")
    measured = with_quantiles(table, panel)
    name = forecaster.name
    ends = name, f"{name}_lo_80", f"{name}_hi_80", f"{name}_mean"
    expected = WeekAhead(*(dense(panel, measured, measured[end].to_numpy()) for end in ends))
    return Walk(panel, forecaster, first, raw(panel, table, name), expected)


def _end(panel: Panel) -> int:
    return panel.n_periods - (panel.frequency.a_week - 1)


def _for_whole_weeks(panel: Panel) -> Panel:
    """Return a panel so that the cutoffs of `said` are ends of weeks: of days, until a Saturday.

    `RollingOrigin` leaves as many periods after its last window as a step has beyond one.
    """
    if panel.frequency != DAILY:
        return panel
    over = (panel.last.weekday() - SATURDAY) % DAYS_PER_WEEK
    return panel.until(panel.periods[-1] - np.timedelta64(over, "D"))


@dataclass(frozen=True)
class Part:
    """Some weeks of a walk: those after the first `start` periods, of `stop` in all."""

    panel: Panel
    forecaster: Forecaster
    start: int
    stop: int

    @property
    def can_be_judged(self) -> bool:
        """Whether it has sales of a series that sold something before: whole months may have none.

        What nobody knows is no error, so a gap in the history is passed over.
        """
        sold = (self.panel.y[:, : self.start] > 0).any(axis=1)
        return bool((~np.isnan(self.panel.y[sold, self.start : self.stop])).any())


def said(part: Part) -> pd.DataFrame:
    """Return the backtest table of a part, the model fitted first at its start.

    Fits are not remembered: to a process that works on parts each comes with a panel of its own,
    and with some of them it would hold more than joblib lets it.
    """
    week = part.panel.frequency.a_week
    known = part.panel.until(part.panel.periods[part.stop + week - 2])
    weekly = RollingOrigin(horizon=week, windows=(part.stop - part.start) // week, step=week)
    try:
        return backtest(known, [part.forecaster], weekly)
    finally:
        forget()


def mapped(
    work: Callable[[Part], pd.DataFrame],
    parts: list[Part],
    what: str,
    progress: Callable[[str], None],
) -> list[pd.DataFrame]:
    """Return the work on every part, some of them side by side."""
    found: list[pd.DataFrame] = []
    at_once = 4
    for start in range(0, len(parts), at_once):
        progress(f"{what}: part {start + 1} of {len(parts)}")
        found += LONG_TASKS.map(work, parts[start : start + at_once])
    return found


def raw(panel: Panel, table: pd.DataFrame, model: str) -> Array:
    """Return float64[n_series, n_periods]: what a backtest table says, chances of sale included."""
    values = table[model].to_numpy()
    if f"{model}_chance" in table:
        values = values * table[f"{model}_chance"].fillna(1.0).to_numpy()
    return dense(panel, table, values)


def dense(panel: Panel, table: pd.DataFrame, values: Array) -> Array:
    """Return values of a table as float64[n_series, n_periods]; NaN where it has no row."""
    rows = [panel.positions[name] for name in table["unique_id"]]
    found = np.full(panel.y.shape, np.nan)
    found[rows, np.searchsorted(panel.periods, table["ds"].to_numpy())] = values
    return found


def _first_fit(panel: Panel, forecaster: Forecaster) -> int:
    """Return how many periods the first fit sees: whole weeks, as few as the model can do with."""
    week = panel.frequency.a_week
    end = _end(panel)
    n_weeks = end // week
    refused: NotEnoughData | None = None
    for weeks in (_FIRST_FIT, MIN_WEEKS):
        if n_weeks - weeks <= WARM_UP:
            break
        first = end - (n_weeks - weeks) * week
        try:
            fit_once(forecaster, panel.until(panel.periods[first - 1]))
        except NotEnoughData as error:
            refused = error
            continue
        return first
    if refused:
        raise NotEnoughData(
            f"A replay begins with a fit to the first {MIN_WEEKS} weeks at the latest. "
            f"{refused.message} Or name another model by --model.",
            refused.fields,
        )
    raise NotEnoughData(
        f"A replay of {forecaster.name} needs {_FIRST_FIT} weeks of sales for its first fit and "
        f"{WARM_UP} more before any is judged; there are {n_weeks}. Load more, or name another "
        "model by --model.",
        {"weeks": n_weeks, "needed": _FIRST_FIT + WARM_UP + 1},
    )

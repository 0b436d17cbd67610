"""What callers must know of an answer, whatever they told of the period: of a series, of intervals.

Takes a panel and prepared answers, gives sentences. Must not know covariates or HTTP.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sales_forecast.data.panel import Panel
from sales_forecast.models.ages import NEW, OLD
from sales_forecast.prediction.cautions import cautions, of_intervals
from sales_forecast.service.answers import Answers


class Warned:
    """The warnings of one panel. `of_all`: what is said of every answer."""

    def __init__(self, panel: Panel, answers: Answers, of_all: Sequence[str]) -> None:
        self._panel = panel
        self._answers = answers
        self._of_all = tuple(of_all)
        self._cautions = cautions(panel)

    def of_series(self, row: int, period: int) -> tuple[str, ...]:
        """Return what must be said of all answers, and of a series as it was known by a period."""
        caution = self._caution(self._panel.series[row], period)
        return self._of_all if caution is None else (*self._of_all, caution)

    def of_intervals(self, model: str, row: int, steps: int) -> Iterator[str]:
        """Say from which step on the intervals of a model are extrapolated."""
        measured = self._answers.ahead.measured(model, row)
        return of_intervals(steps, measured, self._panel.frequency.unit)

    def _caution(self, name: str, period: int) -> str | None:
        panel = self._panel
        if period >= panel.n_periods:
            return self._cautions.get(name)
        age = self._answers.age(panel.positions[name], period)
        if age == OLD and name not in self._cautions:
            return None
        among = panel if age == NEW else panel.select([name])  # peers are named where they answer
        return cautions(among.until(panel.periods[period - 1])).get(name)

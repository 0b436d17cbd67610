"""What callers must know of an answer, whatever they told of the period: of a series, of intervals.

Takes a panel and prepared answers, gives sentences. Must not know covariates or HTTP.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sales_forecast.data.frequency import counted
from sales_forecast.data.panel import Panel
from sales_forecast.models.ages import NEW, OLD
from sales_forecast.prediction.cautions import cautions, of_intervals
from sales_forecast.service.answers import Answers


class Warned:
    """The warnings of one panel.

    `of_all`: what is said of every answer. `most_steps`: how far ahead models know.
    """

    def __init__(
        self, panel: Panel, answers: Answers, of_all: Sequence[str], most_steps: int
    ) -> None:
        self._panel = panel
        self._most_steps = most_steps
        self._answers = answers
        self._of_all = tuple(of_all)
        self._cautions = cautions(panel)

    def of_series(self, row: int, period: int) -> tuple[str, ...]:
        """Return what must be said of all answers, and of a series as it was known by a period."""
        caution = self._caution(self._panel.series[row], period)
        return self._of_all if caution is None else (*self._of_all, caution)

    def of_distance(
        self, shown: str, called: str, step: int, *, year_ago_known: bool
    ) -> Iterator[str]:
        """Say what a period is too far from, of a series and a period as they are shown.

        `year_ago_known`: whether sales of that season are, in the last year that is known.
        """
        if step > self._most_steps:
            yield (
                f"The {called} is {counted(step, self._panel.frequency.unit)} after the last known "
                f"one ({self._panel.last}), more than the {self._most_steps} that the models know"
                f"{': answered from the same season of the last known year' * year_ago_known}."
            )
        if not year_ago_known:
            yield (
                f"Sales of {shown} a year before the {called} are not known: answered from what it "
                "sold last."
            )

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

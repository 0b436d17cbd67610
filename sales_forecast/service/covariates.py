"""What a question's covariates were taken to be, and what must be said of them.

Takes a panel and what a caller told, gives values with where they came from, and warnings. Must not
know models.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sales_forecast.data.panel import Panel
from sales_forecast.data.spec import PanelSpec
from sales_forecast.features.features import outlook
from sales_forecast.service.answers import Answers

SUPPLIED, PLANNED, NOT_USED = "supplied", "planned", "not used"
Told = Sequence[float | None]
"""Values in the order of `Forms.covariates`; None for one that was left out."""


@dataclass(frozen=True)
class UsedCovariate:
    """What an answer took a covariate to be, and where that came from."""

    value: float | None
    source: str


class Covariates:
    """Those of one panel. `ranges`: name -> what the models saw of it in training."""

    def __init__(
        self,
        panel: Panel,
        spec: PanelSpec,
        ranges: Mapping[str, tuple[float, float]],
        answers: Answers,
    ) -> None:
        self._panel = panel
        self._spec = spec
        self._answers = answers
        self._ranges = [
            (position, of.column, *ranges[of.name])
            for position, of in enumerate(spec.past)
            if of.name in ranges
        ]

    @property
    def planned_ahead(self) -> int | None:
        """How many periods after the history have a plan; None where nothing is planned."""
        ahead = [
            values.shape[1] - self._panel.n_periods
            for name, values in self._panel.plan.items()
            if name != self._spec.by_calendar
        ]
        return min(ahead) if ahead else None

    def unusual(self, told: Told) -> Iterator[str]:
        """Say of what was observed which values no model has seen."""
        for position, name, low, high in self._ranges:
            value = told[position]
            if value is not None and not low <= value <= high:
                yield (
                    f"{name} {value:g} is outside what the models were trained on "
                    f"({low:g} to {high:g})."
                )

    def planned_otherwise(self, row: int, period: int, told: Told) -> Iterator[str]:
        """Say of what a caller knows better than the plan that the plan is what counts."""
        for of, value in zip(self._spec.future, told[len(self._spec.past) :], strict=True):
            planned = self._planned(of.name, row, period)
            if value is not None and value != planned:
                found = "nothing is planned" if planned is None else f"{planned:g} is planned"
                yield (
                    f"{of.column} {value:g}: {found}, and the plan is what was used. Load the plan "
                    "to change it."
                )

    def used(self, row: int, period: int, told: Told) -> Iterator[tuple[str, UsedCovariate]]:
        """Yield column -> what was used, and whether it was supplied, expected (how) or planned."""
        expected = self._answers.expected(row, period)
        for position, of in enumerate(self._spec.past):
            value = told[position]
            if expected is None:
                yield of.column, UsedCovariate(value, NOT_USED)
            elif value is not None:
                yield of.column, UsedCovariate(value, SUPPLIED)
            else:
                guess = expected[position]
                known = None if math.isnan(guess) else guess
                yield of.column, UsedCovariate(known, outlook(self._panel, of.name))
        for of in self._spec.future:
            yield of.column, UsedCovariate(self._planned(of.name, row, period), PLANNED)

    def _planned(self, name: str, row: int, period: int) -> float | None:
        values = self._panel.plan.get(name)
        if values is None or period >= values.shape[1] or math.isnan(values[row, period]):
            return None
        return float(values[row, period])

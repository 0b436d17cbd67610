"""What a question's covariates were taken to be, and what must be said of them.

Takes a panel and what a caller told, gives values with where they came from, and warnings. Must not
know models.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sales_forecast.data.calendar import holiday_flags
from sales_forecast.data.frequency import WEEKLY
from sales_forecast.data.numerals import numeral
from sales_forecast.data.panel import Array, Panel
from sales_forecast.data.spec import PanelSpec
from sales_forecast.errors import InvalidRequest
from sales_forecast.features.conditions import outlook
from sales_forecast.features.planned_numbers import planned_range
from sales_forecast.service.answers import Answers

SUPPLIED, PLANNED, NOT_USED, NOT_KNOWN = "supplied", "planned", "not used", "not known"
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
            (position, of.column, ranges.get(of.name))
            for position, of in enumerate(spec.past)
            if of.name != spec.holiday
        ]
        names = [of.name for of in spec.past]
        # The holidays of an own layout may be of any country.
        ours = spec.frequency == WEEKLY and not spec.is_own and spec.holiday in names
        self._flag = names.index(str(spec.holiday)) if ours else None
        self._holidays = self._flags(0, panel.n_periods + panel.frequency.a_year)
        self._end = panel.n_periods + answers.horizon
        self._plans = [
            (place, of.name, panel.plan[of.name])
            for place, of in enumerate(spec.future, start=len(spec.past))
            if of.name in panel.plan
        ]
        # Those of all: a series without a plan of its own has none that could end.
        ends = [_planned_until(of) for name, of in panel.plan.items() if name != spec.by_calendar]
        self._plan_ends = np.min(ends, axis=0).tolist() if ends else None

    def against_the_calendar(self, period: int, told: Told) -> str | None:
        """Return how the flag of a holiday differs from the calendar, which the models go by."""
        if self._flag is None or (value := told[self._flag]) is None:
            return None
        if period < len(self._holidays):
            known = self._holidays[period]
        else:
            (known,) = self._flags(period, period + 1)
        if value == known:
            return None
        says = "has a holiday" if known else "has no holiday"
        column = self._spec.past[self._flag].column
        return (
            f"{column} {numeral(value)}: the calendar {says} in this week, and the models go by it."
        )

    def _flags(self, first: int, end: int) -> list[float]:
        weeks = np.arange(first, end) * np.timedelta64(self._panel.frequency.days, "D")
        return holiday_flags(self._panel.periods[0] + weeks).tolist()

    def unplanned(self, row: int, period: int, told: Told = ()) -> Iterator[str]:
        """Say of a period after the history what of it is not planned, or not as supplied.

        `told`: what a caller supplies of that period, which is a plan, too.
        """
        supplied = dict(zip(self._spec.future, told[len(self._spec.past) :], strict=False))
        if period >= self._end:
            for of, value in supplied.items():
                if value is not None:
                    yield f"{of.column} {numeral(value)} is not used: no plan counts so far ahead."
        elif supplied and all(
            value is not None or of.name == self._spec.by_calendar for of, value in supplied.items()
        ):
            return
        n_periods = self._panel.n_periods
        if self._plan_ends is None or period < max(n_periods, self._plan_ends[row]):
            return
        days = self._panel.frequency.days * (self._plan_ends[row] - 1)
        until = self._panel.periods[0] + np.timedelta64(days, "D")
        yield f"The plan ends with {until}: what comes after is expected as usual."

    def unusual(self, model: str, told: Told) -> Iterator[str]:
        """Say of what was observed which values a model that looks at them has never seen."""
        for position, name, seen in self._ranges if self._answers.uses_conditions(model) else ():
            value = told[position]
            if value is None:
                continue
            if seen is None:
                unused = "changes nothing: the models were trained without any."
                yield f"{name} {numeral(value)} {unused}"
            elif not seen[0] <= value <= seen[1]:
                yield (
                    f"{name} {numeral(value)} is outside what the models were trained on "
                    f"({numeral(seen[0])} to {numeral(seen[1])})."
                )

    def otherwise(self, row: int, period: int, told: Told) -> dict[str, float]:
        """Return what a caller supplies that is planned otherwise, by name; nothing too far off."""
        if period >= self._end:
            return {}
        changed = {}
        for place, name, planned in self._plans:
            value = told[place]
            # What is not planned is NaN, which differs from any number.
            if value is not None and (period >= planned.shape[1] or planned[row, period] != value):
                changed[name] = value
        return changed

    def unmeasured(
        self, row: int, changed: Mapping[str, float], usual: float, found: float
    ) -> Iterator[str]:
        """Say of what was supplied for a plan what no effect was measured of.

        `usual`, `found`: sales by the plan as it is, and by what was supplied.
        """
        for of in self._spec.future:
            if (value := changed.get(of.name)) is None:
                continue
            low, high = planned_range(self._panel.past.plan[of.name], row)
            told = f"{of.column} {numeral(value)}"
            outside = f"outside what was planned before ({numeral(low)} to {numeral(high)})."
            is_outside = low < high and not low <= value <= high
            if not usual and not found:
                yield f"{told} changes nothing: nothing is sold then."
            elif usual == found and is_outside:
                yield f"{told} changes nothing: it is {outside}"
            elif usual == found:
                yield f"{told} changes nothing: no effect of it on this series was measured then."
            elif not low < high and value != low:
                known = "nothing" if math.isnan(low) else f"always {numeral(low)}"
                yield f"{told}: {known} was planned of it before, so no effect of it was measured."
            elif is_outside:
                yield f"{told} is {outside}"

    def too_far(self, row: int, changed: Mapping[str, float]) -> InvalidRequest:
        """Return the refusal of what was supplied for a plan, where sales would have no bounds."""
        wrong = {}
        for of in self._spec.future:
            low, high = planned_range(self._panel.past.plan[of.name], row)
            value = changed.get(of.name, low)
            if not low <= value <= high:
                near = f"{numeral(low)} to {numeral(high)}"
                wrong[of.column] = (
                    f"must be near what was planned before ({near}), not {numeral(value)}"
                )
        return InvalidRequest(" ".join(f"{name} {of}." for name, of in wrong.items()), wrong)

    def used(
        self, model: str, row: int, period: int, told: Told
    ) -> Iterator[tuple[str, UsedCovariate]]:
        """Yield column -> what was used, and whether it was supplied, expected (how) or planned."""
        if self._spec.required:
            return  # all are told: there is nothing to say of where they came from
        expected = self._answers.expected(model, row, period)
        year_ago_known = self._answers.year_ago_known(model, row, period)
        for position, of in enumerate(self._spec.past):
            value = told[position]
            if expected is None:
                yield of.column, UsedCovariate(value, NOT_USED)
            elif value is not None:
                yield of.column, UsedCovariate(value, SUPPLIED)
            else:
                guess = expected[position]
                if math.isnan(guess):
                    yield of.column, UsedCovariate(None, NOT_KNOWN)
                else:
                    source = outlook(self._panel, of.name, year_ago_known=year_ago_known)
                    yield of.column, UsedCovariate(guess, source)
        for of, value in zip(self._spec.future, told[len(self._spec.past) :], strict=True):
            if value is not None:
                counts = period < self._end and of.name in self._panel.plan
                yield of.column, UsedCovariate(value, SUPPLIED if counts else NOT_USED)
            else:
                planned = self._planned(of.name, row, period)
                yield of.column, UsedCovariate(planned, NOT_KNOWN if planned is None else PLANNED)

    def _planned(self, name: str, row: int, period: int) -> float | None:
        values = self._panel.plan.get(name)
        if values is None or period >= values.shape[1]:
            return None
        value: float = values[row, period].item()
        return None if math.isnan(value) else value


def _planned_until(plan: Array) -> npt.NDArray[np.int64]:
    """Return int64[n_series]: how many periods a plan has; the end of all of it without any."""
    known = ~np.isnan(plan[:, ::-1])
    return plan.shape[1] - np.where(known.any(axis=1), known.argmax(axis=1), 0)

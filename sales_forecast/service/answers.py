"""What a bundle says of a panel, prepared for single questions.

Takes a bundle and a panel, gives numbers for a series, a period and conditions: those of the one
way to a forecast, looked up. What depends on conditions is computed when it is asked. Must not know
dates, warnings or HTTP.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, NamedTuple

import numpy as np

from sales_forecast.bundles.bundle import Bundle
from sales_forecast.data.panel import Panel
from sales_forecast.features.passing import usual
from sales_forecast.models.ages import AGES, age_numbers, weeks_known_then
from sales_forecast.models.fitted.blends import Blend, with_parts
from sales_forecast.models.fitted.regressor import FittedRegressor
from sales_forecast.models.naive import Baseline
from sales_forecast.service.ahead import MIDDLE, QUANTILES, Ahead, Ends, asked_of, or_none
from sales_forecast.service.past import Past
from sales_forecast.service.rows import Rows


class Estimate(NamedTuple):
    """The answer for one period, in units of sales; NaN where nothing was sold before it."""

    prediction: float
    """The median."""
    members: Mapping[str, float]
    """What made it, by model: itself alone, if it is not made of others."""
    mean: float
    ends: Mapping[int, Ends]
    """Level -> both ends of the interval; None where too little was measured."""


class Answers:
    """A bundle beside a panel.

    Attributes:
        horizon: the periods ahead that are prepared.
        ahead: what is said of them.
    """

    def __init__(self, bundle: Bundle, panel: Panel, horizon: int, *, past: bool = True) -> None:
        """Prepare everything that does not depend on a request.

        `past`: whether questions within the history are prepared, too.
        """
        self.horizon = horizon
        self._panel = panel
        self._parts = with_parts(bundle.models)
        self.ahead = ahead = Ahead(bundle, self._parts, panel, horizon)
        self._expected, self._spreads, self._factors = ahead.expected, ahead.spreads, ahead.factors
        self._regressors = [of for of in self._parts.values() if isinstance(of, FittedRegressor)]
        told = {of.name for of in self._regressors}
        self._n_periods = panel.n_periods
        self._blends = {name: of for name, of in self._parts.items() if isinstance(of, Blend)}
        self._order = {name: tuple(with_parts({name: of})) for name, of in bundle.models.items()}
        self._names = {
            name: tuple(of.members) if isinstance(of, Blend) else (name,)
            for name, of in bundle.models.items()
        }
        self._told = {name: bool(told & {name, *self._names[name]}) for name in bundle.models}
        # What a regressor says of one row is told by `Rows`; blends are put together of the rest.
        self._alone = {
            name: of
            for name, of in self._parts.items()
            if name not in self._blends and name not in told
        }
        self._past = Past(self._parts, self._alone, self._regressors, panel)
        self._nothing_passed = usual(panel) is panel
        past &= self._nothing_passed
        self._rows = Rows(self._regressors, panel, horizon, past=past) if told else None
        sold = panel.y > 0
        self._first_sale = np.where(sold.any(axis=1), sold.argmax(axis=1), panel.n_periods).tolist()
        self._age = age_numbers(weeks_known_then(panel))
        self._closed = next(iter(self._expected.values())).chance == 0
        self._certain = not (panel.y == 0).any() and panel.open is None

    def within(self, panel: Panel) -> Answers:
        """Return answers to questions within the history, of which another plan is known.

        `panel`: the same, but for its plan.
        """
        found = copy(self)
        found._panel = panel  # noqa: SLF001 - its own
        found._past = Past(self._parts, self._alone, self._regressors, panel)  # noqa: SLF001
        found._nothing_passed = usual(panel) is panel  # noqa: SLF001
        if self._rows is not None:
            found._rows = Rows(self._regressors, panel, 1, past=False)  # noqa: SLF001
        return found

    def is_prepared(self, model: str, row: int, period: int) -> bool:
        """Tell whether no model has to be asked about a whole pool first."""
        origin, step = self._place(period)
        if step:
            return True
        if self._first_sale[row] > origin:
            return self._past.knows_all(origin)
        by_row = self._certain and self._alone.keys().isdisjoint(self._order[model])
        pool_known = by_row or self._past.knows_pool(origin, row)
        rows_known = self._nothing_passed or self._past.knows_rows(origin)
        return pool_known and (rows_known or not self._told[model])

    def estimate(
        self, model: str, row: int, period: int, conditions: Sequence[float] | None
    ) -> Estimate:
        """Estimate period `period` >= 1, as known the one before, or at the end of the history."""
        origin, step = self._place(period)
        at = self._within(step) - 1 if step else 0
        values: dict[str, Any] = {}  # numbers are combined as arrays are
        if self._first_sale[row] > origin:
            all_said = self._expected if step else self._past.of_all(origin)
            values = {name: all_said[name].if_sold[row, at].item() for name in self._names[model]}
            values[model] = all_said[model].if_sold[row, at].item()
        elif (rows := self._rows_for(origin, step)) is not None:
            values.update(rows.answer(row, period, conditions))
        for name in self._order[model]:
            if name not in values:
                blend = self._blends.get(name)
                if blend is not None:
                    values[name] = float(blend.combine(values))
                else:
                    said, place = (
                        (self._expected, row) if step else self._past.of_pool(origin, row)[:2]
                    )
                    values[name] = said[name].if_sold[place, at].item()
        factors, likely = self._factors_of(model, row, origin, step, at)
        if_sold, middle = values[model], factors[MIDDLE]
        low_95, low_80, median, high_80, high_95 = (if_sold * factor for factor in factors)
        parts = {name: values[name] * middle for name in self._names[model]}
        ends = {80: or_none(low_80, high_80), 95: or_none(low_95, high_95)}
        return Estimate(median, parts, self._spreads[model].mean * likely * if_sold, ends)

    def year_ago_known(self, model: str, row: int, period: int) -> bool:
        """Return whether sales a year before a period are known, if a model starts from them."""
        if self._asks_no_model(row, period):
            return True
        rows = self._rows_for(*self._place(period)) if self._told[model] else None
        if rows is not None:
            return rows.year_ago_known(row, period)
        if not isinstance(self._parts[model], Baseline):
            return True
        origin, _ = self._place(period)
        season = self._panel.frequency.season
        year_ago = period - season * -(-(period - origin) // season)
        return year_ago >= 0 and not math.isnan(self._panel.y[row, year_ago])

    def _asks_no_model(self, row: int, period: int) -> bool:
        """Tell a series that sold nothing yet, and a day that is closed, from all others."""
        origin, step = self._place(period)
        shut = step > 0 and bool(self._closed[row, self._within(step) - 1])
        return shut or self._first_sale[row] > origin

    def among(self, model: str, row: int) -> Sequence[str]:
        """Return the series that a model looks at to forecast one: its pool, a regressor all.

        So does whoever looks for the peers of a series that sold nothing yet.
        """
        new = self._first_sale[row] >= self._n_periods
        return self._panel.series if new or self._told[model] else self._past.pool(row)

    def age(self, row: int, period: int) -> str:
        """Return what is known of a series at the origin of a question, one of `AGES`."""
        return AGES[self._age[row, self._place(period)[0]]]

    def uses_conditions(self, model: str) -> bool:
        """Return whether a model that answers, or one that it is made of, looks at conditions."""
        return self._told[model]

    def expected(self, model: str, row: int, period: int) -> list[float] | None:
        """Return what is expected of the conditions of a period; None where they are not used."""
        rows = self._rows_for(*self._place(period)) if self._told[model] else None
        return None if rows is None else rows.expected(row, period)

    def _rows_for(self, origin: int, step: int) -> Rows | None:
        if step or self._nothing_passed or self._rows is None:
            return self._rows
        return self._past.rows(origin)

    def _factors_of(
        self, model: str, row: int, origin: int, step: int, at: int
    ) -> tuple[list[float], float]:
        """Return the factors of `QUANTILES` in one period, and how likely anything is sold."""
        step, chance = max(step, 1), self._chance(model, row, origin, step, at)
        age = self._age[row, origin]
        likely = float(self._expected[model].chance[row, at] if chance is None else chance)
        if step <= self.horizon and age == self._age[row, -1] and chance is None:
            found: list[float] = self._factors[model][row, step - 1].tolist()
        else:
            rows = asked_of(self._panel, row, age, np.array([step]), np.array([likely]))
            found = self._spreads[model].factors(QUANTILES, rows)[0].tolist()
        return found, likely

    def _chance(self, model: str, row: int, origin: int, step: int, at: int) -> float | None:
        """Return how likely anything was sold in a past period; None where that is prepared."""
        if step or self._certain:
            return None
        said, place, chance = self._past.of_pool(origin, row)
        chances = said[model].chance if model in said else chance
        return float(chances[place, at])

    def _place(self, period: int) -> tuple[int, int]:
        """Return the origin of a question, and the step after the history; 0 within it."""
        n = self._n_periods
        return min(period, n) - 1, max(period - n + 1, 0)

    def _within(self, step: int) -> int:
        """Return a step that is prepared: of a later one, that of the same season."""
        season = self._panel.frequency.season
        beyond = max(step - self.horizon, 0)
        return step - -(-beyond // season) * season

"""What a bundle says of a panel, prepared for single questions.

Takes a bundle and a panel, gives numbers for a series, a period and conditions: those of the one
way to a forecast, looked up. What depends on conditions is computed when it is asked. Must not know
dates, warnings or HTTP.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sales_forecast.bundles.bundle import Bundle
from sales_forecast.data.panel import Array, Panel
from sales_forecast.models.fitted.blends import Blend, with_parts
from sales_forecast.models.fitted.regressor import FittedRegressor
from sales_forecast.models.intervals import AGES, LEVELS, age_numbers, weeks_known_then
from sales_forecast.models.naive import Baseline
from sales_forecast.prediction.forecast import closed, ends, forecast
from sales_forecast.service.rows import Rows

Ends = tuple[float, float] | None


class Estimate(NamedTuple):
    """The answer for one period, in units of sales; NaN where nothing was sold before it."""

    prediction: float
    members: Mapping[str, float]
    """What made it, by model: itself alone, if it is not made of others."""


class Answers:
    """A bundle beside a panel.

    Attributes:
        horizon: the periods ahead that are prepared.
    """

    def __init__(self, bundle: Bundle, panel: Panel, horizon: int) -> None:
        """Prepare everything that does not depend on a request."""
        self.horizon = horizon
        self._panel = panel
        self._intervals = bundle.intervals
        self._parts = with_parts(bundle.models)
        self._ahead = forecast(self._parts, panel, horizon)
        self._shut = closed(panel, horizon)
        regressors = [of for of in self._parts.values() if isinstance(of, FittedRegressor)]
        told = {of.name for of in regressors}
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
        self._pools = [rows for _, rows, _ in panel.pools()]
        self._place_in_pool = np.empty((panel.n_series, 2), dtype=np.int64)
        for number, rows in enumerate(self._pools):
            self._place_in_pool[rows] = np.column_stack(
                [np.full(len(rows), number), np.arange(len(rows))]
            )
        self._rows = Rows(regressors, panel, horizon) if regressors else None
        sold = panel.y > 0
        self._first_sale = np.where(sold.any(axis=1), sold.argmax(axis=1), panel.n_periods).tolist()
        self._age = age_numbers(weeks_known_then(panel))
        ones = np.ones((panel.n_series, horizon))
        # float64[n_series, horizon, levels, 2] by model: side by side what is asked for together.
        self._factors = {
            model: np.stack(
                [np.stack(both, axis=2) for both in ends(of, panel, ones).values()], axis=2
            )
            for model, of in bundle.intervals.items()
            if model in bundle.models
        }
        self._past_of_all: dict[int, Mapping[str, Array]] = {}
        self._past_of_pool: dict[tuple[int, int], Mapping[str, Array]] = {}

    def ahead(self, model: str, row: int, steps: int) -> list[float]:
        """Return what a model that answers expects of a series in the steps 1..steps."""
        sales: list[float] = self._ahead[model][row, :steps].tolist()
        return sales

    def sales(self, model: str) -> Array:
        """Return float64[n_series, horizon]: what a model that answers expects of all series."""
        return self._ahead[model]

    def ends_ahead(self, model: str, level: int, row: int, steps: int) -> list[Ends]:
        """Return both ends of what a series may sell in the steps 1..steps."""
        factors = self._factors.get(model)
        if factors is None:
            return [None] * steps
        sales = self._ahead[model][row, :steps, None]
        both = np.sort(factors[row, :steps, LEVELS.index(level)] * sales, axis=1)
        return [None if math.isnan(low) else (low, high) for low, high in both.tolist()]

    def measured(self, model: str, row: int) -> int | None:
        """Return the last step at which intervals of a series were measured; None if it has none.

        Beyond it they are extrapolated.
        """
        if model not in self._intervals:
            return None
        of = self._intervals[model].of_age.get(AGES[self._age[row, -1]])
        return None if of is None else of.steps

    def estimate(
        self, model: str, row: int, period: int, conditions: Sequence[float] | None
    ) -> Estimate:
        """Estimate period `period` >= 1, as known the one before, or at the end of the history."""
        origin, step = self._place(period)
        at = self._within(step) - 1 if step else 0
        if self._asks_no_model(row, period):
            said = self._ahead if step else self._of_all(origin)
            parts = {name: said[name][row, at].item() for name in self._names[model]}
            return Estimate(said[model][row, at].item(), parts)
        values: dict[str, Any] = {}  # numbers are combined as arrays are
        if self._rows is not None:
            values.update(self._rows.answer(row, period, conditions))
        for name in self._order[model]:
            if name not in values:
                blend = self._blends.get(name)
                if blend is not None:
                    values[name] = float(blend.combine(values))
                else:
                    said, place = (self._ahead, row) if step else self._of_pool(origin, row)
                    values[name] = said[name][place, at].item()
        parts = {name: values[name] for name in self._names[model]}
        return Estimate(values[model], parts)

    def year_ago_known(self, model: str, row: int, period: int) -> bool:
        """Return whether sales a year before a period are known, if a model starts from them."""
        if self._asks_no_model(row, period):
            return True
        if self._told[model] and self._rows is not None:
            return self._rows.year_ago_known(row, period)
        if not isinstance(self._parts[model], Baseline):
            return True
        origin, _ = self._place(period)
        season = self._panel.frequency.season
        year_ago = period - season * -(-(period - origin) // season)
        return year_ago >= 0 and not math.isnan(self._panel.y[row, year_ago])

    def _asks_no_model(self, row: int, period: int) -> bool:
        """Tell a series that sold nothing yet, and a day that is closed, from all others."""
        origin, step = self._place(period)
        shut = step > 0 and bool(self._shut[row, self._within(step) - 1])
        return shut or self._first_sale[row] > origin

    def age(self, row: int, period: int) -> str:
        """Return what is known of a series at the origin of a question, one of `AGES`."""
        return AGES[self._age[row, self._place(period)[0]]]

    def uses_conditions(self, model: str) -> bool:
        """Return whether a model that answers, or one that it is made of, looks at conditions."""
        return self._told[model]

    def expected(self, model: str, row: int, period: int) -> list[float] | None:
        """Return what is expected of the conditions of a period; None where they are not used."""
        if self._rows is None or not self._told[model]:
            return None
        return self._rows.expected(row, period)

    def ends(self, model: str, row: int, period: int, prediction: float) -> Mapping[int, Ends]:
        """Return level -> both ends of what a series may sell in a period, around a prediction."""
        factors = self._factors.get(model)
        if factors is None:
            return dict.fromkeys(LEVELS)
        origin, step = self._place(period)
        step = max(step, 1)
        age = self._age[row, origin]
        if step <= self.horizon and age == self._age[row, -1]:
            found = [
                (low * prediction, high * prediction)
                for low, high in factors[row, step - 1].tolist()
            ]
        else:
            of, name = self._intervals[model], self._panel.series[row : row + 1]
            steps, sales = np.array([step]), np.array([prediction])
            both = (of.ends(level, [AGES[age]], name, steps, sales) for level in LEVELS)
            found = [(low.item(), high.item()) for low, high in both]
        return {
            level: None if math.isnan(low) else (low, high) if low <= high else (high, low)
            for level, (low, high) in zip(LEVELS, found, strict=True)
        }

    def _place(self, period: int) -> tuple[int, int]:
        """Return the origin of a question, and the step after the history; 0 within it."""
        n = self._n_periods
        return min(period, n) - 1, max(period - n + 1, 0)

    def _within(self, step: int) -> int:
        """Return a step that is prepared: of a later one, that of the same season."""
        season = self._panel.frequency.season
        beyond = max(step - self.horizon, 0)
        return step - -(-beyond // season) * season

    def _of_all(self, origin: int) -> Mapping[str, Array]:
        """Return what was expected of every series in the period after a past origin."""
        if origin not in self._past_of_all:
            history = self._panel.until(self._panel.periods[origin])
            self._past_of_all[origin] = forecast(self._parts, history, 1)
        return self._past_of_all[origin]

    def _of_pool(self, origin: int, row: int) -> tuple[Mapping[str, Array], int]:
        """Return what was expected then of the pool of a series, and the place of that in it.

        Series of other pools tell nothing of it, but to regressors.
        """
        pool, place = self._place_in_pool[row].tolist()
        if (pool, origin) not in self._past_of_pool:
            names = [self._panel.series[of] for of in self._pools[pool].tolist()]
            history = self._panel.select(names).until(self._panel.periods[origin])
            self._past_of_pool[pool, origin] = forecast(self._alone, history, 1)
        return self._past_of_pool[pool, origin], place

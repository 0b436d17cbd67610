"""What a bundle says of the periods after the history of a panel: prepared, and looked up.

Takes a bundle and a panel, gives medians, means and quantiles of a series in the next periods, by
model. Must not know dates, conditions or HTTP.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from sales_forecast.bundles.bundle import Bundle
from sales_forecast.data.panel import Array, Panel
from sales_forecast.models.ages import AGES, age_numbers, weeks_known
from sales_forecast.models.asked import Asked
from sales_forecast.models.base import FittedForecaster
from sales_forecast.models.spread import MEDIAN, SpreadByAge, tail
from sales_forecast.prediction.forecast import forecast, quantile_factors

Ends = tuple[float, float] | None
QUANTILES = (0.025, 0.1, MEDIAN, 0.9, 0.975)
MIDDLE = QUANTILES.index(MEDIAN)


class Ahead:
    """The next periods of one panel.

    Attributes:
        expected: what each model and each of its parts expects of the next periods.
        spreads: how far off each model was.
        factors: model -> float64[n_series, horizon, n], the `QUANTILES` over what is expected:
            side by side what is asked for together.
    """

    def __init__(
        self, bundle: Bundle, parts: Mapping[str, FittedForecaster], panel: Panel, horizon: int
    ) -> None:
        """Ask all models. `parts`: those of the bundle, and what they are made of."""
        self._panel = panel
        self._age = age_numbers(weeks_known(panel))
        self.expected = forecast(parts, panel, horizon)
        self.spreads = {
            name: bundle.spreads.get(name, SpreadByAge.none()) for name in bundle.models
        }
        self.factors = {
            name: quantile_factors(of, panel, self.expected[name].chance, QUANTILES)
            for name, of in self.spreads.items()
        }
        self._means = {
            name: np.round(of.mean * self.expected[name].chance * self.expected[name].if_sold, 2)
            for name, of in self.spreads.items()
        }

    def medians(self, model: str, row: int, steps: int) -> list[float]:
        """Return the medians that a model gives a series in the steps 1..steps."""
        sales: list[float] = (
            self.expected[model].if_sold[row, :steps] * self.factors[model][row, :steps, MIDDLE]
        ).tolist()
        return sales

    def ends(self, model: str, level: int, row: int, steps: int) -> list[Ends]:
        """Return both ends of what a series may sell in the steps 1..steps."""
        if_sold, at = self.expected[model].if_sold[row, :steps], QUANTILES.index(tail(level))
        both = if_sold[:, None] * self.factors[model][row, :steps][:, [at, -1 - at]]
        return [or_none(low, high) for low, high in both.tolist()]

    def means(self, model: str, row: int, steps: int) -> list[float]:
        """Return what a series sells on average in the steps 1..steps, to cents."""
        means: list[float] = self._means[model][row, :steps].tolist()
        return means

    def measured(self, model: str, row: int) -> int | None:
        """Return the last step at which errors of a series were measured; None if none were.

        Beyond it quantiles are extrapolated.
        """
        of = self.spreads[model].of_age.get(AGES[self._age[row]])
        return of.steps or None if of else None

    def distribution(
        self, model: str, row: int, steps: int, asked: Sequence[float]
    ) -> tuple[list[float], list[list[float]]]:
        """Return, for the steps 1..steps, the mean and what sales stay below so often.

        NaN where too little was measured.
        """
        if_sold, chance = (table[row, :steps] for table in self.expected[model])
        spread = self.spreads[model]
        rows = asked_of(self._panel, row, self._age[row], np.arange(1, steps + 1), chance)
        # Of returns, which are below 0, the lower quantiles are the ones further away.
        both = spread.factors([*asked, *(1 - tau for tau in asked)], rows)
        sold, returned = np.split(if_sold[:, None] * both, 2, axis=1)
        quantiles = np.where(if_sold[:, None] < 0, returned, sold)
        return (spread.mean * chance * if_sold).tolist(), quantiles.tolist()


def asked_of(
    panel: Panel, row: int, age: np.int8, step: npt.NDArray[np.int64], chance: Array
) -> Asked:
    """Return n questions about one series. `step`, `chance`: of each."""
    n = len(step)
    name = panel.series[row : row + 1]
    return Asked(name, np.zeros(n, dtype=np.intp), np.full(n, age), step, chance)


def or_none(low: float, high: float) -> Ends:
    """Return both ends in order; None where nothing is known."""
    if math.isnan(low):
        return None
    return (low, high) if low <= high else (high, low)

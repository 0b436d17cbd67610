"""A forecaster that remembers: who asks the same again is given the same, without the work.

Takes a forecaster, gives one. A backtest fits every model, and the ensemble asks for the same
models on the same panel; only the identical panel counts as the same, so nothing is compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from sales_forecast.forecasters.base import FittedForecaster, Forecaster, FutureConditions
from sales_forecast.panel import Array, Panel

_REMEMBERED = 16
"""Fits: the members of the ensemble, on all weeks and on the weeks before its inner windows."""


class FittedOnce:
    """A fitted model that remembers its last answer."""

    def __init__(self, fitted: FittedForecaster) -> None:
        self.fitted = fitted
        self._asked: tuple[Panel, int, FutureConditions | None] | None = None
        self._answer: Array

    def predict(
        self, history: Panel, horizon: int, conditions: FutureConditions | None = None
    ) -> Array:
        """See `base.FittedForecaster.predict`. Every answer is the caller's own."""
        asked = (history, horizon, conditions)
        if self._asked is None or any(a is not b for a, b in zip(asked, self._asked, strict=True)):
            self._answer = self.fitted.predict(*asked)
            self._asked = asked
        return self._answer.copy()


@dataclass(frozen=True, eq=False)
class Once:
    """A forecaster that fits itself once to each of the last panels."""

    forecaster: Forecaster

    @property
    def name(self) -> str:
        """The name of the forecaster."""
        return self.forecaster.name

    def fit(self, panel: Panel) -> FittedOnce:
        """See `base.Forecaster.fit`."""
        return _fit(self, panel)


@lru_cache(maxsize=_REMEMBERED)
def _fit(once: Once, panel: Panel) -> FittedOnce:
    return FittedOnce(once.forecaster.fit(panel))

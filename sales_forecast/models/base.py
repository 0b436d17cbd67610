"""The protocol that every forecaster keeps.

`fit` sees one panel and nothing later. `predict` sees the history at an origin that may be
later than the one of the fit, so that a model can be refitted less often than it is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sales_forecast.data.panel import Panel
from sales_forecast.errors import NotEnoughData
from sales_forecast.features.calendar_effects import State
from sales_forecast.features.tables import by_weeks

Array = npt.NDArray[np.float64]
FutureConditions = Mapping[str, Array]
"""Condition name -> float64[n_series, horizon], for the weeks that are to be predicted."""


_FEWEST_SALES = 8
"""Of fewer weeks with sales nothing can be learned, however long a series is known."""


def weeks_of_sales(panel: Panel) -> npt.NDArray[np.int64]:
    """Return int64[n_series]: in how many weeks sales of each series are known, zeros among them.

    A week counts if one of its days does. Of a series that hardly ever sold anything only those
    with sales do.
    """
    a_week = panel.frequency.a_week

    def weeks(flags: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        n: npt.NDArray[np.int64] = by_weeks(flags, a_week, 0).any(axis=2).sum(axis=1)
        return n

    sold = panel.y > 0
    known = (panel.y >= 0) & np.logical_or.accumulate(sold, axis=1)
    return np.where(weeks(sold) >= _FEWEST_SALES, weeks(known), weeks(sold))


def too_short(panel: Panel, model: str, needed: int) -> NotEnoughData:
    """Return the error for a panel in which no series has `needed` weeks with sales."""
    longest = int(weeks_of_sales(panel).max())
    return NotEnoughData(
        f"{model} needs a series with at least {needed} weeks of sales to learn from; "
        f"the longest has {longest}. Load at least {needed - longest} more.",
        {"weeks": longest, "needed": needed},
    )


class FittedForecaster(Protocol):
    """A model that learned from the panel it was fitted on, and from nothing later."""

    def predict(
        self, history: Panel, horizon: int, conditions: FutureConditions | None = None
    ) -> Array:
        """Predict the `horizon` weeks after the last one of `history`.

        `conditions`: what the caller knows of those weeks; without them the model uses what
        can be known at the origin. Returns float64[n_series, horizon], in units of sales,
        NaN for a series of which `history` holds nothing.
        """
        ...


class Storable(FittedForecaster, Protocol):
    """A fitted model that a bundle can hold."""

    @property
    def state(self) -> State:
        """All that it learned; `fitted.restore` gives the model back. `kind` says which it is."""
        ...


class Forecaster(Protocol):
    """A recipe: a name and how to fit."""

    @property
    def name(self) -> str:
        """The column of this model in every table."""
        ...

    def fit(self, panel: Panel) -> FittedForecaster:
        """Learn from all of `panel`. Raises NotEnoughData with the numbers."""
        ...

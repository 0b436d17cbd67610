"""A regressor on features as a model: trees and straight lines answer alike.

Takes a history and what the caller knows of the weeks ahead, gives sales: the log reference of each
row, and the change against it that the regressor predicts from the row's features. Trees are drawn
half-way to the level at which ARIMA lets sales go on: they stand on last year's week, ARIMA on the
last ones, and they err differently (docs/decisions/0015-trees-half-way-to-arima.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from sales_forecast.data.panel import Array, Panel
from sales_forecast.features.calendar_effects import Profile, State
from sales_forecast.features.features import History, Index, features
from sales_forecast.features.vocabulary import Vocabulary
from sales_forecast.models.base import FutureConditions
from sales_forecast.models.fitted.smoothing import FittedArima


class Predicts(Protocol):
    """What answers for rows of features."""

    def predict(self, X: npt.NDArray[np.float32]) -> Array:
        """Predict float[n] of float32[n, n_features]."""
        ...


@dataclass(frozen=True, eq=False)
class Line:
    """A straight line on features, each cut to the range it was fitted on.

    Attributes:
        low, high: float64[n_features], the range.
        slope: float64[n_features], the change by a step from `low` to `high`.
        intercept: the prediction where every feature is at `low`.
    """

    low: Array
    high: Array
    slope: Array
    intercept: float

    @cached_property
    def state(self) -> State:
        """See `base.Storable.state`."""
        return {
            "low": self.low,
            "high": self.high,
            "slope": self.slope,
            "intercept": self.intercept,
        }

    @classmethod
    def restore(cls, state: State) -> Self:
        """Return the line of a state."""
        return cls(state["low"], state["high"], state["slope"], state["intercept"])

    def predict(self, X: npt.NDArray[np.float32]) -> Array:
        """See `Predicts.predict`. A feature that never changed says nothing."""
        width = np.where(self.high > self.low, self.high - self.low, 1.0)
        inside: Array = (np.clip(X, self.low, self.high) - self.low) / width
        return inside @ self.slope + self.intercept


@dataclass(frozen=True, eq=False)
class FittedRegressor:
    """One regressor, fitted to the training set, and the calendar profile that it stands on.

    Attributes:
        name: of the model, under which a bundle keeps its trees.
        vocabulary: the labels of static features that it has learned.
        smoothing: the ARIMA of the same profile that its answer is drawn half-way to, if any.
    """

    name: str
    regressor: Predicts
    profile: Profile
    vocabulary: Vocabulary = field(default_factory=dict)
    smoothing: FittedArima | None = None

    @cached_property
    def state(self) -> State:
        """See `base.Storable.state`. Trees are kept as a graph beside it."""
        return {
            "kind": "regressor",
            "name": self.name,
            "regressor": self.regressor.state if isinstance(self.regressor, Line) else None,
            "profile": self.profile.state,
            "vocabulary": {name: list(labels) for name, labels in self.vocabulary.items()},
            "smoothing": self.smoothing.state if self.smoothing else None,
        }

    @classmethod
    def restore(
        cls, state: State, regressor: Predicts, profile: Profile, smoothing: FittedArima | None
    ) -> Self:
        """Return the model of a state."""
        return cls(state["name"], regressor, profile, state["vocabulary"], smoothing)

    def sees(self, panel: Panel) -> History:
        """Return a panel as the model sees it."""
        return History(panel, self.profile, self.vocabulary)

    def predict(
        self, history: Panel, horizon: int, conditions: FutureConditions | None = None
    ) -> Array:
        """See `base.FittedForecaster.predict`."""
        past = self.sees(history)
        rows = past.ahead(horizon)
        known = None
        if conditions is not None:
            unknown = np.full((history.n_series, horizon), np.nan)
            values = [conditions.get(name, unknown).ravel() for name in history.conditions]
            known = np.column_stack([np.zeros((len(rows[0]), 0)), *values])
        X = features(past, *rows, known)
        change = np.asarray(self.regressor.predict(X), dtype=np.float64)
        sales: Array = np.exp(self.expected(past, self.levels(past), *rows) + self.share * change)
        return sales.reshape(-1, horizon)

    @property
    def share(self) -> float:
        """How much of the regressor's change counts."""
        return 1.0 if self.smoothing is None else 0.5

    def levels(self, past: History) -> Array | None:
        """Return float64[n_series, n_periods], what the answer at each origin is drawn to."""
        return None if self.smoothing is None else self.smoothing.levels(past)

    def expected(
        self, past: History, levels: Array | None, series: Index, origin: Index, target: Index
    ) -> Array:
        """Return float64[n]: log sales of rows but for the regressor's change.

        `levels`: as this model gives them for the same past.
        """
        level = past.reference_level(series, origin, target)
        if levels is not None:
            level = (level + levels[series, origin]) / 2
        return level + past.calendar(series, target)

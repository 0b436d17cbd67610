"""Models that are made of others: a weighted mean of log sales, or the plain mean.

Takes what the members predict, gives one prediction. `models.ensemble` finds the weights.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np

from sales_forecast.data.panel import Array, Panel
from sales_forecast.features.calendar_effects import State
from sales_forecast.models.base import FittedForecaster, FutureConditions, Storable


@dataclass(frozen=True, eq=False)
class Blend(ABC):
    """A fitted model that is made of others.

    Attributes:
        members: name -> fitted model.
    """

    members: Mapping[str, FittedForecaster]

    @abstractmethod
    def combine(self, predictions: Mapping[str, Array]) -> Array:
        """Return one prediction of those of all members, arrays of equal shape."""

    def predict(
        self, history: Panel, horizon: int, conditions: FutureConditions | None = None
    ) -> Array:
        """See `base.FittedForecaster.predict`."""
        return self.combine(
            {name: of.predict(history, horizon, conditions) for name, of in self.members.items()}
        )

    def _states(self) -> Mapping[str, State]:
        return {name: cast("Storable", member).state for name, member in self.members.items()}


@dataclass(frozen=True, eq=False)
class FittedEnsemble(Blend):
    """Fitted members and their weights, which are not negative and add up to 1."""

    weights: Mapping[str, float]

    @cached_property
    def state(self) -> State:
        """See `base.Storable.state`."""
        return {"kind": "ensemble", "members": self._states(), "weights": dict(self.weights)}

    def combine(self, predictions: Mapping[str, Array]) -> Array:
        """See `Blend.combine`. The mean of those that are positive; 0 where none is."""
        said = np.array([predictions[name] for name in self.weights])
        weights = np.array([*self.weights.values()]).reshape(-1, *[1] * (said.ndim - 1))
        weights = np.where(said <= 0, 0.0, weights)
        logs = (weights * np.log(np.where(said <= 0, 1.0, said))).sum(axis=0)
        total = weights.sum(axis=0)
        found: Array = np.where(total > 0, np.exp(logs / np.where(total > 0, total, 1.0)), 0.0)
        return found


@dataclass(frozen=True, eq=False)
class FittedMean(Blend):
    """Fitted members whose sales are averaged."""

    @cached_property
    def state(self) -> State:
        """See `base.Storable.state`."""
        return {"kind": "mean", "members": self._states()}

    def combine(self, predictions: Mapping[str, Array]) -> Array:
        """See `Blend.combine`."""
        first, *others = (predictions[name] for name in self.members)
        return sum(others, start=first) / len(self.members)


def with_parts(models: Mapping[str, FittedForecaster]) -> dict[str, FittedForecaster]:
    """Return models and every model that they are made of, by name."""
    found: dict[str, FittedForecaster] = {}
    for name, model in models.items():
        if isinstance(model, Blend):
            found |= with_parts(model.members)
        found[name] = model
    return found

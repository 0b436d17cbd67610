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
        """See `Blend.combine`."""
        logs = [weight * np.log(predictions[name]) for name, weight in self.weights.items()]
        return np.exp(np.sum(logs, axis=0))


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

"""The fitted pooled process as a model: what it expects is the answer.

`models.pooled` estimates it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sales_forecast.data.panel import Array, Panel
from sales_forecast.features.calendar_effects import Process, State
from sales_forecast.models.base import FutureConditions


@dataclass(frozen=True, eq=False)
class FittedPooled:
    """Both processes of every pool, fitted."""

    process: Process

    @cached_property
    def state(self) -> State:
        """See `base.Storable.state`."""
        return {"kind": "pooled", "process": self.process.state}

    def predict(
        self, history: Panel, horizon: int, conditions: FutureConditions | None = None
    ) -> Array:
        """See `base.FittedForecaster.predict`. Conditions are not used."""
        del conditions
        return np.exp(self.process.ahead(history, horizon))

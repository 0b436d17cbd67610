"""A panel as a state: plain values and arrays that a bundle can hold.

Takes a panel, gives a state; and back. See `states`.
"""

from __future__ import annotations

import numpy as np

from sales_forecast.bundles.states import State
from sales_forecast.data.frequency import Frequency
from sales_forecast.data.panel import Panel


def state_of(panel: Panel) -> State:
    """Return all that a panel holds."""
    return {
        "y": panel.y,
        "periods": panel.periods.astype("datetime64[D]").astype(np.int64),
        "series": list(panel.series),
        "conditions": dict(panel.conditions),
        "plan": dict(panel.plan),
        "traits": dict(panel.traits),
        "pooled_by": panel.pooled_by,
        "frequency": panel.frequency.name,
    }


def panel_of(state: State) -> Panel:
    """Return the panel of a state."""
    return Panel(
        y=state["y"],
        periods=state["periods"].astype("datetime64[D]"),
        series=tuple(state["series"]),
        conditions=state["conditions"],
        plan=state["plan"],
        traits=state["traits"],
        pooled_by=state["pooled_by"],
        frequency=Frequency.of(state["frequency"]),
    )

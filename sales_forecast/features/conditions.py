"""Conditions of a later period: how they are guessed, and how they enter features.

Takes a panel's spec, or numbers, gives how to guess, or changes. Must not know a model.
"""

from __future__ import annotations

import numpy as np

from sales_forecast.data.panel import Array, Panel

# How a condition of a later week is guessed by one who stands at the origin.
FROM_CALENDAR, SAME_WEEK_LAST_YEAR, LAST_KNOWN = "calendar", "same week last year", "last known"
_LARGEST_CONDITION = 1e9


def outlook(panel: Panel, condition: str, *, year_ago_known: bool = True) -> str:
    """Return how a condition of a later period is guessed by one who stands at the origin."""
    if condition == panel.holiday:
        return FROM_CALENDAR
    ours = panel.spec is None or not panel.spec.is_own
    by_season = ours and condition == "Temperature" and year_ago_known
    return SAME_WEEK_LAST_YEAR if by_season else LAST_KNOWN


def condition_changes(conditions: Array, reference: Array) -> Array:
    """Return conditions minus those of the reference week; 0 where either is unknown."""
    changes = conditions - reference
    changes[np.isnan(changes)] = 0.0
    # Any number may come in a request; beyond this one no tree splits, and float32 ends.
    return np.minimum(np.maximum(changes, -_LARGEST_CONDITION), _LARGEST_CONDITION)

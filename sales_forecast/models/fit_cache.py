"""Fits that are remembered: who asks for the same again is given the same, without the work.

Both protocols of a training fit every model at the same cutoffs, the ensemble fits its members
there and at earlier ones, and all models stand on one pooled process: most fits are asked for
again. Panels of equal data count as the same. Must not know any model.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import ParamSpec, TypeVar, cast

from sales_forecast.data.panel import Panel
from sales_forecast.features.passing import usual
from sales_forecast.models.base import FittedForecaster, Forecaster

P = ParamSpec("P")
T = TypeVar("T")

_REMEMBERED = 512
"""More than a training asks for: some twenty cutoffs, at each every model that learns."""
_FORGET: list[Callable[[], None]] = []


def once(fit: Callable[P, T]) -> Callable[P, T]:
    """Make a function remember its last answers; its arguments must be hashable."""
    remembered = lru_cache(maxsize=_REMEMBERED)(fit)
    _FORGET.append(remembered.cache_clear)

    return cast("Callable[P, T]", remembered)


def forget() -> None:
    """Forget every answer, for someone who has to see the work done again."""
    for clear in _FORGET:
        clear()


def fit_once(forecaster: Forecaster, panel: Panel) -> FittedForecaster:
    """Fit a forecaster to what is usual of a panel, or return what that gave before."""
    return _fitted(forecaster, usual(panel))  # so that what is made of others has the same ones


@once
def _fitted(forecaster: Forecaster, panel: Panel) -> FittedForecaster:
    return forecaster.fit(panel)

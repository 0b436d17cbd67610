"""The one way to a forecast: backtest, batch, service and files ask here and nowhere else.

Takes fitted models and a history, gives sales of every series: what the model says, what the peers
of a series sell of which nothing is known, and 0 on days that are closed by plan. Must not know
where the models came from, nor what becomes of the answer.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from sales_forecast.data.frequency import DAILY
from sales_forecast.data.panel import Array, Panel
from sales_forecast.features.daily_design import Design
from sales_forecast.models import cold_start
from sales_forecast.models.base import FittedForecaster, FutureConditions
from sales_forecast.models.fitted.blends import Blend
from sales_forecast.models.intervals import LEVELS, IntervalsByAge, ages, weeks_known


def forecast(
    models: Mapping[str, FittedForecaster],
    history: Panel,
    horizon: int,
    conditions: FutureConditions | None = None,
) -> dict[str, Array]:
    """Return model -> float64[n_series, horizon], sales of the periods after a history.

    `conditions`: what the caller knows of those periods; see `base.FittedForecaster.predict`. What
    is part of several models is asked once. NaN where no model says anything: nothing sold yet.
    """
    asked: dict[int, Array] = {}

    def ask(model: FittedForecaster) -> Array:
        if id(model) not in asked:
            asked[id(model)] = (
                model.combine({name: ask(member) for name, member in model.members.items()})
                if isinstance(model, Blend)
                else model.predict(history, horizon, conditions)
            )
        return asked[id(model)]

    shut = closed(history, horizon)
    with threadpool_limits(limits=1):  # small matrices: on busy cores threads cost tenfold
        return {
            name: np.where(shut, 0.0, cold_start.for_all(ask(model), history))
            for name, model in models.items()
        }


def ends(
    intervals: IntervalsByAge, history: Panel, sales: Array
) -> Mapping[int, tuple[Array, Array]]:
    """Return level -> both ends, float64[n_series, horizon], of what a model expects.

    `intervals`: as measured of that model; `sales`: float64[n_series, horizon], its forecast of the
    periods after the history. NaN where nothing is promised.
    """
    n_series, horizon = sales.shape
    age = np.repeat(ages(weeks_known(history)), horizon)
    names = np.repeat(np.array(history.series, dtype=object), horizon)
    step = np.tile(np.arange(1, horizon + 1), n_series)
    found = {}
    for level in LEVELS:
        lower, upper = intervals.ends(level, age, names, step, sales.ravel())
        found[level] = lower.reshape(sales.shape), upper.reshape(sales.shape)
    return found


def closed(history: Panel, horizon: int) -> npt.NDArray[np.bool_]:
    """Return bool[n_series, horizon]: days closed by plan, or by habit where there is none."""
    opens = history.open
    if history.frequency != DAILY or opens is None:
        return np.zeros((history.n_series, horizon), dtype=bool)
    plan = Design.of(history).plan(history, history.after(horizon))
    shut: npt.NDArray[np.bool_] = plan[opens] == 0
    return shut

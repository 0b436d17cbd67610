"""The one way to a forecast: backtest, batch, service and files ask here and nowhere else.

Takes fitted models and a history, gives sales of every series if anything is sold, and the chance
of that: what the model says, what the peers of a series sell of which nothing is known, and no
chance on days that are closed by plan. With what was measured of a model that gives quantiles and
the mean. Must not know
where the models came from, nor what becomes of the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from sales_forecast.compute.threads import one_thread
from sales_forecast.data.frequency import DAILY
from sales_forecast.data.panel import Array, Panel
from sales_forecast.features.daily_design import Design
from sales_forecast.features.passing import usual
from sales_forecast.models import cold_start
from sales_forecast.models.ages import age_numbers, weeks_known
from sales_forecast.models.asked import Asked
from sales_forecast.models.base import FittedForecaster, FutureConditions
from sales_forecast.models.chance import chance_of_sale
from sales_forecast.models.fitted.blends import Blend
from sales_forecast.models.naive import Baseline
from sales_forecast.models.spread import SpreadByAge, around


class Expected(NamedTuple):
    """What a model expects of every series.

    Attributes:
        if_sold: float64[n_series, horizon], sales if anything is sold; NaN where no model says
            anything: nothing sold yet.
        chance: float64[n_series, horizon], how likely that is.
    """

    if_sold: Array
    chance: Array


def forecast(
    models: Mapping[str, FittedForecaster],
    history: Panel,
    horizon: int,
    conditions: FutureConditions | None = None,
) -> dict[str, Expected]:
    """Return what each model expects of the periods after a history.

    `conditions`: what the caller knows of those periods; see `base.FittedForecaster.predict`. What
    is part of several models is asked once. Baselines are rules for sales as they are, zeros among
    them: they are asked for no chance.
    """
    asked: dict[int, Array] = {}

    def ask(model: FittedForecaster) -> Array:
        if id(model) not in asked:
            asked[id(model)] = (
                model.combine({name: ask(member) for name, member in model.members.items()})
                if isinstance(model, Blend)
                else model.predict(
                    history if isinstance(model, Baseline) else usual(history), horizon, conditions
                )
            )
        return asked[id(model)]

    # What a mistyped plan leaves without bounds is refused by whoever is to answer or to keep it.
    with one_thread(), np.errstate(over="ignore"):
        is_open = _is_open(history, horizon)
        chance = np.minimum(is_open, chance_of_sale(usual(history), horizon))
        return {
            name: Expected(
                cold_start.for_all(ask(model), history),
                is_open if isinstance(model, Baseline) else chance,
            )
            for name, model in models.items()
        }


def chance_of_any(history: Panel, horizon: int) -> Array:
    """Return float64[n_series, horizon]: how likely something is sold; 0 on closed days."""
    return np.minimum(_is_open(history, horizon), chance_of_sale(usual(history), horizon))


def quantiles(of: SpreadByAge, history: Panel, expected: Expected, asked: Sequence[float]) -> Array:
    """Return float64[n_series, horizon, n_asked]: what sales stay below so often.

    `of`: as measured of that model; `expected`: its forecast of the periods after the history;
    `asked`: as `spread.around` has them. The median is what a model answers; NaN where nothing is
    promised.
    """
    factors = quantile_factors(of, history, expected.chance, asked)
    return around(expected.if_sold, factors)


def quantile_factors(
    of: SpreadByAge, history: Panel, chance: Array, asked: Sequence[float]
) -> Array:
    """Return float64[n_series, horizon, n_asked]: quantiles over what is expected if sold."""
    n_series, horizon = chance.shape
    rows = Asked(
        names=history.series,
        series=np.repeat(np.arange(n_series), horizon),
        age=np.repeat(age_numbers(weeks_known(history)), horizon),
        step=np.tile(np.arange(1, horizon + 1), n_series),
        chance=chance.ravel(),
    )
    return of.factors(asked, rows).reshape(n_series, horizon, len(asked))


def mean(of: SpreadByAge, expected: Expected) -> Array:
    """Return float64[n_series, horizon]: sales on average, which is what can be added up."""
    return of.mean * expected.chance * expected.if_sold


def _is_open(history: Panel, horizon: int) -> Array:
    """Return float64[n_series, horizon]: 0 on days closed by plan, or by habit without; else 1."""
    if history.frequency != DAILY or history.open is None:
        return np.ones((history.n_series, horizon))
    plan = Design.of(history).plan(history, history.after(horizon))
    return np.where(plan[history.open] == 0, 0.0, 1.0)

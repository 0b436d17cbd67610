"""What a series would sell if something were planned otherwise: a promotion, a day that is open.

Takes a predictor, a series and a wish, gives sales by the one way to a forecast, as they would be
answered once that plan was loaded. Only that may be wished of which an effect was measured: both
was seen (on that weekday, if sales are daily), and the forecast of the series differs. Must not
know HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from sales_forecast.data.frequency import DAILY
from sales_forecast.data.panel import Array, Panel
from sales_forecast.data.spec import Covariate, PanelSpec
from sales_forecast.features.daily_design import Design
from sales_forecast.features.planned_numbers import is_number, planned_range
from sales_forecast.prediction.forecast import Expected, forecast
from sales_forecast.service.forms import Named
from sales_forecast.service.measured_effects import Effect, measured_effect
from sales_forecast.service.otherwise import Wish
from sales_forecast.service.predictor import Predictor
from sales_forecast.service.results import rounded

STEPS = {"week": 8, "day": 14}
"""How many periods may be planned otherwise, by their unit."""
NO_EFFECT = 0.0005
"""Of an answer: what moves it by less moves nothing."""
_HOLIDAY = "holiday"


@dataclass(frozen=True)
class Lever:
    """A planned covariate, and the periods in which an effect of it on a series was measured.

    Attributes:
        low, high: the least and the most that was planned of it.
        is_flag: whether it is 0 or 1 and nothing else.
        planned: what is planned of the next periods, None where nothing is.
        taken: what forecasts take it for: what is planned or, of days, what is usual.
        measured: of the same periods.
        effect: what sales did when such plans changed, of this series or else of all that the model
            learns together; None where neither can be told.
    """

    of: Covariate
    low: float
    high: float
    is_flag: bool
    planned: Sequence[float | None]
    taken: Sequence[float | None]
    measured: Sequence[bool]
    effect: Effect | None


class Wished(NamedTuple):
    """Sales of one period if the wish came true, in units of sales, rounded to cents.

    `lower`, `upper`: hold 8 cases in 10; None where too little was measured.
    """

    mean: float
    lower: float | None
    upper: float | None


def plannable(spec: PanelSpec) -> tuple[Covariate, ...]:
    """Return what people decide: no holiday, and nothing that a source of the web foretells."""
    return tuple(of for of in spec.future if of.lead is None and _HOLIDAY not in of.name.casefold())


def days_ahead(predictor: Predictor) -> list[date]:
    """Return the periods that may be planned otherwise."""
    steps = STEPS[predictor.panel.frequency.unit]
    return [of.item() for of in predictor.panel.after(steps)]


@lru_cache(1)
def levers(predictor: Predictor, series: Named) -> tuple[Lever, ...]:
    """Return what may be wished of the next periods of a series. Raises UnknownSeries."""
    panel, model = predictor.panel, predictor.forecasting["best"]
    if not panel.plan:
        return ()
    steps = STEPS[panel.frequency.unit]
    row = predictor.series.row(series, by_column=False)
    name = panel.series[row]
    alone, among = panel.select([name]), panel.select(predictor.among(model, row))
    usual: Mapping[str, Array] = {}
    if panel.frequency == DAILY:
        usual = Design.of(among).plan(among, panel.after(steps))
    found, n = [], panel.n_periods
    for of in plannable(predictor.spec):
        if of.name not in panel.plan:
            continue
        known = panel.plan[of.name][:, :n]
        low, high = planned_range(known, row)
        if not low < high:
            continue
        ends = [
            _expected(predictor, alone.planning(0, n, {of.name: [end] * steps}), steps)
            for end in (low, high)
        ]
        at_low, at_high = ((end.chance * end.if_sold)[0] for end in ends)
        largest = np.maximum(np.abs(at_low), np.abs(at_high))
        moved = (np.abs(at_high - at_low) >= NO_EFFECT * largest) & (largest > 0)
        measured = moved & [_both_seen(panel, of.name, step) for step in range(1, steps + 1)]
        if measured.any():
            planned = alone.planning(0, n, {of.name: [None] * steps}).plan[of.name]
            ahead = planned[0, n:][:steps]
            taken = usual[of.name][among.positions[name]] if usual else ahead
            found.append(
                Lever(
                    of,
                    low,
                    high,
                    not is_number(known),
                    _known(ahead),
                    _known(taken),
                    measured.tolist(),
                    measured_effect(panel, [row], of.name, high - low)
                    or measured_effect(among, range(among.n_series), of.name, high - low),
                )
            )
    return tuple(found)


def what_if(predictor: Predictor, series: Named, wish: Wish) -> list[Wished]:
    """Return the next periods of a series by the best model, if a wish came true.

    Raises UnknownSeries.
    """
    panel, model = predictor.panel, predictor.forecasting["best"]
    steps = STEPS[panel.frequency.unit]
    row = predictor.series.row(series, by_column=False)
    found, place = predictor.otherwise.ahead(model, row, steps, panel.n_periods, wish)
    ends = found.ahead.ends(model, 80, place, steps)
    return [
        Wished(mean, *(rounded(of) or (None, None)))
        for mean, of in zip(found.ahead.means(model, place, steps), ends, strict=True)
    ]


def _expected(predictor: Predictor, panel: Panel, horizon: int) -> Expected:
    model = predictor.forecasting["best"]
    return forecast({model: predictor.bundle.models[model]}, panel, horizon)[model]


def _known(values: Array) -> list[float | None]:
    return [None if np.isnan(value) else value for value in values.tolist()]


def _both_seen(panel: Panel, name: str, step: int) -> bool:
    """Tell whether anything else than one value was planned before, on the weekday of a step."""
    apart = panel.frequency.a_week
    last = panel.n_periods - 1
    known = panel.plan[name][:, (last + step) % apart : panel.n_periods : apart]
    known = known[~np.isnan(known)]
    return bool(known.size and known.min() < known.max())

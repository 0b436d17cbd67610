"""What-if over HTTP: what is planned otherwise as JSON, both forecasts, and how sure an effect is.

Takes a body, gives what is answered. What cannot be told of is refused with the reason, and nothing
is left out in silence. Must not know how forecasts come about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from functools import cache
from typing import Annotated, Any

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from pydantic import BaseModel, Field, create_model
from starlette.responses import Response

from sales_forecast.data.numerals import numeral
from sales_forecast.errors import InvalidRequest
from sales_forecast.service.days import WrittenDay, parse_day
from sales_forecast.service.forms import Forms
from sales_forecast.service.json_route import Answer, Question, json_answer, read, read_query
from sales_forecast.service.live import Live
from sales_forecast.service.predictor import Predictor
from sales_forecast.service.queries import NoQuery
from sales_forecast.service.stored import ending
from sales_forecast.service.what_if import STEPS, Lever, days_ahead, levers, what_if

_MOST = 100


@cache
def what_if_form(forms: Forms) -> type[BaseModel]:
    """Return the form of a wish: one series, and what is planned otherwise."""
    unit = forms.spec.frequency.unit
    planned = Field(
        min_length=1,
        max_length=_MOST,
        description=f"{unit.capitalize()} -> name -> value, of the next {STEPS[unit]} {unit}s.",
    )
    return create_model(
        "WhatIfRequest",
        __base__=forms.one,
        __doc__="One series, and what of its next periods is planned otherwise.",
        planned=(dict[WrittenDay, Annotated[dict[str, float], Field(min_length=1)]], planned),
    )


class WishedPeriod(BaseModel):
    """One period, as planned and as wished."""

    day: date = Field(alias="Date", description="The day, or the one that ends the week.")
    as_planned: float = Field(description="The mean.")
    as_wished: float = Field(description="The mean.")
    difference: float
    lower: float | None = Field(description="Of sales as wished, with `upper` 80% of cases.")
    upper: float | None


class MeasuredEffect(BaseModel):
    """What sales did when such a plan changed, without any model, as a part of them."""

    low: float = Field(alias="from")
    high: float = Field(alias="to")
    effect: float | None = Field(description="0.2: 20% more. Null where it cannot be told.")
    standard_error: float | None
    blocks: int | None = Field(description="Of eight weeks, in which both was planned.")
    series: int | None = Field(description="1: the one that was asked for.")


class WhatIfAnswer(BaseModel):
    """Both forecasts."""

    periods: list[WishedPeriod]
    difference: float = Field(description="Of all periods.")
    effects: dict[str, MeasuredEffect] = Field(description="Of all that may be planned otherwise.")
    model: str
    model_version: str
    warnings: list[str]


def answering_wishes(live: Live, limiter: CapacityLimiter) -> Answer:
    """Return what answers the endpoint, in a thread. `limiter`: of such threads."""

    async def answer(question: Question) -> Response:
        predictor = live.predictor
        request = read(what_if_form(predictor.forms), question.body)
        read_query(NoQuery, question.query)
        return json_answer(await run_sync(what_if_told, predictor, request, limiter=limiter))

    return answer


def what_if_told(predictor: Predictor, request: Any) -> Mapping[str, object]:
    """Answer a wish, as `WhatIfAnswer` has it. Raises InvalidRequest, UnknownSeries."""
    series, days = predictor.forms.series_of(request), days_ahead(predictor)
    steps = len(days)
    predictor.forecast(series, steps, "best")  # it refuses a series without sales
    found = {of.of.column: of for of in levers(predictor, series)}
    wish: dict[str, list[float | None]] = {of.of.name: [None] * steps for of in found.values()}
    for day, values in request.planned.items():
        end = ending(predictor, parse_day(day))
        for column, value in values.items():
            wished = wish[_checked(found, days, column, end, value).of.name]
            if wished[step := days.index(end)] is not None:
                given = {"planned": f"{column} {end}"}
                raise InvalidRequest(f"{column} of {end} is given more than once.", given)
            wished[step] = value
    before = predictor.means(series, steps, "best")
    sold = what_if(predictor, series, wish)
    periods = [
        {
            "Date": day,
            "as_planned": planned,
            "as_wished": of.mean,
            "difference": round(of.mean - planned, 2),
            "lower": of.lower,
            "upper": of.upper,
        }
        for day, planned, of in zip(days, before, sold, strict=True)
    ]
    return {
        "periods": periods,
        "difference": round(sum(of.mean for of in sold) - sum(before), 2),
        "effects": {column: _effect(of) for column, of in found.items()},
        "model": predictor.forecasting["best"],
        "model_version": predictor.version,
        "warnings": predictor.warnings_for(series, steps, "best"),
    }


def _checked(
    found: Mapping[str, Lever], days: Sequence[date], column: str, end: date, value: float
) -> Lever:
    """Return what is to be planned otherwise. Raises InvalidRequest."""
    named = {"planned": f"{column} {end}"}
    if end not in days:
        raise InvalidRequest(
            f"{end} is none of the periods that may be planned otherwise: {days[0]} to {days[-1]}.",
            named,
        )
    step = days.index(end)
    offered = {name: of for name, of in found.items() if of.measured[step]}
    lever = offered.get(column)
    if lever is None:
        raise InvalidRequest(
            f"{column} of {end} cannot be planned otherwise: no effect of it on this series was "
            f"measured then. An effect was measured of: {', '.join(offered) or 'nothing'}.",
            named,
        )
    if not lever.low <= value <= lever.high or (lever.is_flag and value not in {0, 1}):
        wish = "0 or 1" if lever.is_flag else f"from {numeral(lever.low)} to {numeral(lever.high)}"
        raise InvalidRequest(f"{column} of {end} must be {wish}, not {numeral(value)}.", named)
    return lever


def _effect(of: Lever) -> Mapping[str, float | None]:
    told = dict.fromkeys(("effect", "standard_error", "blocks", "series"))
    return {"from": of.low, "to": of.high, **(told if of.effect is None else asdict(of.effect))}

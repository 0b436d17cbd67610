"""GET /forecast: what was forecast before, of one series or of the sum of some.

Takes the parameters of a query, asks the database in a thread of its own, gives JSON. Must not
forecast anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import cache
from typing import Annotated, Any

from fastapi import FastAPI, Request, Response
from pydantic import (
    BaseModel,
    BeforeValidator,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError
from starlette.concurrency import run_in_threadpool

from sales_forecast.data.forecast_tables import QUANTILES
from sales_forecast.data.forecasts.stored_forecasts import StoredIssue
from sales_forecast.data.frequency import DAILY
from sales_forecast.data.spec import PanelSpec
from sales_forecast.models.spread import DECILES, min_residuals
from sales_forecast.planning.intervals import last_measured_step, quantiles_by_period
from sales_forecast.planning.overrides import Planned
from sales_forecast.prediction.cautions import of_intervals
from sales_forecast.service.calendar import week_of
from sales_forecast.service.days import Day
from sales_forecast.service.json_route import json_answer, read_query
from sales_forecast.service.live import Live
from sales_forecast.service.predictor import Predictor
from sales_forecast.service.queries import (
    SUMMED,
    Level,
    by_field,
    given,
    optional,
    quantiles_of,
    query_of,
)

STORED = "/forecast"
_COLUMNS = {quantile: column for column, quantile in QUANTILES.items()}


def _deciles(value: object) -> object:
    found = quantiles_of(value)
    if not {*found} <= {*DECILES}:
        raise PydanticCustomError("quantiles", "must be some of 0.1, 0.2 .. 0.9: these are stored")
    return found


_Deciles = Annotated[
    tuple[float, ...],
    BeforeValidator(_deciles),
    WithJsonSchema({"type": "string", "examples": ["0.1,0.5,0.9"]}),
]


@cache
def stored_query(spec: PanelSpec) -> type[BaseModel]:
    """Return the form of a query: any of the keys of a panel, a period, a moment, a level."""
    unit = spec.frequency.field
    means = "The day." if spec.frequency == DAILY else "Any day of the week."
    return query_of(
        spec,
        "StoredQuery",
        SUMMED,
        period=optional(Day, unit, f"{means} Left out: all periods of the newest origin."),
        as_of=optional(Day, "as_of", "Only what was issued before the end of this day in UTC."),
        level=(Level, "80"),
        quantiles=optional(_Deciles, "quantiles", "Those of 0.1 to 0.9 that are to be told."),
    )


def add_stored_forecasts(app: FastAPI, live: Live) -> None:
    """Add the endpoint to `app`; what the documentation shows of it is written by `openapi`."""

    @app.get(STORED, include_in_schema=False)
    async def stored(request: Request) -> Response:
        pairs = request.query_params.multi_items()
        return json_answer(await run_in_threadpool(_answer, live, pairs))


def _answer(live: Live, pairs: Sequence[tuple[str, str]]) -> object:
    predictor = live.predictor
    spec = predictor.spec
    query: Any = read_query(stored_query(spec), pairs)
    keys = given(spec, query)
    predictor.series.check(keys)
    target = None if query.period is None else ending(predictor, query.period)
    texts = texts_of(keys)
    issue = live.forecasts.find(spec, texts, target, query.as_of)
    planned = live.overrides.planned(spec, issue.id, texts, query.as_of)
    periods = list(_periods(spec, keys, issue, planned, query))
    return periods if target is None else periods[0]


def texts_of(keys: Mapping[int, int | str]) -> dict[str, str]:
    """Return keys as the tables have them: column of `dim_series` -> text, by place -> value."""
    return {f"k{place + 1}": str(value) for place, value in keys.items()}


def ending(predictor: Predictor, day: date) -> date:
    """Return the day that ends the period of a day. Raises InvalidRequest."""
    if predictor.spec.frequency == DAILY:
        return day
    return week_of(day, predictor.origin.weekday(), "week")


def _periods(
    spec: PanelSpec,
    keys: Mapping[int, int | str],
    issue: StoredIssue,
    planned: Planned,
    query: Any,
) -> Iterator[dict[str, object]]:
    one = len(keys) == len(spec.keys)
    at = quantiles_by_period(issue, texts_of(keys), len(spec.keys))
    lower, upper = f"lower_{query.level}", f"upper_{query.level}"
    said = list(_warnings(issue, one=one))
    measured = last_measured_step(issue)
    if not one and any(of[lower] is None for of in at):
        least = min_residuals(int(query.level))
        said.append(
            f"No interval: the backtest has fewer than {least} such sums, and {query.level}% needs "
            "them."
        )
    for period, of in zip(issue.periods, at, strict=True):
        promised = None if of[lower] is None else measured
        yield {
            **by_field(spec, keys),
            spec.frequency.field: period.target,
            "sales": period.sales,
            "planned": planned.of(period.target, period.sales),
            "median": of["q50"] if one else None,
            "lower": of[lower],
            "upper": of[upper],
            "level": int(query.level),
            **_quantiles(of, query.quantiles or ()),
            "origin": issue.origin,
            "model": issue.model,
            "model_version": issue.model_version,
            "issued_at": issue.issued_at,
            "version": planned.version,
            "warnings": [*said, *of_intervals(period.step, promised, spec.frequency.unit)],
        }


def _quantiles(
    of: Mapping[str, float | None], asked: Sequence[float]
) -> Mapping[str, Mapping[str, float | None]]:
    return {"quantiles": {str(tau): of[_COLUMNS[tau]] for tau in asked}} if asked else {}


def _warnings(issue: StoredIssue, *, one: bool) -> Iterator[str]:
    said = json.loads(issue.warnings)
    if said["note"]:
        yield said["note"]
    if one and (of_series := said["series"].get(str(issue.periods[0].series_id))):
        yield of_series

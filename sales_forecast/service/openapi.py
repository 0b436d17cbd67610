"""What the documentation shows of the two questions: the fields of the loaded panel.

Takes what FastAPI says of all other endpoints and the forms of a panel, gives an OpenAPI document.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from sales_forecast.bundles.manifest import ForecastChoice
from sales_forecast.data.frequency import DAILY
from sales_forecast.data.rows import STORES
from sales_forecast.errors import NotReady
from sales_forecast.service import openapi_plans
from sales_forecast.service.access import HEADER, OPEN_PATHS
from sales_forecast.service.forms import Forms, Named, example_of, forms_of
from sales_forecast.service.kept import HEADER as PREDICTION_ID
from sales_forecast.service.live import Live
from sales_forecast.service.openapi_parts import answered, get, identity, parameters, post, refused
from sales_forecast.service.plan_forms import override_form
from sales_forecast.service.predictions import PREDICTION, PREDICTIONS, predictions_query
from sales_forecast.service.queries import USUAL_STEPS, ForecastQuery
from sales_forecast.service.routes import FORECAST, ORDER, PREDICT, WHAT_IF
from sales_forecast.service.schemas import (
    DayPrediction,
    ErrorResponse,
    ForecastItem,
    OrderQuantity,
    PredictionsPage,
    PredictResponse,
    SeriesForecast,
    StoredDay,
    StoredPrediction,
    StoredWeek,
    WeekPrediction,
)
from sales_forecast.service.stored import STORED, stored_query
from sales_forecast.service.what_if import plannable
from sales_forecast.service.what_if_route import WhatIfAnswer, what_if_form

_TEMPLATE = "#/components/schemas/{model}"
_REFUSALS = {
    400: "The body is not JSON",
    404: "The series is not in the model",
    413: "The body is over 1 MB",
    422: "A field is missing or makes no sense",
    503: "No verified model, or no history, yet",
}
_REFUSALS_OF_STORED = {
    404: "The series is not in the model, or nothing was forecast of it yet",
    422: "A parameter makes no sense, or the period was not forecast",
    503: "No verified model, or the database does not answer",
}
_REFUSALS_OF_PREDICTION = {
    403: "No key is set up, and the caller is not on the machine of the service",
    404: "No such answer was kept, or it is another caller's",
    422: "The id is none",
    503: "The database does not answer",
}
_REFUSALS_OF_PAGE = {
    403: _REFUSALS_OF_PREDICTION[403],
    422: "A parameter makes no sense",
    503: _REFUSALS_OF_STORED[503],
}
_KEPT = {
    PREDICTION_ID: {
        "schema": {"type": "string", "format": "uuid"},
        "description": "Names the answer in the ledger; absent where none is kept",
    }
}
_HEADERS = _KEPT | {
    "X-Model-Version": {"schema": {"type": "string"}, "required": True},
    "X-Forecast-Origin": {
        "schema": {"type": "string", "format": "date"},
        "description": "The last known period, which the forecast starts after",
        "required": True,
    },
    "X-Model": {
        "schema": {"type": "string"},
        "description": "The model that answered",
        "required": True,
    },
    "X-Warnings": {
        "schema": {"type": "string"},
        "description": "A JSON array of warnings about the model; absent when there are none",
    },
}


def document(app: FastAPI, live: Live, *, secured: bool) -> dict[str, Any]:
    """Return the document of an application, of the panel that is loaded.

    `secured`: an API key is asked for.
    """
    return _whole(app, _loaded(live), secured=secured)


@dataclass(frozen=True)
class _Shown:
    """What the document is about: equal ones make equal documents."""

    forms: Forms
    series: Named
    day: date
    usual: ForecastChoice


def _loaded(live: Live) -> _Shown:
    try:
        predictor = live.predictor
    except NotReady:
        return _Shown(forms_of(STORES), (1,), date(2012, 11, 3), "arima")
    return _Shown(predictor.forms, *predictor.example, predictor.usual)


@lru_cache(maxsize=1)
def _whole(app: FastAPI, shown: _Shown, *, secured: bool) -> dict[str, Any]:
    forms, series, day = shown.forms, shown.series, shown.day
    whole = get_openapi(
        title=app.title, version=app.version, summary=app.summary, routes=app.routes
    )
    answers: type[BaseModel] = PredictResponse
    if forms.spec.layout != STORES.layout:
        answers = DayPrediction if forms.spec.frequency == DAILY else WeekPrediction
    asked = (forms.predict, forms.forecast, forms.many, forms.order, what_if_form(forms))
    stored: type[BaseModel] = StoredDay if forms.spec.frequency == DAILY else StoredWeek
    given = (
        answers,
        ForecastItem,
        SeriesForecast,
        stored,
        OrderQuantity,
        WhatIfAnswer,
        ErrorResponse,
        PredictionsPage,
        StoredPrediction,
    )
    modes: list[tuple[type[BaseModel], JsonSchemaMode]] = []
    modes += [(model, "validation") for model in asked]
    modes.append((override_form(forms.spec), "validation"))
    modes += [(model, "serialization") for model in (*given, *openapi_plans.ANSWERS)]
    references, definitions = models_json_schema(modes, ref_template=_TEMPLATE)
    whole.setdefault("components", {}).setdefault("schemas", {}).update(definitions["$defs"])

    def of(model: type[BaseModel], mode: JsonSchemaMode = "validation") -> dict[str, Any]:
        return references[model, mode]

    keys = dict(zip(forms.fields, series, strict=True))
    # Where nothing is planned whatever is wished is refused, and the answer says why.
    wished = next((of.column for of in plannable(forms.spec)), "Promo")
    items = {"type": "array", "items": of(ForecastItem, "serialization")}
    several = {"type": "array", "items": of(SeriesForecast, "serialization")}
    error = of(ErrorResponse, "serialization")
    paths = {
        PREDICT: post(
            "Predict the sales of one series in one period under given conditions.",
            of(forms.predict),
            example_of(forms.spec, series, day),
            answered(of(answers, "serialization"), _REFUSALS, error),
        ),
        FORECAST: post(
            "Forecast the sales of one series, or of several, after the last known period.",
            {"anyOf": [of(forms.forecast), of(forms.many)]},
            {**keys, "steps": 5},
            answered({"anyOf": [items, several]}, _REFUSALS, error),
        ),
        ORDER: post(
            "Say how much to order for one period, by what too much and too little cost.",
            of(forms.order),
            {**keys, "cost_of_one_too_many": 1, "cost_of_one_too_few": 4},
            answered(of(OrderQuantity, "serialization"), _REFUSALS, error),
        ),
        WHAT_IF: post(
            "Say what one series would sell if promotions or open days were planned otherwise.",
            of(what_if_form(forms)),
            {**keys, "planned": {str(day): {wished: 1}}},
            answered(of(WhatIfAnswer, "serialization"), _REFUSALS, error),
        ),
    }
    paths[FORECAST]["post"]["description"] = (
        "Without a body, one series may stand in the query: "
        f"`?{urlencode({**keys, 'steps': 5})}`, `steps` {USUAL_STEPS} if left out."
    )
    paths[FORECAST]["post"]["parameters"] = parameters(ForecastQuery, {}, model=shown.usual)
    paths[FORECAST]["post"]["responses"]["200"]["headers"] = _HEADERS
    paths[PREDICT]["post"]["responses"]["200"]["headers"] = _KEPT
    answer = of(stored, "serialization")
    paths[STORED] = get(
        "Read what was forecast before, of one series or of the sum of some.",
        parameters(stored_query(forms.spec), keys),
        answered(
            {"anyOf": [answer, {"type": "array", "items": answer}]}, _REFUSALS_OF_STORED, error
        ),
    )
    paths[PREDICTIONS] = get(
        "Read what was answered, the newest first.",
        parameters(predictions_query(forms.spec), keys),
        answered(of(PredictionsPage, "serialization"), _REFUSALS_OF_PAGE, error),
    )
    paths[PREDICTION] = get(
        "Read one answer: which model, data and code made it.",
        [identity("As in the header X-Prediction-ID.")],
        answered(of(StoredPrediction, "serialization"), _REFUSALS_OF_PREDICTION, error),
    )
    paths |= openapi_plans.paths(forms.spec, keys, day, of, error)
    whole["paths"] = {**paths, **whole["paths"]}
    if secured:
        _secure(whole)
    return whole


def _secure(whole: dict[str, Any]) -> None:
    """Say that the key is asked for, and where it is not."""
    scheme = {"type": "apiKey", "in": "header", "name": HEADER}
    whole["components"]["securitySchemes"] = {"ApiKey": scheme}
    whole["security"] = [{"ApiKey": []}]
    error = {"$ref": _TEMPLATE.format(model=ErrorResponse.__name__)}
    for path, operations in whole["paths"].items():
        for operation in operations.values():
            if path in OPEN_PATHS:
                operation["security"] = []
            else:
                operation["responses"] |= refused({401: "The key is missing or wrong"}, error)

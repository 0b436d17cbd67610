"""The endpoints: each takes what was validated, asks the live predictor, gives bytes.

The two POST endpoints run in tens of microseconds inside the event loop and touch no disk, no
database and no lock. Must not catch errors: `problems` gives them their one shape.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from fastapi import FastAPI, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json
from starlette.concurrency import run_in_threadpool

from sales_forecast.bundles.manifest import ForecastChoice, IntervalLevel
from sales_forecast.data.frequency import DAILY
from sales_forecast.data.rows import STORES
from sales_forecast.errors import InvalidRequest, NotReady
from sales_forecast.service.forms import Forms, Named, forms_of
from sales_forecast.service.json_route import JsonRoute, read, read_query
from sales_forecast.service.live import Live
from sales_forecast.service.predictor import Answer, PeriodForecast, Predictor
from sales_forecast.service.schemas import ErrorResponse, Health, Ready

PREDICT, FORECAST = "/predict_sales", "/forecast_sales"
_LEVELS: Mapping[str, IntervalLevel] = {"80": 80, "95": 95}
USUAL_STEPS = 3
_WHOLE = re.compile("-?[0-9]{1,20}")  # of longer ones Python makes no numbers
NOT_READY: dict[int | str, dict[str, Any]] = {
    503: {"model": ErrorResponse, "description": "No verified model, or no history, yet"}
}


class NoQuery(BaseModel):
    """`/predict_sales` takes no parameters."""

    model_config = ConfigDict(extra="forbid")


class ForecastQuery(BaseModel):
    """Parameters of `/forecast_sales`."""

    model_config = ConfigDict(extra="forbid")

    model: ForecastChoice | None = Field(
        None,
        description="`best` is the model of the lowest WMAE over many steps; `/model` names it.",
    )
    level: Literal["80", "95"] = Field(
        "80", description="Percent of sales that lie between `lower` and `upper`."
    )


_NO_WISHES = ForecastQuery.model_validate({})


def _json(content: object, headers: dict[str, str] | None = None) -> Response:
    body = to_json(content, inf_nan_mode="null")  # NaN is no JSON
    return Response(body, headers=headers, media_type="application/json")


def add_routes(app: FastAPI, live: Live) -> None:
    """Add every endpoint of the service to `app`."""

    async def predict_sales(body: bytes, query: Sequence[tuple[str, str]]) -> Response:
        forms = _forms(live)
        request = read(forms.predict, body)
        if query:
            read_query(NoQuery, query)
        predictor = live.predictor
        day = request.day  # type: ignore[attr-defined] # a model made by `forms`
        answer = predictor.predict(forms.series_of(request), day, forms.covariates_of(request))
        return _json(_prediction(predictor, answer))

    async def forecast_sales(body: bytes, query: Sequence[tuple[str, str]]) -> Response:
        forms = _forms(live)
        if not body and (query or not forms.fields):
            body, query = _from_query(forms, query)
        many = "series" not in forms.fields and _has_series(body)
        request: Any = read(forms.many if many else forms.forecast, body)
        wish = read_query(ForecastQuery, query) if query else _NO_WISHES
        predictor = live.predictor
        if many:
            return _json(
                [_of_one(predictor, forms.series_of(one), request.steps, wish)
                 for one in request.series],
                _headers(predictor, wish.model, predictor.warnings),
            )  # fmt: skip
        series = forms.series_of(request)
        periods = predictor.forecast(series, request.steps, wish.model, _LEVELS[wish.level])
        said = predictor.warnings_for(series, request.steps, wish.model)
        return _json(_items(periods), _headers(predictor, wish.model, said))

    # First, because routes are tried in their order and these are the ones that are asked.
    app.router.routes[:0] = [JsonRoute(PREDICT, predict_sales), JsonRoute(FORECAST, forecast_sales)]

    @app.get("/health", tags=["operation"])
    async def health() -> Health:
        """Say that the process lives."""
        return Health()

    @app.get("/ready", responses=NOT_READY, tags=["operation"], response_model_exclude_unset=True)
    async def ready() -> Ready:
        """Say that a verified model is loaded and that the database answers."""
        await run_in_threadpool(live.check)
        predictor = live.predictor
        said = " ".join(predictor.warnings)
        return Ready(
            status="ready",
            model_version=predictor.version,
            forecast_origin=predictor.origin,
            refused=live.problem,
            **({"warning": said} if said else {}),
        )

    @app.get("/model", responses=NOT_READY, tags=["operation"])
    async def model() -> dict[str, object]:
        """Describe the model: version, training window, scores beside the naive baseline."""
        return live.describe()


def _forms(live: Live) -> Forms:
    """Return the forms of the loaded panel; until there is one, those of weekly stores."""
    try:
        return live.predictor.forms
    except NotReady:
        return forms_of(STORES)


def _has_series(body: bytes) -> bool:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return False  # whoever reads it as a form says what is wrong
    return isinstance(content, dict) and "series" in content


def _from_query(
    forms: Forms, query: Sequence[tuple[str, str]]
) -> tuple[bytes, list[tuple[str, str]]]:
    """Return the body that the parameters of a query stand for, and the other parameters.

    Raises InvalidRequest for one that is given twice.
    """
    numbers = {key.field for key in forms.spec.keys if key.kind == "number"} | {"steps"}
    found: dict[str, object] = {}
    others = []
    for name, value in query:
        if name in ForecastQuery.model_fields:
            others.append((name, value))
        elif name in found:
            raise InvalidRequest(f"Given more than once: {name}.", {name: "given more than once"})
        else:
            whole = name in numbers and _WHOLE.fullmatch(value)
            found[name] = int(value) if whole else value
    return json.dumps({"steps": USUAL_STEPS, **found}).encode(), others


def _prediction(predictor: Predictor, answer: Answer) -> dict[str, object]:
    stores = predictor.spec.layout == STORES.layout
    models: Mapping[str, float | None] = answer.models
    if stores:
        models = {name: answer.models.get(name) for name in ("random_forest", "xgboost")}
    return {
        "prediction": answer.prediction,
        "date" if predictor.spec.frequency == DAILY else "week_ending": answer.period,
        "interval_80": answer.interval_80,
        "interval_95": answer.interval_95,
        "models": models,
        **({} if stores else {"covariates": _covariates(answer)}),
        "model_version": predictor.version,
        "warnings": answer.warnings,
    }


def _covariates(answer: Answer) -> dict[str, dict[str, object]]:
    return {
        name: {"value": used.value, "source": used.source}
        for name, used in answer.covariates.items()
    }


def _items(periods: Sequence[PeriodForecast]) -> list[dict[str, object]]:
    return [
        {"Date": of.period, "Sales": of.sales, "lower": of.lower, "upper": of.upper}
        for of in periods
    ]


def _of_one(
    predictor: Predictor, series: Named, steps: int, wish: ForecastQuery
) -> dict[str, object]:
    periods = predictor.forecast(series, steps, wish.model, _LEVELS[wish.level])
    return {
        **dict(zip(predictor.forms.fields, series, strict=True)),
        "forecast": _items(periods),
        "warnings": predictor.warnings_for(series, steps, wish.model),
    }


def _headers(
    predictor: Predictor, choice: ForecastChoice | None, warnings: Sequence[str]
) -> dict[str, str]:
    headers = {
        "X-Model-Version": predictor.version,
        "X-Forecast-Origin": predictor.origin.isoformat(),
        "X-Model": predictor.forecasting[choice or predictor.usual],
    }
    if warnings:
        headers["X-Warnings"] = json.dumps(warnings)  # ASCII, as headers must be
    return headers

"""The endpoints: each takes what was validated, asks the live predictor, gives bytes.

The two POST endpoints run in tens of microseconds inside the event loop and touch no disk, no
database and no lock. Their answers are declared as pydantic models for the documentation and
written as JSON directly. Must not catch errors: `problems` gives them their one shape.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from fastapi import FastAPI, Query, Response
from pydantic_core import to_json
from starlette.concurrency import run_in_threadpool

from sales_forecast.bundles.manifest import ForecastChoice, ForecastModel, IntervalLevel
from sales_forecast.service.json_route import JsonRoute
from sales_forecast.service.live import Live
from sales_forecast.service.schemas import (
    ErrorResponse,
    ForecastRequest,
    ForecastWeek,
    Health,
    PredictRequest,
    PredictResponse,
    Ready,
)

_Choice = Annotated[
    ForecastChoice,
    Query(description="`best` is the model of the lowest WMAE over many steps; `/model` names it."),
]
_Level = Annotated[
    Literal["80", "95"],
    Query(description="Percent of sales that lie between `lower` and `upper`."),
]
_LEVELS: Mapping[str, IntervalLevel] = {"80": 80, "95": 95}
_NOT_READY: dict[int | str, dict[str, Any]] = {
    503: {"model": ErrorResponse, "description": "No verified model, or no history, yet"}
}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorResponse, "description": "The body is not JSON"},
    404: {"model": ErrorResponse, "description": "The store is not in the model"},
    413: {"model": ErrorResponse, "description": "The body is over 1 MB"},
    422: {"model": ErrorResponse, "description": "A field is missing or makes no sense"},
    **_NOT_READY,
}
_FORECAST_HEADERS = {
    "X-Model-Version": {"schema": {"type": "string"}, "required": True},
    "X-Forecast-Origin": {
        "schema": {"type": "string", "format": "date"},
        "description": "The last known week, which the forecast starts after",
        "required": True,
    },
    "X-Model": {
        "schema": {"type": "string", "enum": [*get_args(ForecastModel)]},
        "description": "The model that answered",
        "required": True,
    },
    "X-Warnings": {
        "schema": {"type": "string"},
        "description": "A JSON array of warnings about the model; absent when there are none",
    },
}


def _json(content: object, headers: dict[str, str] | None = None) -> Response:
    body = to_json(content, inf_nan_mode="null")  # NaN is no JSON
    return Response(body, headers=headers, media_type="application/json")


def add_routes(app: FastAPI, live: Live) -> None:
    """Add every endpoint of the service to `app`."""

    async def predict_sales(request: PredictRequest) -> Response:
        """Predict the sales of one store in one week under given conditions."""
        predictor = live.predictor
        answer = predictor.predict(request.store, request.day, request.conditions)
        return _json(
            {
                "prediction": answer.prediction,
                "week_ending": answer.week_ending,
                "interval_80": answer.interval_80,
                "interval_95": answer.interval_95,
                "models": {
                    "random_forest": answer.random_forest,
                    "xgboost": answer.xgboost,
                },
                "model_version": predictor.version,
                "warnings": answer.warnings,
            }
        )

    async def forecast_sales(
        request: ForecastRequest, model: _Choice = "arima", level: _Level = "80"
    ) -> Response:
        """Forecast the sales of one store in the weeks after the last known one."""
        predictor = live.predictor
        weeks = predictor.forecast(request.store_id, request.steps, model, _LEVELS[level])
        headers = {
            "X-Model-Version": predictor.version,
            "X-Forecast-Origin": predictor.origin.isoformat(),
            "X-Model": predictor.forecasting[model],
        }
        if warnings := predictor.warnings_for(request.store_id):
            headers["X-Warnings"] = json.dumps(warnings)  # ASCII, as headers must be
        return _json(
            [
                {
                    "Date": week.week_ending,
                    "Sales": week.sales,
                    "lower": week.lower,
                    "upper": week.upper,
                }
                for week in weeks
            ],
            headers,
        )

    # First, because routes are tried in their order and these are the ones that are asked.
    app.router.routes[:0] = [
        JsonRoute(
            "/predict_sales",
            predict_sales,
            response_model=PredictResponse,
            responses=_REFUSALS,
            tags=["forecasts"],
        ),
        JsonRoute(
            "/forecast_sales",
            forecast_sales,
            response_model=list[ForecastWeek],
            responses={**_REFUSALS, 200: {"headers": _FORECAST_HEADERS}},
            tags=["forecasts"],
        ),
    ]

    @app.get("/health", tags=["operation"])
    async def health() -> Health:
        """Say that the process lives."""
        return Health()

    @app.get("/ready", responses=_NOT_READY, tags=["operation"])
    async def ready() -> Ready:
        """Say that a verified model is loaded and that the database answers."""
        await run_in_threadpool(live.check)
        predictor = live.predictor
        return Ready(
            model_version=predictor.version,
            forecast_origin=predictor.origin,
            refused=live.problem,
        )

    @app.get("/model", responses=_NOT_READY, tags=["operation"])
    async def model() -> dict[str, object]:
        """Describe the model: version, training window, scores beside the naive baseline."""
        return live.describe()

"""The endpoints: each takes what was validated, asks the live predictor, gives bytes.

The POST endpoints run in tens of microseconds inside the event loop and touch no database; what
they answer is kept by one `write`. A question of another plan than the loaded one waits for a
thread. Must not catch errors: `problems` gives them their one shape.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import FastAPI, Request, Response

from sales_forecast.bundles.manifest import ForecastChoice, IntervalLevel
from sales_forecast.data.frequency import DAILY
from sales_forecast.data.rows import STORES
from sales_forecast.errors import InvalidRequest, NotReady
from sales_forecast.service.callers import words_for
from sales_forecast.service.covariates import Told
from sales_forecast.service.forms import Forms, Named, forms_of
from sales_forecast.service.json_route import JsonRoute, Question, json_answer, read, read_query
from sales_forecast.service.kept import HEADER as PREDICTION_ID
from sales_forecast.service.kept import Kept, SeriesForecast
from sales_forecast.service.live import Live
from sales_forecast.service.orders import order_for
from sales_forecast.service.predictor import Predictor
from sales_forecast.service.queries import ForecastQuery, NoQuery, from_query
from sales_forecast.service.results import Answer
from sales_forecast.service.schemas import ErrorResponse, Health, Ready
from sales_forecast.service.what_if_route import answering_wishes

PREDICT, FORECAST, ORDER = "/predict_sales", "/forecast_sales", "/order_quantity"
WHAT_IF = "/what_if"
_MOST_QUANTILES = 120_000
"""Of one answer, which then has 2.7 MB and takes 50 MB to be made."""
_LEVELS: Mapping[str, IntervalLevel] = {"80": 80, "95": 95}
NOT_READY: dict[int | str, dict[str, Any]] = {
    503: {"model": ErrorResponse, "description": "No verified model, or no history, yet"}
}


_NO_WISHES = ForecastQuery.model_validate({})


def add_routes(app: FastAPI, live: Live, kept: Kept | None) -> None:
    """Add every endpoint of the service to `app`. Each answer of the two questions is `kept`."""
    # What takes longer than other answers comes from a thread, one at a time.
    patience = CapacityLimiter(1)

    async def predict_sales(question: Question) -> Response:
        forms = _forms(live)
        request: Any = read(forms.predict, question.body)
        if question.query:
            read_query(NoQuery, question.query)
        predictor = live.predictor
        series, told = forms.series_of(request), forms.covariates_of(request)
        answer = await _answer(predictor, patience, series, request.day, told)
        headers = {}
        if kept is not None:
            headers[PREDICTION_ID] = kept.predicted(question, predictor, series, told, answer)
        return json_answer(_prediction(predictor, answer), headers=headers)

    async def forecast_sales(question: Question) -> Response:
        forms = _forms(live)
        request, wish, many = _read_forecast(forms, question)
        predictor = live.predictor
        named = [forms.series_of(one) for one in (request.series if many else [request])]
        forecasts = [_forecast(predictor, series, request.steps, wish) for series in named]
        said = predictor.warnings if many else forecasts[0].warnings
        headers = _headers(predictor, wish.model, said)
        if kept is not None:
            headers[PREDICTION_ID] = kept.forecast(question, predictor, wish, forecasts)
        answer = _beside(forms, forecasts) if many else forecasts[0].items
        return json_answer(answer, headers=headers)

    async def order_quantity(question: Question) -> Response:
        forms = _forms(live)
        request: Any = read(forms.order, question.body)
        read_query(NoQuery, question.query)
        costs = request.too_many, request.too_few
        series = forms.series_of(request)
        return json_answer(order_for(live.predictor, series, request.step, *costs))

    # First, because routes are tried in their order and these are the ones that are asked.
    asked = {PREDICT: predict_sales, FORECAST: forecast_sales, ORDER: order_quantity}
    app.router.routes[:0] = [JsonRoute(path, answer) for path, answer in asked.items()]
    app.router.routes.append(JsonRoute(WHAT_IF, answering_wishes(live, patience)))

    @app.get("/health", tags=["operation"])
    async def health() -> Health:
        """Say that the process lives."""
        return Health()

    @app.get("/ready", responses=NOT_READY, tags=["operation"], response_model_exclude_unset=True)
    async def ready(request: Request) -> Ready:
        """Say that a verified model is loaded and that the database answers."""
        await live.check()
        predictor, said, refused = live.predictor, live.warning, live.problem
        return Ready(
            status="ready",
            model_version=predictor.version,
            forecast_origin=predictor.origin,
            refused=None if refused is None else words_for(request.scope, refused),
            **({"warning": said} if said else {}),
        )

    @app.get("/model", responses=NOT_READY, tags=["operation"])
    async def model(request: Request) -> dict[str, object]:
        """Describe the model: version, training window, scores beside the naive baseline."""
        refused = live.problem
        return {**live.describe(), "refused": refused and words_for(request.scope, refused)}


async def _answer(
    predictor: Predictor, patience: CapacityLimiter, *question: *tuple[Named, date, Told]
) -> Answer:
    if predictor.takes_long(*question):
        return await run_sync(predictor.predict, *question, limiter=patience)
    return predictor.predict(*question)


def _read_forecast(forms: Forms, question: Question) -> tuple[Any, ForecastQuery, bool]:
    """Return body and query, and whether it is about several series. Raises InvalidRequest."""
    body, query = question.body, question.query
    if not body and (query or not forms.fields):
        body, query = from_query(forms, query)
    many = "series" not in forms.fields and _has_series(body)
    request: Any = read(forms.many if many else forms.forecast, body)
    wish = read_query(ForecastQuery, query) if query else _NO_WISHES
    if wish.quantiles is not None:
        _check_size(len(request.series) if many else 1, request.steps, len(wish.quantiles))
    return request, wish, many


def _check_size(series: int, steps: int, quantiles: int) -> None:
    told = series * steps * quantiles
    if told > _MOST_QUANTILES:
        raise InvalidRequest(
            f"{series} x {steps} x {quantiles} quantiles are {told:,}; an answer has "
            f"{_MOST_QUANTILES:,} at most. Ask for fewer series, steps or quantiles at a time.",
            {"quantiles": told},
        )


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


def _forecast(
    predictor: Predictor, series: Named, steps: int, wish: ForecastQuery
) -> SeriesForecast:
    periods = predictor.forecast(series, steps, wish.model, _LEVELS[wish.level])
    items: list[dict[str, Any]] = [
        {"Date": of.period, "Sales": of.sales, "lower": of.lower, "upper": of.upper}
        for of in periods
    ]
    if wish.quantiles is not None:
        beside = predictor.distribution(series, len(periods), wish.model, wish.quantiles)
        for item, of in zip(items, beside, strict=True):
            item["mean"] = of.mean
            item["quantiles"] = dict(zip(map(str, wish.quantiles), of.quantiles, strict=True))
    return SeriesForecast(series, items, predictor.warnings_for(series, steps, wish.model))


def _beside(forms: Forms, forecasts: Sequence[SeriesForecast]) -> list[dict[str, object]]:
    """Return the answer about several series."""
    named = [dict(zip(forms.fields, of.names, strict=True)) for of in forecasts]
    return [
        {**keys, "forecast": of.items, "warnings": of.warnings}
        for keys, of in zip(named, forecasts, strict=True)
    ]


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

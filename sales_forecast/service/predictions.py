"""GET /predictions: what was answered, and by which model, data and code.

Takes the parameters of a query and who asks, reads the ledger in a thread, gives JSON. A viewer is
shown its own answers alone; without any key, this machine alone is answered. Must not predict.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, time
from functools import cache
from typing import Annotated, Any
from uuid import UUID

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError
from starlette.concurrency import run_in_threadpool
from starlette.types import Scope

from sales_forecast.data.ledger.stored_predictions import PageWish
from sales_forecast.data.spec import PanelSpec
from sales_forecast.errors import Forbidden, InvalidRequest, UnknownPrediction, brief
from sales_forecast.service.api_keys import Caller
from sales_forecast.service.callers import caller_of, is_local
from sales_forecast.service.days import EndOfDay, parse_day
from sales_forecast.service.json_route import json_answer, read_query
from sales_forecast.service.live import Live
from sales_forecast.service.queries import (
    PAGE_BEFORE,
    WHOLE,
    NoQuery,
    by_field,
    given,
    not_of_a_page,
    optional,
    query_of,
)

PREDICTIONS, PREDICTION = "/predictions", "/predictions/{id}"
MOST_ITEMS = 1000
_USUAL_ITEMS = 100
ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_CURSOR = re.compile("[A-Za-z0-9_-]{22}")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
    "(Z|[+-][0-9]{2}:[0-9]{2})"
)


def cursor_of(prediction_id: str) -> str:
    """Return what names the answer after which a page begins."""
    return urlsafe_b64encode(UUID(prediction_id).bytes).decode().rstrip("=")


def _id(cursor: object) -> str:
    if isinstance(cursor, str) and _CURSOR.fullmatch(cursor):
        found = str(UUID(bytes=urlsafe_b64decode(f"{cursor}==")))
        if cursor_of(found) == cursor:
            return found
    raise not_of_a_page()


def moment_of(value: object) -> datetime:
    """Return a moment, or when a day begins in UTC. Raises PydanticCustomError."""
    try:
        if isinstance(value, str) and _MOMENT.fullmatch(value):
            return datetime.fromisoformat(value)
        return datetime.combine(parse_day(value), time(), UTC)
    except ValueError:
        raise PydanticCustomError(
            "moment", "must be a day such as 2026-11-26 or a moment such as 2026-11-26T20:00:00Z"
        ) from None


_Text = WithJsonSchema({"type": "string"})
Moment = Annotated[datetime, BeforeValidator(moment_of), _Text]
_Cursor = Annotated[str, BeforeValidator(_id), _Text]
LIMIT: Any = (
    Annotated[int, Field(ge=1, le=MOST_ITEMS), WHOLE],
    Field(_USUAL_ITEMS, description="How many at most; long answers make shorter pages."),
)


@cache
def predictions_query(spec: PanelSpec) -> type[BaseModel]:
    """Return the form of a query: any of the keys of a panel, moments, a page."""
    return query_of(
        spec,
        "PredictionsQuery",
        "Left out: answers about any.",
        since=optional(Moment, "since", "Given then or later: a day in UTC, or a moment."),
        as_of=optional(EndOfDay, "as_of", "Given before the end of this day in UTC."),
        limit=LIMIT,
        cursor=optional(_Cursor, "cursor", PAGE_BEFORE),
    )


def add_predictions(app: FastAPI, live: Live) -> None:
    """Add both endpoints; what the documentation shows of them is written by `openapi`."""

    @app.get(PREDICTIONS, include_in_schema=False)
    async def page(request: Request) -> Response:
        caller, spec = whose(caller_of(request.scope), request.scope), live.predictor.spec
        query: Any = read_query(predictions_query(spec), request.query_params.multi_items())
        told = by_field(spec, given(spec, query))
        wish = PageWish(query.limit, told, query.since, query.cursor, caller, query.as_of)
        found = await run_in_threadpool(live.predictions.page, wish)
        more = None if found.last is None else cursor_of(found.last)
        return json_answer({"items": found.rows, "next": more})

    @app.get(PREDICTION, include_in_schema=False)
    async def one(request: Request) -> Response:
        caller, asked = whose(caller_of(request.scope), request.scope), request.path_params["id"]
        read_query(NoQuery, request.query_params.multi_items())
        if not ID.fullmatch(asked):
            problem = f"must be what X-Prediction-ID says, not {brief(json.dumps(asked))}"
            raise InvalidRequest(f"id {problem}.", {"id": problem})
        found = await run_in_threadpool(live.predictions.find, asked.lower(), caller)
        if found is None:
            raise UnknownPrediction(
                f"No answer {asked} can be shown: none was kept under this id, it is older than "
                "what is kept, or not yours, or it left less than a few seconds ago.",
                {"id": asked},
            )
        return json_answer(found)


def whose(caller: Caller | None, scope: Scope) -> str | None:
    """Return whose answers alone may be shown to a caller, None for anyone's. Raises Forbidden."""
    if caller is not None:
        return caller.name if caller.role == "viewer" else None
    if not is_local(scope):
        raise Forbidden(
            "This service asks for no key, so what it answered is shown on its own machine alone. "
            "Set API_KEY or API_KEYS_FILE, and send the key.",
            {"X-API-Key": "is not set up"},
        )
    return None

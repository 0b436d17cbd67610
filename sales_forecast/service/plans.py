"""What people change of forecasts, over HTTP: overrides, and what came of them.

Takes bodies, queries and who asks, works in a thread of its own, gives JSON. Planners and admins
write, everybody reads; of single persons one is told of oneself alone, or as an admin. Without any
key nothing can be written, because nobody could be named. Must not know how a plan is made.
"""

from __future__ import annotations

from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.types import Scope

from sales_forecast.errors import Forbidden
from sales_forecast.planning.change import explain
from sales_forecast.planning.states import OverridesWish
from sales_forecast.planning.value_added import advice
from sales_forecast.planning.wishes import Wish
from sales_forecast.service.api_keys import Caller
from sales_forecast.service.callers import caller_of
from sales_forecast.service.json_route import json_answer, read, read_body, read_query
from sales_forecast.service.live import Live
from sales_forecast.service.plan_answers import change_told, made_told, override_told, state_told
from sales_forecast.service.plan_forms import (
    UndoQuery,
    ValueAddedQuery,
    change_query,
    override_form,
    overrides_query,
)
from sales_forecast.service.predictor import Predictor
from sales_forecast.service.queries import NoQuery, given
from sales_forecast.service.stored import STORED, ending, texts_of

OVERRIDES, OVERRIDE, VALUE_ADDED = "/overrides", "/overrides/{id}", "/forecast_value_added"
CHANGE = f"{STORED}/change"


def add_plans(app: FastAPI, live: Live) -> None:
    """Add the endpoints; what the documentation shows of them is written by `openapi`."""

    # One route: of two of one path a refusal would name the methods of the first alone.
    @app.api_route(OVERRIDES, methods=["GET", "POST"], include_in_schema=False)
    async def overrides(request: Request) -> Response:
        if request.method != "POST":
            pairs = request.query_params.multi_items()
            return json_answer(await run_in_threadpool(_page, live, pairs))
        caller = writer(request.scope)
        read_query(NoQuery, request.query_params.multi_items())
        body = await read_body(request.scope, request.receive)
        if body is None:  # the caller hung up
            return Response()
        answer = await run_in_threadpool(_make, live, body, caller.name)
        return json_answer(answer, HTTPStatus.CREATED)

    @app.delete(OVERRIDE, include_in_schema=False)
    async def undo(request: Request) -> Response:
        caller, asked = writer(request.scope), request.path_params["id"]
        query = read_query(UndoQuery, request.query_params.multi_items())
        spec = live.predictor.spec
        made = await run_in_threadpool(live.overrides.undo, spec, asked, query.version, caller.name)
        return json_answer(
            {**override_told(spec, made), "version": f"{made.issue_id}-{made.number}"}
        )

    @app.get(CHANGE, include_in_schema=False)
    async def change(request: Request) -> Response:
        pairs = request.query_params.multi_items()
        return json_answer(await run_in_threadpool(_change, live, pairs))

    @app.get(VALUE_ADDED, include_in_schema=False)
    async def value_added(request: Request) -> Response:
        query = read_query(ValueAddedQuery, request.query_params.multi_items())
        person = _whose(request.scope) if query.by == "person" else None
        spec = live.predictor.spec
        found = await run_in_threadpool(live.value_added.by, spec, query.by, person)
        groups = [{"group": name, **asdict(of)} for name, of in found.items()]
        return json_answer({"by": query.by, "groups": groups})


def writer(scope: Scope) -> Caller:
    """Return who asks, if they may change what is planned. Raises Forbidden."""
    caller = caller_of(scope)
    if caller is None:
        raise Forbidden(
            "This service asks for no key, so nobody can be named who changes a plan. Set API_KEY "
            "or API_KEYS_FILE, and send the key.",
            {"X-API-Key": "is not set up"},
        )
    if caller.role == "viewer":
        raise Forbidden(
            f"The key of {caller.name} may read plans and not change them. Ask for one of a "
            "planner.",
            {"role": caller.role},
        )
    return caller


def _whose(scope: Scope) -> str | None:
    """Return of whom alone one is told, None for anyone. Raises Forbidden."""
    caller = caller_of(scope)
    if caller is None:
        raise Forbidden(
            "This service asks for no key, so it tells of no single person.",
            {"X-API-Key": "is not set up"},
        )
    return None if caller.role == "admin" else caller.name


def _scope(predictor: Predictor, form: Any) -> dict[str, str]:
    keys = given(predictor.spec, form)
    predictor.series.check(keys)
    return texts_of(keys)


def wish_of(predictor: Predictor, body: bytes) -> Wish:
    """Return what a body asks for. Raises InvalidJson, InvalidRequest, UnknownSeries."""
    request: Any = read(override_form(predictor.spec), body)
    return Wish(
        scope=_scope(predictor, request.keys),
        first=ending(predictor, request.first),
        last=ending(predictor, request.last or request.first),
        kind=request.kind,
        amount=request.number,
        reason=request.reason,
        note=request.note.strip(),
        version=request.version,
    )


def _make(live: Live, body: bytes, name: str) -> object:
    predictor = live.predictor
    spec = predictor.spec
    made = live.overrides.make(spec, wish_of(predictor, body), name)
    record = live.value_added.of_kind(spec, made)
    return made_told(spec, made, record, advice(spec, made, record))


def _page(live: Live, pairs: list[tuple[str, str]]) -> object:
    predictor = live.predictor
    spec = predictor.spec
    query: Any = read_query(overrides_query(spec), pairs)
    wish = OverridesWish(
        limit=query.limit,
        scope=_scope(predictor, query),
        since=query.since,
        reason=query.reason,
        made_by=query.by,
        active=query.active,
        before=query.cursor,
    )
    found = live.overrides.page(spec, wish)
    return {
        "items": [state_told(spec, of) for of in found.items],
        "next": None if found.last is None else str(found.last),
        "version": found.version,
    }


def _change(live: Live, pairs: list[tuple[str, str]]) -> object:
    predictor = live.predictor
    query: Any = read_query(change_query(predictor.spec), pairs)
    target = None if query.period is None else ending(predictor, query.period)
    scope = _scope(predictor, query)
    found = explain(
        live.overrides.tables,
        predictor.spec,
        scope,
        target=target,
        start=query.start,
        end=query.end,
    )
    return change_told(predictor.spec, scope, found)

"""What people change of forecasts, over HTTP: overrides, and what came of them.

Takes bodies, queries and who asks, works in a thread of its own, gives JSON. Planners and admins
write, everybody reads; of single persons one is told of oneself alone, or as an admin. Without any
key nothing can be written, because nobody could be named. Must not know how a plan is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from http import HTTPStatus
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model
from pydantic_core import PydanticCustomError, to_json
from starlette.concurrency import run_in_threadpool
from starlette.types import Scope

from sales_forecast.data.override_tables import Override
from sales_forecast.data.spec import PanelSpec
from sales_forecast.errors import Forbidden, UnknownOverride
from sales_forecast.planning.change import explain
from sales_forecast.planning.states import OverridesWish, State
from sales_forecast.planning.value_added import Grouping, advice
from sales_forecast.planning.wishes import LARGEST, Reason, Wish
from sales_forecast.service.api_keys import Caller
from sales_forecast.service.callers import caller_of
from sales_forecast.service.days import Day
from sales_forecast.service.forms import Body
from sales_forecast.service.json_route import read, read_body, read_query
from sales_forecast.service.live import Live
from sales_forecast.service.predictions import LIMIT, Moment
from sales_forecast.service.predictor import Predictor
from sales_forecast.service.queries import NoQuery, key_of, optional
from sales_forecast.service.stored import STORED, ending, texts_of

OVERRIDES, OVERRIDE, VALUE_ADDED = "/overrides", "/overrides/{id}", "/forecast_value_added"
CHANGE = f"{STORED}/change"
_LONGEST_NOTE = 500
_SUM = "Left out: the sum over all of them."
_Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
# No zero byte: PostgreSQL has no place for one.
_Note = Annotated[
    str, Field(min_length=1, max_length=_LONGEST_NOTE, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")
]


def _number(value: object) -> object:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 10:  # noqa: PLR2004
        return int(value)
    raise PydanticCustomError("cursor", "must be what `next` of the page before says")


def _flag(value: object) -> bool:
    if value in {"true", "false"}:
        return value == "true"
    raise PydanticCustomError("flag", "must be true or false")


@cache
def override_form(spec: PanelSpec) -> type[BaseModel]:
    """Return the form of an override of a panel."""
    some: dict[str, Any] = {f"key_{n}": key_of(key, _SUM) for n, key in enumerate(spec.keys)}
    keys = create_model("OverrideKeys", __base__=Body, **some)
    unit = spec.frequency.unit
    says = "What somebody expects otherwise than the forecast, and why."
    fields: dict[str, Any] = {
        "keys": (keys, Field(default_factory=keys, description="Any of the keys of the panel.")),
        "first": (Day, Field(description=f"Any day of the first {unit}.", examples=["2012-11-02"])),
        "last": (Day | None, Field(None, description="Of the last one; left out: the same.")),
        "kind": (
            Literal["value", "percent", "units"],
            Field(description=f"Sales of each {unit}; or percent, or units, more than planned."),
        ),
        "number": (_Number, Field(examples=[5])),
        "reason": (Reason, Field()),
        "note": (_Note, Field(description="What you know.", examples=["Leaflet in all houses"])),
        "version": (
            Annotated[str, Field(max_length=60)],
            Field(description="What you saw: `version` of GET /forecast.", examples=["1-0"]),
        ),
    }
    return create_model("OverrideRequest", __base__=Body, __doc__=says, **fields)


@cache
def overrides_query(spec: PanelSpec) -> type[BaseModel]:
    """Return the form of a query of overrides: any of the keys, filters, a page."""
    any_of = "About any series with this key; left out: any."
    keys: dict[str, Any] = {f"key_{n}": key_of(key, any_of) for n, key in enumerate(spec.keys)}
    made: type[BaseModel] = create_model(
        "OverridesQuery",
        __config__=ConfigDict(extra="forbid"),
        **keys,
        reason=optional(Reason, "reason", "Of this reason alone."),
        by=optional(Annotated[str, Field(max_length=64)], "by", "Made by this person alone."),
        active=(
            Annotated[bool, BeforeValidator(_flag)],
            Field(default=False, description="Alone those by which something is planned now."),
        ),
        since=optional(Moment, "since", "Made then or later: a day in UTC, or a moment."),
        limit=LIMIT,
        cursor=optional(
            Annotated[int, BeforeValidator(_number)],
            "cursor",
            "`next` of the page before; left out: the newest.",
        ),
    )
    return made


@cache
def change_query(spec: PanelSpec) -> type[BaseModel]:
    """Return the form of a query of a change: any of the keys, a period, two origins."""
    keys: dict[str, Any] = {f"key_{n}": key_of(key, _SUM) for n, key in enumerate(spec.keys)}
    unit = spec.frequency.field
    made: type[BaseModel] = create_model(
        "ChangeQuery",
        __config__=ConfigDict(extra="forbid"),
        **keys,
        period=optional(Day, unit, "Left out: all periods that both origins forecast, summed."),
        start=optional(Day, "from", "An origin; left out: the one before `to`."),
        end=optional(Day, "to", "A later one; left out: the newest."),
    )
    return made


class UndoQuery(BaseModel):
    """What is sent with an undo."""

    model_config = ConfigDict(extra="forbid")

    version: Annotated[
        str, Field(max_length=60, description="What you saw: `version` of GET /overrides.")
    ]


class ValueAddedQuery(BaseModel):
    """How overrides are grouped."""

    model_config = ConfigDict(extra="forbid")

    by: Annotated[Grouping, Field(description="What groups are made of.")] = "reason"


def add_plans(app: FastAPI, live: Live) -> None:
    """Add the endpoints; what the documentation shows of them is written by `openapi`."""

    # One route: of two of one path a refusal would name the methods of the first alone.
    @app.api_route(OVERRIDES, methods=["GET", "POST"], include_in_schema=False)
    async def overrides(request: Request) -> Response:
        if request.method != "POST":
            pairs = request.query_params.multi_items()
            return _json(await run_in_threadpool(_page, live, pairs))
        caller = writer(request.scope)
        read_query(NoQuery, request.query_params.multi_items())
        body = await read_body(request.scope, request.receive)
        if body is None:  # the caller hung up
            return Response()
        answer = await run_in_threadpool(_make, live, body, caller.name)
        return _json(answer, HTTPStatus.CREATED)

    @app.delete(OVERRIDE, include_in_schema=False)
    async def undo(request: Request) -> Response:
        caller, asked = writer(request.scope), request.path_params["id"]
        query = read_query(UndoQuery, request.query_params.multi_items())
        spec = live.predictor.spec
        version, of = query.version, _id(asked)
        made = await run_in_threadpool(live.overrides.undo, spec, of, version, caller.name)
        return _json({**override_told(spec, made), "version": f"{made.issue_id}-{made.number}"})

    @app.get(CHANGE, include_in_schema=False)
    async def change(request: Request) -> Response:
        pairs = request.query_params.multi_items()
        return _json(await run_in_threadpool(_change, live, pairs))

    @app.get(VALUE_ADDED, include_in_schema=False)
    async def value_added(request: Request) -> Response:
        query = read_query(ValueAddedQuery, request.query_params.multi_items())
        person = _whose(request.scope) if query.by == "person" else None
        spec = live.predictor.spec
        found = await run_in_threadpool(live.value_added.by, spec, query.by, person)
        groups = [{"group": name, **asdict(of)} for name, of in found.items()]
        return _json({"by": query.by, "groups": groups})


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


def _id(asked: str) -> str:
    try:
        return str(UUID(asked))
    except ValueError:
        raise UnknownOverride("There is no override of this id.", {"id": asked[:60]}) from None


def _scope(predictor: Predictor, form: Any) -> dict[str, str]:
    given = {place: getattr(form, f"key_{place}") for place in range(len(predictor.spec.keys))}
    keys = {place: value for place, value in given.items() if value is not None}
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
    return {
        **override_told(spec, made.override),
        "periods": [
            {
                "target": of.target,
                "sales": of.baseline,
                "before": of.before,
                "planned": of.after,
                "lower_80": of.lower,
                "upper_80": of.upper,
                "inside_80": of.inside_80,
            }
            for of in made.cells
        ],
        "record": {
            grouping: {"n": of.n, "helped": of.helped, "value_added": of.value_added}
            for grouping, of in record.items()
        },
        "advice": advice(spec, made, record),
        "version": made.version,
    }


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
        "items": [_state(spec, of) for of in found.items],
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
    return {
        "keys": keys_told(predictor.spec, scope),
        "from": found.start,
        "to": found.end,
        "first": found.targets[0],
        "last": found.targets[-1],
        "before": found.before / 100,
        "after": found.after / 100,
        "difference": (found.after - found.before) / 100,
        "parts": [{"cause": name, "amount": cents / 100} for name, cents in found.parts.items()],
        "notes": found.notes,
    }


def override_told(spec: PanelSpec, of: Override) -> dict[str, object]:
    """Return a row as callers are told of it."""
    return {
        "id": of.id,
        "keys": keys_told(spec, of.scope),
        "first": of.first,
        "last": of.last,
        "kind": of.kind,
        "number": of.amount,
        "reason": of.reason,
        "note": of.note,
        "made_by": of.made_by,
        "made_at": of.made_at,
        "undoes": of.undoes,
    }


def keys_told(spec: PanelSpec, scope: Mapping[str, str]) -> dict[str, int | str]:
    """Return keys by the names that callers use, numbers as numbers."""
    told: dict[str, int | str] = {}
    for place, key in enumerate(spec.keys):
        text = scope.get(f"k{place + 1}")
        if text is not None:
            told[key.field] = int(text) if key.kind == "number" else text
    return told


def _state(spec: PanelSpec, of: State) -> dict[str, object]:
    undone = of.undone
    return {
        **override_told(spec, of.override),
        "undone": None
        if undone is None
        else {"id": undone.id, "made_by": undone.made_by, "made_at": undone.made_at},
        "expired": of.expired,
        "baseline_contains": of.contained,
        "periods": [
            {
                "target": cell.target,
                "sales": cell.baseline / 100,
                "before": cell.before / 100,
                "planned": cell.after / 100,
            }
            for cell in of.cells
        ],
    }


def _json(content: object, status: int = HTTPStatus.OK) -> Response:
    return Response(to_json(content), status, media_type="application/json")

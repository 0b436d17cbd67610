"""A route that reads a JSON body in one pass: raw bytes to a validated model, no dict between.

FastAPI reads the bytes, parses them, validates the result and solves dependencies; for a
prediction of tens of microseconds that is most of the time. This is a plain route of Starlette;
what the documentation shows of it is written by `openapi`. The content type is not looked at
(`curl -d` sends that of a form). Must not know what is predicted.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from sales_forecast.errors import BodyTooLarge, InvalidJson, InvalidRequest
from sales_forecast.service.callers import caller_of
from sales_forecast.service.observe import request_id_of
from sales_forecast.service.problems import from_validation

MAX_BODY_BYTES = 1_000_000
_MOST_NAMES = 10_000
"""Of fields in a body; a sentence about each of 100,000 takes seconds and half a gigabyte."""
Model = TypeVar("Model", bound=BaseModel)


class Question(NamedTuple):
    """What was asked, and by whom: the name of the key, None where no key is asked for."""

    body: bytes
    query: Sequence[tuple[str, str]]
    path: str
    request_id: bytes
    caller: str | None


Answer = Callable[[Question], Awaitable[Response]]


class JsonRoute(Route):
    """POST of one JSON object."""

    def __init__(self, path: str, answer: Answer) -> None:
        super().__init__(path, _Application(answer), methods=["POST"])


class _Application:
    """Starlette takes what is no function for an application and calls it as one."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(scope, receive)
        if body is None:
            return
        query = scope["query_string"]
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True) if query else []
        caller = caller_of(scope)
        name = None if caller is None else caller.name
        question = Question(body, pairs, scope["path"], request_id_of(scope), name)
        response = await self._answer(question)
        await response(scope, receive, send)


def json_answer(
    content: object, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> Response:
    """Return content as JSON; what is no number there, as null."""
    body = to_json(content, inf_nan_mode="null")
    return Response(body, status, headers=headers, media_type="application/json")


def read(model: type[Model], body: bytes) -> Model:
    """Return the validated body. Raises InvalidJson, InvalidRequest."""
    if not body:
        raise InvalidJson("The body is empty; it must be a JSON object.", {"body": "is empty"})
    colons = body.count(b":")
    if colons > _MOST_NAMES:
        raise InvalidRequest(
            f"The body has {colons:,} fields or texts with a colon; at most {_MOST_NAMES:,} are "
            "looked at.",
            {"body": colons},
        )
    try:
        found = model.model_validate_json(body)
    except ValidationError as error:
        raise from_validation(error, model) from None
    # With as many colons as fields no name is given twice; with more, a value may hold one.
    if colons != len(found.model_fields_set):
        _DECODER.decode(body.decode())
    return found


def read_query(model: type[Model], pairs: Sequence[tuple[str, str]]) -> Model:
    """Return the validated parameters of a query. Raises InvalidRequest."""
    _once(pairs)
    try:
        return model.model_validate(dict(pairs))
    except ValidationError as error:
        raise from_validation(error, model, "query") from None


async def read_body(scope: Scope, receive: Receive) -> bytes | None:
    """Return the whole body, or None where the caller hung up. Raises BodyTooLarge."""
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > MAX_BODY_BYTES:
            raise _too_large(int(value))
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise _too_large(len(body))
        if not message.get("more_body", False):
            return body


def _too_large(size: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"The body has {size:,} bytes or more; at most {MAX_BODY_BYTES:,} are read.",
        {"body": size},
    )


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return pairs as a mapping. Raises InvalidRequest for a name that is given twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _given_twice(name for name, _ in pairs)
    return found


def _given_twice(names: Iterable[str]) -> InvalidRequest:
    twice = [name for name, count in Counter(names).items() if count > 1]
    return InvalidRequest(
        f"Given more than once: {', '.join(twice)}.", dict.fromkeys(twice, "given more than once")
    )


_DECODER = json.JSONDecoder(object_pairs_hook=_once)
"""Reads what is valid already, for names that are given twice."""

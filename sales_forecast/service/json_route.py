"""A route that reads a JSON body in one pass: raw bytes to a validated model, no dict between.

FastAPI reads the bytes, parses them, validates the result and solves dependencies; for a
prediction of tens of microseconds that is most of the time. This route keeps FastAPI's
documentation and gives up what the two prediction endpoints do not use: dependencies,
parameters in path and headers, and the content type, which is not looked at (`curl -d` sends
that of a form). Must not know what is predicted.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, cast
from urllib.parse import parse_qsl

from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sales_forecast.errors import BodyTooLarge, InvalidRequest
from sales_forecast.service.problems import from_validation

MAX_BODY_BYTES = 1_000_000


class JsonRoute(APIRoute):
    """POST of one JSON object; the endpoint takes the validated model and gives a Response.

    The endpoint's other parameters, which have defaults, are those of the query.
    """

    def __init__(
        self, path: str, endpoint: Callable[..., Awaitable[Response]], **options: Any
    ) -> None:
        super().__init__(path, endpoint, methods=["POST"], **options)
        assert self.body_field is not None  # noqa: S101 - a mistake of the programmer
        self._answer = endpoint
        self._model = cast("type[BaseModel]", self.body_field.field_info.annotation)
        self._read = self._model.__pydantic_validator__.validate_json
        parameters: dict[str, Any] = {
            parameter.name: (parameter.field_info.annotation, parameter.field_info.default)
            for parameter in self.dependant.query_params
        }
        self._query = create_model("Query", __config__=ConfigDict(extra="forbid"), **parameters)
        self.app = self._serve

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read_body(scope, receive)
        if body is None:
            return
        try:
            request = self._read(body)
        except ValidationError as error:
            raise from_validation(error, self._model) from None
        # No valid value holds a colon, so one more than there are fields is a field given
        # twice. Which of the two was meant cannot be known.
        if body.count(b":") != len(self._model.model_fields):
            raise _given_twice(json.loads(body, object_pairs_hook=_names))
        query = scope["query_string"]
        response = await self._answer(request, **(self._read_query(query) if query else {}))
        await response(scope, receive, send)

    def _read_query(self, query: bytes) -> dict[str, Any]:
        """Return the parameters of a query by name. Raises InvalidRequest."""
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
        try:
            parameters = self._query.model_validate(dict(pairs))
        except ValidationError as error:
            raise from_validation(error, self._query, "query") from None
        if len(pairs) != len(parameters.model_fields_set):
            raise _given_twice(_names(pairs))
        return parameters.model_dump()


async def _read_body(scope: Scope, receive: Receive) -> bytes | None:
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


def _given_twice(names: Iterable[str]) -> InvalidRequest:
    twice = [name for name, count in Counter(names).items() if count > 1]
    return InvalidRequest(
        f"Given more than once: {', '.join(twice)}.", dict.fromkeys(twice, "given more than once")
    )


def _names(pairs: Sequence[tuple[str, object]]) -> list[str]:
    return [name for name, _ in pairs]

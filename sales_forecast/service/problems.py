"""The one error shape: every way a request can fail becomes `{"error": {code, message, fields}}`.

Takes exceptions, gives responses. Must not decide what is an error, and never shows a trace:
what nobody foresaw is answered in the same shape and left to the server to log.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import TypeGuard, get_args

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.types import Scope

from sales_forecast.errors import InvalidJson, InvalidRequest, SalesForecastError, brief
from sales_forecast.service.callers import words_for
from sales_forecast.service.forms import MOST_SERIES

_MOST_FIELDS = 10
"""A body may hold 100,000 unknown fields; nobody reads an answer about all of them."""
_OF_A_KEY = "[key]"
"""What pydantic puts behind a name that is itself wrong."""


def _sentence(detail: ErrorDetails, known: str, part: str) -> str:
    kind, value = detail["type"], detail["input"]
    if kind == "missing":
        return "is required"
    if kind == "extra_forbidden":
        return f"is not a field of this {part} (known: {known or 'none'})"
    if kind in {"too_short", "too_long"}:
        return f"must have 1 to {MOST_SERIES} items, not {len(value)}"
    if kind == "string_pattern_mismatch":
        return f"must be text that is not blank, without NUL, not {brief(json.dumps(value))}"
    wish = detail["msg"].replace("Input should", "must").replace("String should", "must")
    return f"{wish}, not {brief(json.dumps(value))}"


def _named(place: Sequence[int | str]) -> str:
    *within, last = place or ("",)
    return ".".join(map(str, within if within and last == _OF_A_KEY else place))


def _known(model: type[BaseModel], place: Sequence[int | str]) -> str:
    """Return the names of the fields beside which a field stands, in a form or one within it."""
    for part in place[:-1]:
        for name, field in model.model_fields.items():
            if part == (field.alias or name):
                within = (field.annotation, *get_args(field.annotation))
                model = next((of for of in within if _is_form(of)), model)
    return ", ".join(field.alias or name for name, field in model.model_fields.items())


def _is_form(of: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(of, type) and issubclass(of, BaseModel)


def from_validation(
    error: ValidationError, model: type[BaseModel], part: str = "request"
) -> SalesForecastError:
    """Translate what pydantic refused: InvalidJson, or InvalidRequest that names each field.

    `part`: what `model` is the form of.
    """
    details = error.errors(include_url=False, include_context=False)
    first = details[0]
    if first["type"] == "json_invalid":
        reason = first["msg"].removeprefix("Invalid JSON: ")
        return InvalidJson(f"The body is not JSON in UTF-8: {reason}.", {"body": reason})
    fields = {
        brief(_named(place := detail["loc"])) or "body": _sentence(
            detail, _known(model, place), part
        )
        for detail in details[:_MOST_FIELDS]
    }
    message = ". ".join(f"{name} {problem}" for name, problem in fields.items())
    if len(details) > _MOST_FIELDS:
        message += f". And {len(details) - _MOST_FIELDS} more"
    return InvalidRequest(message + ".", fields)


def error_response(
    status: int,
    code: str,
    message: str,
    fields: Mapping[str, object],
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the one shape as a response."""
    body = error_body(code, message, fields)
    return Response(body, status, headers=headers, media_type="application/json")


def error_body(code: str, message: str, fields: Mapping[str, object]) -> bytes:
    """Return the one shape."""
    body = {"error": {"code": code, "message": message, "fields": dict(fields)}}
    return json.dumps(body, default=str).encode()


def response_to(error: Exception, scope: Scope) -> Response:
    """Return what answers a failure; of one that nobody foresaw nothing is shown."""
    if isinstance(error, SalesForecastError):
        message = words_for(scope, error)
        fields = error.fields if message == error.message else {}
        return error_response(error.status, error.code, message, fields)
    message = "The service failed to answer; the reason is in its log."
    return error_response(500, "internal_error", message, {})


async def _failed(request: Request, error: Exception) -> Response:
    return response_to(error, request.scope)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    code = HTTPStatus(error.status_code).name.lower()
    path = brief(request.url.path)
    message = f"{request.method} {path}: {error.detail}. GET /docs shows what there is."
    fields = {"method": request.method, "path": path}
    return error_response(error.status_code, code, message, fields, error.headers)


def install(app: FastAPI) -> None:
    """Make `app` answer every failure in the one shape."""
    app.add_exception_handler(SalesForecastError, _failed)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _failed)

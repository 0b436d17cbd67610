"""What an OpenAPI document is put together from: one endpoint at a time.

Takes schemas and sentences, gives plain JSON. Must not know what is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

Json = dict[str, Any]


def post(summary: str, body: Json, example: Json, responses: Json) -> Json:
    """Return an endpoint that takes a body of a schema."""
    return {
        "post": {
            "tags": ["forecasts"],
            "summary": summary,
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": body, "example": example}},
            },
            "responses": responses,
        }
    }


def get(summary: str, taken: Sequence[Json], responses: Json) -> Json:
    """Return an endpoint that takes parameters."""
    return {
        "get": {
            "tags": ["forecasts"],
            "summary": summary,
            "parameters": [*taken],
            "responses": responses,
        }
    }


def answered(answer: Json, refusals: Mapping[int, str], error: Json, status: str = "200") -> Json:
    """Return the responses of an endpoint.

    `answer` and `error` are schemas; `refusals`: status -> what it means.
    """
    content = {"application/json": {"schema": answer}}
    return {status: {"description": "The answer", "content": content}} | refused(refusals, error)


def refused(refusals: Mapping[int, str], error: Json) -> Json:
    """Return the responses that are no success."""
    content = {"application/json": {"schema": error}}
    return {str(of): {"description": says, "content": content} for of, says in refusals.items()}


def parameters(
    query: type[BaseModel], examples: Mapping[str, int | str], **usual: str
) -> list[Json]:
    """Return what may stand in a query; `usual`: what is taken for a parameter that is left out."""
    properties = query.model_json_schema()["properties"]
    for name, default in usual.items():
        properties[name]["default"] = default
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": schema.get("description", ""),
            "schema": _without_null(schema),
            **({"example": examples[name]} if name in examples else {}),
        }
        for name, schema in properties.items()
    ]


def identity(description: str) -> Json:
    """Return the parameter `id` of a path."""
    return {
        "name": "id",
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string", "format": "uuid"},
    }


def _without_null(schema: Json) -> Json:
    kinds = [kind for kind in schema.get("anyOf", ()) if kind.get("type") != "null"]
    whole = {**schema, **kinds[0]} if kinds else schema
    left_out = {
        "anyOf",
        "title",
        "description",
        *(["default"] if whole.get("default") is None else []),
    }
    return {name: of for name, of in whole.items() if name not in left_out}

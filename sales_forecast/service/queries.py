"""What may stand in a query: fields, those of the two questions, and a question as a whole.

Takes pairs of names and texts, gives models. Must not know who answers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, create_model
from pydantic_core import PydanticCustomError

from sales_forecast.bundles.manifest import ForecastChoice
from sales_forecast.data.spec import PanelSpec
from sales_forecast.errors import InvalidRequest
from sales_forecast.service.forms import Forms

USUAL_STEPS = 3
SUMMED = "Left out: the sum over all of them."
PAGE_BEFORE = "`next` of the page before; left out: the newest."
Level = Annotated[
    Literal["80", "95"],
    Field(description="Percent of sales that lie between `lower` and `upper`."),
]
_WHOLE = re.compile("-?[0-9]{1,20}")  # of longer ones Python makes no numbers
_NUMBER = re.compile("-?[0-9]{1,10}")
_MOST_QUANTILES = 99
_LOWEST, _HIGHEST = 0.01, 0.99


def not_of_a_page() -> PydanticCustomError:
    """Return what is raised for a cursor that no page gave."""
    return PydanticCustomError("cursor", "must be what `next` of the page before says")


def quantiles_of(value: object) -> tuple[float, ...]:
    """Read `0.1,0.5,0.9`. Raises PydanticCustomError."""
    try:
        found = tuple(dict.fromkeys(float(part) for part in str(value).split(",")))
    except ValueError:
        found = ()
    measured = all(_LOWEST <= quantile <= _HIGHEST for quantile in found)
    if not found or len(found) > _MOST_QUANTILES or not measured:
        raise PydanticCustomError(
            "quantiles", "must be numbers from 0.01 to 0.99 with commas between them, at most 99"
        )
    return found


def _whole(value: object) -> object:
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise PydanticCustomError("whole", "must be a whole number")
    return value


WHOLE = BeforeValidator(_whole)
"""For a whole number that stands in a query; stands after its bounds, or OpenAPI lacks these."""
_Number = Annotated[int, Field(ge=-(2**31), lt=2**31), WHOLE]
NO_NUL = r"^[^\x00]*$"
"""What a text must match that a database is asked for: PostgreSQL has no place for NUL."""
_Text = Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL)]


def keys_of(spec: PanelSpec, left_out: str) -> dict[str, Any]:
    """Return the fields of a query that are the keys of a panel, of which any may be left out."""
    return {
        f"key_{n}": optional(_Number if key.kind == "number" else _Text, key.field, left_out)
        for n, key in enumerate(spec.keys)
    }


def given(spec: PanelSpec, query: Any) -> dict[int, int | str]:
    """Return the keys that a query names: place in the specification -> value."""
    values = {place: getattr(query, f"key_{place}") for place in range(len(spec.keys))}
    return {place: value for place, value in values.items() if value is not None}


def query_of(spec: PanelSpec, name: str, left_out: str, **others: Any) -> type[BaseModel]:
    """Return the form of a query: any of the keys of a panel, and other fields."""
    fields = keys_of(spec, left_out) | others
    made: type[BaseModel] = create_model(name, __base__=Query, **fields)
    return made


def by_field(spec: PanelSpec, keys: Mapping[int, int | str]) -> dict[str, int | str]:
    """Return keys as requests name them."""
    return {spec.keys[place].field: value for place, value in keys.items()}


def optional(kind: Any, name: str, description: str) -> tuple[Any, Any]:
    """Return a field for `pydantic.create_model` that may be left out."""
    return kind | None, Field(None, alias=name, description=description)


class Query(BaseModel):
    """What every query has in common: what is no field is refused."""

    model_config = ConfigDict(extra="forbid")


class NoQuery(Query):
    """`/predict_sales` takes no parameters."""


class ForecastQuery(Query):
    """Parameters of `/forecast_sales`."""

    model: ForecastChoice | None = Field(
        None,
        description="`best` is the model of the lowest WMAE over many steps; `/model` names it.",
    )
    level: Level = "80"
    quantiles: Annotated[
        tuple[float, ...] | None,
        BeforeValidator(quantiles_of),
        WithJsonSchema({"type": "string", "examples": ["0.1,0.5,0.9"]}),
    ] = Field(
        None,
        description="What sales stay below so often, numbers from 0.01 to 0.99 with commas between "
        "them: they and the mean, which is what to add up, then stand beside the median.",
    )


def from_query(
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

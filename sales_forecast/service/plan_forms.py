"""What may be asked about plans: the bodies and queries of their endpoints, for any panel.

Takes a specification, gives pydantic models. Must not answer.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, create_model
from pydantic_core import PydanticCustomError

from sales_forecast.data.spec import PanelSpec
from sales_forecast.planning.value_added import Grouping
from sales_forecast.planning.wishes import LARGEST, Reason
from sales_forecast.service.days import Day
from sales_forecast.service.forms import Body
from sales_forecast.service.predictions import LIMIT, Moment
from sales_forecast.service.queries import (
    PAGE_BEFORE,
    SUMMED,
    Query,
    keys_of,
    not_of_a_page,
    optional,
    query_of,
)

_LONGEST_NOTE = 500
_Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
# No zero byte: PostgreSQL has no place for one.
_Note = Annotated[str, Field(max_length=_LONGEST_NOTE, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")]


def _number(value: object) -> object:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 10:  # noqa: PLR2004
        return int(value)
    raise not_of_a_page()


def _flag(value: object) -> bool:
    if value in {"true", "false"}:
        return value == "true"
    raise PydanticCustomError("flag", "must be true or false")


@cache
def override_form(spec: PanelSpec) -> type[BaseModel]:
    """Return the form of an override of a panel."""
    keys = create_model("OverrideKeys", __base__=Body, **keys_of(spec, SUMMED))
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
    return query_of(
        spec,
        "OverridesQuery",
        "About any series with this key; left out: any.",
        reason=optional(Reason, "reason", "Of this reason alone."),
        by=optional(Annotated[str, Field(max_length=64)], "by", "Made by this person alone."),
        active=(
            Annotated[bool, BeforeValidator(_flag)],
            Field(default=False, description="Alone those by which something is planned now."),
        ),
        since=optional(Moment, "since", "Made then or later: a day in UTC, or a moment."),
        limit=LIMIT,
        cursor=optional(Annotated[int, BeforeValidator(_number)], "cursor", PAGE_BEFORE),
    )


@cache
def change_query(spec: PanelSpec) -> type[BaseModel]:
    """Return the form of a query of a change: any of the keys, a period, two origins."""
    unit = spec.frequency.field
    return query_of(
        spec,
        "ChangeQuery",
        SUMMED,
        period=optional(Day, unit, "Left out: all periods that both origins forecast, summed."),
        start=optional(Day, "from", "An origin; left out: the one before `to`."),
        end=optional(Day, "to", "A later one; left out: the newest."),
    )


class UndoQuery(Query):
    """What is sent with an undo."""

    version: Annotated[
        str, Field(max_length=60, description="What you saw: `version` of GET /overrides.")
    ]


class ValueAddedQuery(Query):
    """How overrides are grouped."""

    by: Annotated[Grouping, Field(description="What groups are made of.")] = "reason"

"""What the documentation shows of plans: the endpoints of `plans`.

Takes the specification of a panel and a way from models to schemas, gives paths. Must not answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode

from sales_forecast.data.spec import PanelSpec
from sales_forecast.service.openapi_parts import answered, get, identity, parameters, post
from sales_forecast.service.plan_forms import (
    UndoQuery,
    ValueAddedQuery,
    change_query,
    override_form,
    overrides_query,
)
from sales_forecast.service.plan_schemas import (
    ForecastChange,
    ForecastValueAdded,
    MadeOverride,
    MadeUndo,
    OverridesPage,
)
from sales_forecast.service.plans import CHANGE, OVERRIDE, OVERRIDES, VALUE_ADDED

Of = Callable[[type[BaseModel], JsonSchemaMode], dict[str, Any]]
ANSWERS = (MadeOverride, MadeUndo, OverridesPage, ForecastValueAdded, ForecastChange)
_NOT_YET = "The series is not in the model, or nothing was forecast yet"
_AWAY = "No verified model, or the database does not answer"
_MAY_NOT = "No key is set up, or that of a viewer was sent"
_REFUSALS = {
    400: "The body is not JSON",
    403: _MAY_NOT,
    404: _NOT_YET,
    409: "Somebody else changed the same cells meanwhile; nothing was overwritten",
    413: "The body is over 1 MB",
    422: "A field makes no sense, or a period cannot be changed",
    503: _AWAY,
}
_REFUSALS_OF_PAGE = {404: _NOT_YET, 422: "A parameter makes no sense", 503: _AWAY}
_REFUSALS_OF_UNDO = {code: says for code, says in _REFUSALS.items() if code not in {400, 413}} | {
    404: "There is no such override, or nothing was forecast yet"
}


def paths(
    spec: PanelSpec, keys: Mapping[str, int | str], day: date, of: Of, error: dict[str, Any]
) -> dict[str, Any]:
    """Return the paths. `keys`, `day`: for examples; `error`: the schema of refusals."""
    example = {
        "keys": keys,
        "first": str(day),
        "kind": "percent",
        "number": 5,
        "reason": "promotion",
        "note": "Leaflet in all houses",
        "version": "1-0",
    }
    made = post(
        "Change what is planned: a value, percent or units, of any sum of series.",
        of(override_form(spec), "validation"),
        example,
        answered(of(MadeOverride, "serialization"), _REFUSALS, error, "201"),
    )
    page = get(
        "Read what people changed, the newest first.",
        parameters(overrides_query(spec), keys),
        answered(of(OverridesPage, "serialization"), _REFUSALS_OF_PAGE, error),
    )
    (version,) = parameters(UndoQuery, {})
    undone = get(
        "Take an override back in all periods that have not come.",
        [identity("Of the override."), version | {"required": True}],
        answered(of(MadeUndo, "serialization"), _REFUSALS_OF_UNDO, error),
    )
    value_added = get(
        "Read how much nearer to what was sold naive, model and plan came.",
        parameters(ValueAddedQuery, {}),
        answered(
            of(ForecastValueAdded, "serialization"),
            {403: "Persons are told of to themselves and to admins", **_REFUSALS_OF_PAGE},
            error,
        ),
    )
    change = get(
        "Read why what is planned changed between two origins of forecasts.",
        parameters(change_query(spec), keys),
        answered(of(ForecastChange, "serialization"), _REFUSALS_OF_PAGE, error),
    )
    return {
        CHANGE: change,
        OVERRIDES: made | page,
        OVERRIDE: {"delete": undone["get"]},
        VALUE_ADDED: value_added,
    }

"""Why a forecast changed between two origins: a picture of the parts, and their table.

Takes keys and two origins of a query, gives a page. Must not know how parts are told apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from sales_forecast.errors import InvalidRequest, NoForecasts
from sales_forecast.planning.change import explain
from sales_forecast.service.json_route import read_query
from sales_forecast.service.live import Live
from sales_forecast.service.plan_forms import change_query
from sales_forecast.web.charts import waterfall
from sales_forecast.web.rendering import Templates, day
from sales_forecast.web.selection import selections_of
from sales_forecast.web.visitors import Door

CHANGES = "/change"
_CAUSES: Mapping[str, str] = {
    "covariates": "Changed covariates",
    "corrected_sales": "Corrected sales",
    "new_sales": "New sales",
    "new_model": "New model",
    "not_split": "Cannot be split",
    "overrides": "People's changes",
}


class ChangePage:
    """The page `/change`."""

    def __init__(self, live: Live, door: Door, templates: Templates) -> None:
        self._live = live
        self._door = door
        self._templates = templates

    async def answer(self, request: Request) -> Response:
        """Show it."""
        visitor = self._door.reader(request)
        values = await run_in_threadpool(self._values, request)
        return self._templates.page("change.html", visitor=visitor, here="/series", **values)

    def _values(self, request: Request) -> dict[str, Any]:
        predictor = self._live.predictor
        spec = predictor.spec
        pairs = [(name, value) for name, value in request.query_params.multi_items() if value]
        selection = selections_of(predictor).read(pairs)
        values: dict[str, Any] = {
            "selection": selection,
            "unit": predictor.panel.frequency.unit,
            "problem": None,
            "change": None,
            "start": request.query_params.get("from", ""),
            "end": request.query_params.get("to", ""),
        }
        try:
            query: Any = read_query(change_query(spec), pairs)
            found = explain(
                self._live.overrides.tables,
                spec,
                selection.scope,
                start=query.start,
                end=query.end,
            )
        except (InvalidRequest, NoForecasts) as error:
            return {**values, "problem": error.message}
        parts = [(_CAUSES.get(name, name), cents / 100) for name, cents in found.parts.items()]
        told = [(name, amount) for name, amount in parts if amount]
        first, last = (f"Forecast after {day(of)}" for of in (found.start, found.end))
        return {
            **values,
            "change": found,
            "parts": parts,
            "picture": waterfall((first, found.before / 100), told, last),
            "start": found.start.isoformat(),
            "end": found.end.isoformat(),
        }

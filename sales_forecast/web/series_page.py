"""The page of some series: picture, every number of it, its record, and what it stands on.

Takes the keys of a query, or words to search for, gives a page. Must not know how numbers are made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from sales_forecast.errors import SalesForecastError
from sales_forecast.evaluation.error_sums import Measures
from sales_forecast.planning.making import first_open
from sales_forecast.planning.wishes import REASONS
from sales_forecast.service.covariates import NOT_USED, UsedCovariate
from sales_forecast.service.live import Live
from sales_forecast.service.predictor import Predictor
from sales_forecast.service.what_if import plannable
from sales_forecast.web.charts import NARROW
from sales_forecast.web.fan import fan
from sales_forecast.web.outlook import Outlook, Outlooks, Period
from sales_forecast.web.plan_pages import KINDS, listed
from sales_forecast.web.record import Records
from sales_forecast.web.rendering import Templates
from sales_forecast.web.selection import Selection, selections_of
from sales_forecast.web.visitors import Door

AHEAD = {"week": (13, 26, 52), "day": (28, 42, 90)}
"""How far ahead may be looked, by the unit of a period."""
BACK = {"week": 65, "day": 119}
"""How far back is shown; 65 weeks are a year and a quarter: last year is seen beside this one."""


@dataclass(frozen=True)
class Headline:
    """The next few periods beside the same ones of a year before."""

    n: int
    expected: float
    last_year: float | None


class SeriesPage:
    """The page `/series`, and `/search` for its script."""

    def __init__(
        self, live: Live, door: Door, templates: Templates, outlooks: Outlooks, records: Records
    ) -> None:
        self._live = live
        self._door = door
        self._templates = templates
        self._outlooks = outlooks
        self._records = records

    async def answer(self, request: Request) -> Response:
        """Show the series that are asked for, or what a search finds."""
        visitor = self._door.reader(request)
        predictor = self._live.predictor
        text = request.query_params.get("q", "").strip()
        if text:
            found = await run_in_threadpool(selections_of(predictor).search, text)
            if len(found) == 1:
                return RedirectResponse(found[0].address, 303)
            return self._templates.page(
                "search.html", visitor=visitor, here="/series", text=text, found=found
            )
        shown = await run_in_threadpool(self._values, request, predictor)
        return self._templates.page(
            "series.html",
            visitor=visitor,
            here="/series",
            done="done" in request.query_params,
            **shown,
        )

    async def search(self, request: Request) -> Response:
        """Return what a few letters find, as a part of a page."""
        self._door.reader(request)
        text = request.query_params.get("q", "")
        found = await run_in_threadpool(selections_of(self._live.predictor).search, text)
        return self._templates.page("found.html", text=text, found=found)

    def _values(self, request: Request, predictor: Predictor) -> dict[str, Any]:
        unit = predictor.panel.frequency.unit
        selections = selections_of(predictor)
        selection = selections.read(request.query_params.multi_items())
        choices = AHEAD[unit]
        told = request.query_params.get("ahead", "")
        ahead = int(told) if told in map(str, choices) else choices[1]
        outlook = self._outlooks.of(predictor, selection, BACK[unit], ahead)
        return {
            "outlook": outlook,
            "selection": selection,
            "unit": unit,
            "above": selections.above(selection),
            "below": selections.below(selection),
            "next_key": _next_key(selection),
            "ahead": ahead,
            "choices": choices,
            "headlines": headlines_of(outlook),
            "wide": fan(outlook),
            "narrow": fan(outlook, NARROW),
            "records": self._records_of(predictor, selection),
            **self._plan_of(predictor, outlook),
            "covariates": _covariates(predictor, selection),
            "can_wish": bool(plannable(predictor.spec)),
            "version": predictor.version,
        }

    def _plan_of(self, predictor: Predictor, outlook: Outlook) -> dict[str, Any]:
        """Return what people changed of these series, and the form that changes more."""
        begin = {"kind": "percent", "number": "", "reason": "promotion", "note": "", "last": ""}
        values: dict[str, Any] = {"overrides": (), "list_version": "", "begin": begin}
        if outlook.version is not None:
            overrides, version = listed(self._live, predictor, outlook.selection.scope, active=True)
            opened = first_open(predictor.spec, outlook.origin, self._live.overrides.lock_periods)
            values |= {"overrides": overrides, "list_version": version}
            values["begin"] = {**begin, "first": opened.isoformat()}
        return {**values, "reasons": REASONS, "kinds": KINDS}

    def _records_of(self, predictor: Predictor, selection: Selection) -> Mapping[int, Measures]:
        try:
            return self._records.of(predictor, selection)
        except SalesForecastError:
            return {}  # the outlook says what cannot be read


def _covariates(predictor: Predictor, selection: Selection) -> Mapping[str, UsedCovariate]:
    """Return what is taken for the conditions of the next period of one series, if it matters."""
    if not selection.is_one or predictor.spec.required:
        return {}
    series = predictor.series.named[selection.rows[0]]
    told = [None] * len(predictor.forms.covariates)
    try:
        used = predictor.predict(series, predictor.example[1], told).covariates
    except SalesForecastError:
        return {}  # it has no sales
    return {name: of for name, of in used.items() if of.source != NOT_USED}


def _next_key(selection: Selection) -> str | None:
    left = [key for place, key in enumerate(selection.spec.keys) if place not in selection.keys]
    return left[0].column if left else None


def headlines_of(outlook: Outlook) -> list[Headline]:
    """Return the next few periods, each beside last year's."""
    counts = (1, 4, 13) if outlook.frequency.unit == "week" else (1, 7, 28)
    return [_headline(outlook.ahead[:n]) for n in counts if len(outlook.ahead) >= n]


def _headline(periods: Sequence[Period]) -> Headline:
    known = [of.last_year for of in periods if of.last_year is not None]
    whole = sum(known) if len(known) == len(periods) else None
    return Headline(len(periods), sum(of.planned or 0.0 for of in periods), whole)

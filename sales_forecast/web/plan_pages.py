"""What people change of forecasts: shown before it is done, done, listed, taken back, and judged.

Takes forms of those who may write, gives pages. An override is asked for in two steps: the first
shows what it would make and what came of such changes before. Must not know how a plan is made.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from sales_forecast.errors import (
    ChangedMeanwhile,
    InvalidJson,
    InvalidRequest,
    SalesForecastError,
    UnknownOverride,
)
from sales_forecast.planning.states import OverridesWish, State
from sales_forecast.planning.value_added import Grouping, Record, advice
from sales_forecast.planning.wishes import REASONS
from sales_forecast.service.live import Live
from sales_forecast.service.plan_answers import keys_told
from sales_forecast.service.plans import wish_of
from sales_forecast.service.predictor import Predictor
from sales_forecast.web.forms import form_of
from sales_forecast.web.rendering import Templates
from sales_forecast.web.selection import Keys, Selection, selections_of
from sales_forecast.web.visitors import Door, Visitor

PLAN, UNDO = "/plan", "/plan/undo"
KINDS: Mapping[str, str] = {
    "percent": "by percent",
    "units": "by units",
    "value": "to exactly",
}
_GROUPS: Mapping[Grouping, str] = {
    "reason": "By reason",
    "size": "By size",
    "level": "By level",
    "person": "By person",
}
_FIELDS = ("first", "last", "kind", "number", "reason", "note", "version")
_KEY = "key_"
"""Before the names of keys, which may be called like a field of the form."""
_MOST = 100


@dataclass(frozen=True)
class Shown:
    """An override as a page lists it."""

    state: State
    title: str
    address: str
    amount: str
    differs: float
    """Of the plan, by it, over the periods that are planned by it."""


class PlanPages:
    """The pages about overrides."""

    def __init__(self, live: Live, door: Door, templates: Templates) -> None:
        self._live = live
        self._door = door
        self._templates = templates

    async def answer(self, request: Request) -> Response:
        """Show what is planned otherwise than forecast, and what came of that."""
        visitor = self._door.reader(request)
        values = await run_in_threadpool(self._values, visitor)
        return self._templates.page("plan.html", visitor=visitor, here=PLAN, **values)

    async def override(self, request: Request) -> Response:
        """Show what an override would make or, once that was seen, make it."""
        visitor = await self._door.writer(request)
        sent = {**dict.fromkeys(_FIELDS, ""), **await form_of(request)}
        predictor = self._live.predictor
        keys = [(name.removeprefix(_KEY), of) for name, of in sent.items() if name.startswith(_KEY)]
        selection = selections_of(predictor).read(keys)
        status, problem, made, wrong = HTTPStatus.OK, None, None, {}
        try:
            if sent.get("seen") == sent.get("version"):
                await run_in_threadpool(self._make, predictor, selection, sent, visitor)
                return RedirectResponse(selection.address(done=1) + "#plan", 303)
            made = await run_in_threadpool(self._preview, predictor, selection, sent, visitor)
        except ChangedMeanwhile as error:
            status, problem = HTTPStatus.CONFLICT, error.message
            sent["version"] = await run_in_threadpool(self._version, predictor, selection)
        except (InvalidRequest, InvalidJson) as error:
            status, problem, wrong = HTTPStatus(error.status), error.message, error.fields
        return self._templates.page(
            "override.html",
            status,
            visitor=visitor,
            here="/series",
            selection=selection,
            sent=sent,
            problem=problem,
            wrong=wrong,
            made=made,
            unit=predictor.panel.frequency.unit,
            reasons=REASONS,
            kinds=KINDS,
        )

    async def undo(self, request: Request) -> Response:
        """Take an override back."""
        visitor = await self._door.writer(request)
        sent = await form_of(request)
        override, version = sent.get("id", ""), sent.get("version", "")
        try:
            await run_in_threadpool(
                self._live.overrides.undo,
                self._live.predictor.spec,
                override,
                version,
                str(visitor.name),
            )
        except (ChangedMeanwhile, InvalidRequest, UnknownOverride) as error:
            return self._templates.page(
                "problem.html",
                error.status,
                visitor=visitor,
                title="Not undone",
                message=error.message,
            )
        return RedirectResponse(f"{PLAN}?undone=1", 303)

    def _make(
        self,
        predictor: Predictor,
        selection: Selection,
        sent: Mapping[str, str],
        visitor: Visitor,
    ) -> None:
        wish = wish_of(predictor, _body(selection, sent))
        self._live.overrides.make(predictor.spec, wish, str(visitor.name))

    def _preview(
        self,
        predictor: Predictor,
        selection: Selection,
        sent: Mapping[str, str],
        visitor: Visitor,
    ) -> dict[str, Any]:
        spec = predictor.spec
        wish = wish_of(predictor, _body(selection, sent))
        (made,) = self._live.overrides.preview(spec, [wish], str(visitor.name))
        record = self._live.value_added.of_kind(spec, made)
        return {
            "cells": made.cells,
            "before": sum(of.before for of in made.cells),
            "after": sum(of.after for of in made.cells),
            "advice": advice(spec, made, record),
            "amount": _wished(made.override.kind, made.override.amount),
        }

    def _version(self, predictor: Predictor, selection: Selection) -> str:
        issue = self._live.forecasts.find(predictor.spec, selection.scope)
        return self._live.overrides.planned(predictor.spec, issue.id, selection.scope).version

    def _values(self, visitor: Visitor) -> dict[str, Any]:
        predictor = self._live.predictor
        shown, version = listed(self._live, predictor, {}, active=False)
        return {
            "shown": shown,
            "list_version": version,
            "groups": self._groups(predictor, visitor),
            "unit": predictor.panel.frequency.unit,
            "version": predictor.version,
            "origin": predictor.origin,
        }

    def _groups(self, predictor: Predictor, visitor: Visitor) -> Mapping[str, Mapping[str, Record]]:
        found = {}
        for grouping, name in _GROUPS.items():
            person = None
            if grouping == "person":
                if visitor.name is None:
                    continue  # nobody can be told apart
                person = None if visitor.role == "admin" else visitor.name
            found[name] = self._live.value_added.by(predictor.spec, grouping, person)
        return found


def listed(
    live: Live, predictor: Predictor, scope: Mapping[str, str], *, active: bool
) -> tuple[Sequence[Shown], str]:
    """Return overrides about any series with some keys, and the version of what was seen.

    `active`: alone those that periods are planned by now. Raises as `Overrides.page`.
    """
    wish = OverridesWish(limit=_MOST, scope=scope, active=active)
    found = live.overrides.page(predictor.spec, wish)
    return [_shown(predictor, of) for of in found.items], found.version


def _shown(predictor: Predictor, of: State) -> Shown:
    told = keys_told(predictor.spec, of.override.scope)
    places = {key.field: place for place, key in enumerate(predictor.spec.keys)}
    keys: Keys = {places[field]: value for field, value in told.items()}
    try:
        selection = selections_of(predictor).of(keys)
        title, address = selection.title, selection.address()
    except SalesForecastError:  # its series are gone
        title, address = ", ".join(map(str, told.values())), "/series"
    differs = sum(cell.after - cell.before for cell in of.cells) / 100
    return Shown(of, title, address, _wished(of.override.kind, of.override.amount), differs)


def _wished(kind: str, amount: float | None) -> str:
    number = amount or 0.0
    if kind == "value":
        return f"exactly {number:,.2f} each"
    return f"{number:+,.15g}%" if kind == "percent" else f"{number:+,.2f} each"


def _body(selection: Selection, sent: Mapping[str, str]) -> bytes:
    """Return a form as the body that the API takes."""
    number = sent.get("number", "").strip().replace(",", ".").replace("\N{MINUS SIGN}", "-")
    try:
        amount: object = float(number)
    except ValueError:
        amount = number
    told = {name: sent.get(name, "") for name in ("first", "last", "kind", "reason", "note")}
    body = {name: value for name, value in told.items() if value}
    return json.dumps(
        {**body, "keys": selection.fields, "number": amount, "version": sent.get("version", "")}
    ).encode()

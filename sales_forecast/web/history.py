"""The page of what was answered: filtered, page by page, in full, as a file, cleared from view.

Takes the ledger, gives pages. A viewer is shown its own answers, as by `GET /predictions`. To clear
hides rows from the page of whoever does it and deletes nothing. Must not predict.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from sales_forecast.data.files.csv_sheet import csv_sheet
from sales_forecast.data.ledger.store import LedgerStore
from sales_forecast.data.ledger.stored_predictions import PageWish
from sales_forecast.data.ledger.tables import ledger_url
from sales_forecast.errors import InvalidRequest, NoForecasts, UnknownPrediction, brief
from sales_forecast.service.json_route import read_query
from sales_forecast.service.live import Live
from sales_forecast.service.predictions import (
    ID,
    MOST_ITEMS,
    cursor_of,
    whose,
)
from sales_forecast.service.queries import by_field, given
from sales_forecast.service.routes import FORECAST, PREDICT
from sales_forecast.settings import Settings
from sales_forecast.web.answers import line_of, named, quantiles_of, sheet_of
from sales_forecast.web.forms import form_of
from sales_forecast.web.history_query import HISTORY, Asked, history_query, local_moment
from sales_forecast.web.rendering import SAFE_HEADERS, Templates
from sales_forecast.web.visitors import Door, Visitor

CLEAR, FILE, ANSWER = f"{HISTORY}/clear", f"{HISTORY}.csv", f"{HISTORY}/{{id}}"


class HistoryPages:
    """`/history` and what belongs to it."""

    def __init__(self, live: Live, settings: Settings, door: Door, templates: Templates) -> None:
        self._live = live
        self._door = door
        self._templates = templates
        self._days = settings.prediction_retention_days
        url = ledger_url(settings.database_url)
        self._store = None if url is None else LedgerStore(url)
        self._keeps = settings.prediction_ledger and url is not None

    def close(self) -> None:
        """Close the idle connections."""
        if self._store is not None:
            self._store.close()

    async def answer(self, request: Request) -> Response:
        """Show a page of answers."""
        visitor, alone = self._reader(request)
        fill = {**self._common(visitor, alone), "problem": None}
        try:
            asked = await self._asked(request, visitor, alone)
        except InvalidRequest as error:
            fill |= {"problem": error.message, "filters": dict(request.query_params), "lines": []}
            return self._templates.page("history.html", error.status, **fill, asked=None)
        page = await run_in_threadpool(self._live.predictions.page, asked.wish)
        older = None if page.last is None else asked.link(cursor=cursor_of(page.last))
        fill |= {"filters": asked.filters, "lines": [line_of(row) for row in page.rows]}
        return self._templates.page(
            "history.html", **fill, asked=asked, older=older, last=_moment_of(page.last)
        )

    async def file(self, request: Request) -> Response:
        """Give all answers that match, the newest first, as a CSV file."""
        visitor, alone = self._reader(request)
        asked = await self._asked(request, visitor, alone)
        read = self._live.predictions.page
        wish = replace(asked.wish, limit=MOST_ITEMS, before=None)
        first = await run_in_threadpool(read, wish)  # what fails is said before the file begins

        def rows() -> Iterator[Mapping[str, Any]]:
            page = first
            yield from page.rows
            while page.last is not None:
                page = read(replace(wish, before=page.last))
                yield from page.rows

        fields = [key.field for key in self._live.predictor.spec.keys]
        named_as = f'attachment; filename="history-{datetime.now(UTC):%Y-%m-%d}.csv"'
        return StreamingResponse(
            csv_sheet(sheet_of(rows(), fields)),
            headers={**SAFE_HEADERS, "Content-Disposition": named_as},
            media_type="text/csv; charset=utf-8",
        )

    async def one(self, request: Request) -> Response:
        """Show one answer in full."""
        visitor, alone = self._reader(request)
        asked = request.path_params["id"]
        found = None
        if ID.fullmatch(asked):
            found = await run_in_threadpool(self._live.predictions.find, asked.lower(), alone)
        if found is None:
            raise UnknownPrediction(
                f"No answer {brief(asked)} can be shown: none was kept under this id, it is older "
                "than what is kept, or not yours.",
                {"id": asked},
            )
        series = [(named(of["series"]), of, quantiles_of(of["forecast"])) for of in found["answer"]]
        return self._templates.page(
            "history_answer.html", visitor=visitor, here=HISTORY, of=found, series=series
        )

    async def ask_to_clear(self, request: Request) -> Response:
        """Show what would be hidden, and ask."""
        visitor, _ = self._reader(request)
        if visitor.name is None:
            raise InvalidRequest(
                "This service asks for no key, so nobody has a page of their own to clear.", {}
            )
        return await self._clearing(visitor)

    async def clear(self, request: Request) -> Response:
        """Hide what was answered before a moment from the page of whoever asks."""
        visitor = await self._door.sender(request)
        if self._store is None or visitor.name is None:
            raise NoForecasts("This service keeps no answers, so none can be cleared.")
        sent = (await form_of(request)).get("up_to", "")
        try:
            up_to = local_moment(sent)
        except InvalidRequest as error:
            return await self._clearing(visitor, error)
        await run_in_threadpool(self._store.clear, visitor.name, up_to)
        return RedirectResponse(HISTORY, 303)

    def _reader(self, request: Request) -> tuple[Visitor, str | None]:
        visitor = self._door.reader(request)
        caller = None if visitor.session is None else visitor.session.caller
        return visitor, whose(caller, request.scope)

    def _common(self, visitor: Visitor, alone: str | None) -> dict[str, Any]:
        predictor = self._live.predictor
        return {
            "visitor": visitor,
            "here": HISTORY,
            "alone": alone,
            "keys": [(key.field, key.kind == "number") for key in predictor.spec.keys],
            "endpoints": (PREDICT, FORECAST),
            "days": self._days,
            "keeps": self._keeps,
        }

    async def _asked(self, request: Request, visitor: Visitor, alone: str | None) -> Asked:
        spec = self._live.predictor.spec
        pairs = [(name, value.strip()) for name, value in request.query_params.multi_items()]
        told = [(name, value) for name, value in pairs if value]
        query: Any = read_query(history_query(spec), told)
        hidden = None
        if visitor.name is not None:
            found = await run_in_threadpool(self._live.predictions.cleared, visitor.name)
            hidden = found[0]["up_to"] if found else None
        since = [of for of in (query.since, None if query.cleared else hidden) if of is not None]
        until = [of for of in (query.until, query.as_of) if of is not None]
        wish = PageWish(
            query.limit,
            by_field(spec, given(spec, query)),
            max(since, default=None),
            query.cursor,
            query.caller if alone is None else alone,
            min(until, default=None),
            query.endpoint,
            query.answered_by,
        )
        filters = {name: value for name, value in told if name != "cursor"}
        return Asked(wish, filters, hidden, query.cleared is not None)

    async def _clearing(self, visitor: Visitor, problem: InvalidRequest | None = None) -> Response:
        mine = None if visitor.role == "admin" else visitor.name
        return self._templates.page(
            "history_clear.html",
            200 if problem is None else problem.status,
            visitor=visitor,
            here=HISTORY,
            problem=problem and problem.message,
            now=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
            cleared=await run_in_threadpool(self._live.predictions.cleared, mine),
            days=self._days,
        )


def _moment_of(prediction_id: str | None) -> datetime | None:
    if prediction_id is None:
        return None
    milliseconds = int(prediction_id.replace("-", "")[:12], 16)
    return datetime.fromtimestamp(milliseconds / 1000, UTC)

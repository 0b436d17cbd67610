"""The pages as one application beside the API: its routes, its guards, its failures in words.

Takes what is served and the settings, gives an ASGI application that answers `paths` and nothing
else, and nobody more often than RATE_LIMIT says. What goes wrong is shown as a page with the same
sentence that the API would say. Must not know what a single page shows.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sales_forecast.data.forecasts.former_forecasts import FormerForecasts
from sales_forecast.data.forecasts.stored_scores import StoredScores
from sales_forecast.data.ledger.ledger import Ledger
from sales_forecast.errors import SalesForecastError
from sales_forecast.service.live import Live
from sales_forecast.service.rates import Addresses, Allowance
from sales_forecast.settings import Settings
from sales_forecast.web.ask import AskPage
from sales_forecast.web.assets import PREFIX, Assets
from sales_forecast.web.change_page import CHANGES, ChangePage
from sales_forecast.web.history import ANSWER, CLEAR, FILE, HistoryPages
from sales_forecast.web.history_query import HISTORY
from sales_forecast.web.order_page import OrderPage
from sales_forecast.web.outlook import Outlooks
from sales_forecast.web.overview import OverviewPage
from sales_forecast.web.plan_pages import PLAN, UNDO, PlanPages
from sales_forecast.web.record import Records
from sales_forecast.web.rendering import Templates
from sales_forecast.web.series_page import SeriesPage
from sales_forecast.web.sessions import Sessions, secret_of
from sales_forecast.web.sheets import CHECK, CSV, SHEETS, TAKE, WORKBOOK, SheetPages
from sales_forecast.web.signing_in import SigningIn
from sales_forecast.web.visitors import Door, MustSignIn, Visitor
from sales_forecast.web.what_if_page import WhatIfPage

Endpoint = Callable[[Request], Awaitable[Response]]
_LEAST_COMPRESSED = 1_000
_FAILED = "The page failed to answer; the reason is in the log of the service."


class Pages:
    """The planner's page; see `service.beside.Pages`."""

    def __init__(self, live: Live, settings: Settings, ledger: Ledger | None = None) -> None:
        """Prepare everything; nothing is read but the files of the page."""
        assets = Assets()
        self._templates = Templates(assets)
        keys = live.keys
        self._door = Door(None if keys is None else Sessions(keys, secret_of(settings)))
        self._addresses = Addresses(settings.trusted_proxies)
        limit = settings.rate_limit
        self._allowance = None if limit is None else Allowance(limit)
        signing_in = SigningIn(self._door, self._templates, self._addresses)
        self._former = FormerForecasts(settings.database_url)
        self._scores = StoredScores(settings.database_url)
        outlooks = Outlooks(live, self._former, self._scores)
        records = Records(self._former, self._scores)
        overview = OverviewPage(
            live,
            self._door,
            self._templates,
            outlooks=outlooks,
            records=records,
            former=self._former,
        )
        series = SeriesPage(live, self._door, self._templates, outlooks, records)
        plans = PlanPages(live, self._door, self._templates)
        changes = ChangePage(live, self._door, self._templates)
        asking = AskPage(live, self._door, self._templates, ledger)
        ordering = OrderPage(live, self._door, self._templates)
        wishing = WhatIfPage(live, self._door, self._templates)
        self._history = HistoryPages(live, settings, self._door, self._templates)
        sheets = SheetPages(live, self._door, self._templates)
        routes: list[tuple[str, str, Endpoint]] = [
            ("GET", "/", overview.answer),
            ("GET", HISTORY, self._history.answer),
            ("GET", FILE, self._history.file),
            ("GET", CLEAR, self._history.ask_to_clear),
            ("POST", CLEAR, self._history.clear),
            ("GET", ANSWER, self._history.one),
            ("GET", "/series", series.answer),
            ("GET", CHANGES, changes.answer),
            ("GET", PLAN, plans.answer),
            ("POST", PLAN, plans.override),
            ("POST", UNDO, plans.undo),
            ("GET", asking.path, asking.answer),
            ("GET", ordering.path, ordering.answer),
            ("GET", wishing.path, wishing.answer),
            ("GET", "/search", series.search),
            ("GET", SHEETS, sheets.answer),
            ("GET", WORKBOOK, sheets.workbook),
            ("GET", CSV, sheets.csv),
            ("POST", CHECK, sheets.check),
            ("POST", TAKE, sheets.take),
            ("GET", "/sign-in", signing_in.form),
            ("POST", "/sign-in", signing_in.sign_in),
            ("POST", "/sign-out", signing_in.sign_out),
            ("GET", "/favicon.ico", assets.icon),
            ("GET", PREFIX + "{name}", assets.answer),
        ]
        self.paths = frozenset(path for _, path, _ in routes)
        self._routes = [Route(path, answer, methods=[method]) for method, path, answer in routes]
        self._app = Starlette(
            routes=self._routes,
            middleware=[Middleware(GZipMiddleware, minimum_size=_LEAST_COMPRESSED)],
            exception_handlers={
                MustSignIn: self._must_sign_in,
                SalesForecastError: self._failed,
                HTTPException: self._http,
                Exception: self._unforeseen,
            },
        )
        self._app.router.redirect_slashes = False  # to the host that the caller named

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        answer: ASGIApp = self._app
        # Files take less than it takes to count them, and a page has several.
        if self._allowance is not None and not scope["path"].startswith(PREFIX):
            answer = self._too_many(Request(scope), self._allowance) or answer
        await answer(scope, receive, send)

    def _too_many(self, request: Request, allowance: Allowance) -> Response | None:
        """Return the refusal of whoever asked too often, by their key or else their address."""
        visitor = self._visitor(request)
        name = visitor and visitor.session and visitor.session.caller
        seconds = math.ceil(allowance.take(name or self._addresses.of(request.scope)))
        if not seconds:
            return None
        many = f"More than {allowance.a_minute:,} requests in a minute"
        status = HTTPStatus.TOO_MANY_REQUESTS
        refused = self._problem(
            request, status, status.phrase, f"{many}. Ask again in {seconds} s."
        )
        refused.headers["Retry-After"] = str(seconds)
        return refused

    def close(self) -> None:
        """Close the idle connections."""
        self._history.close()
        self._former.close()
        self._scores.close()

    def _problem(self, request: Request, status: int, title: str, message: str) -> Response:
        visitor = self._visitor(request)
        return self._templates.page(
            "problem.html", status, visitor=visitor, title=title, message=message
        )

    def _visitor(self, request: Request) -> Visitor | None:
        try:
            return self._door.reader(request)
        except MustSignIn:
            return None

    async def _must_sign_in(self, _: Request, error: Exception) -> Response:
        assert isinstance(error, MustSignIn)  # noqa: S101 - registered for nothing else
        return error.response()

    async def _failed(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, SalesForecastError)  # noqa: S101
        title = HTTPStatus(error.status).phrase
        visitor = self._visitor(request)
        known = visitor is not None and (visitor.session is not None or visitor.is_local)
        message = error.message if known else error.public
        return self._problem(request, error.status, title, message)

    async def _http(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        path, status = request.url.path, HTTPStatus(error.status_code)
        if status != HTTPStatus.METHOD_NOT_ALLOWED:
            return self._problem(request, status, status.phrase, f"There is nothing at {path}.")
        right = self._methods(request.scope)
        says = f"{request.method} {path} is not answered here; {right} is."
        response = self._problem(request, status, status.phrase, says)
        response.headers["Allow"] = right
        return response

    def _methods(self, scope: Scope) -> str:
        """Return what a path is asked by: all of it, not what its first route alone takes."""
        found = (route for route in self._routes if route.matches(scope)[0] is not Match.NONE)
        return ", ".join(sorted({method for route in found for method in route.methods or ()}))

    async def _unforeseen(self, request: Request, _: Exception) -> Response:
        return self._problem(request, HTTPStatus.INTERNAL_SERVER_ERROR, "Failed", _FAILED)

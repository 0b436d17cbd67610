"""The application: routes, the one error shape and the thread that keeps the model current.

Takes a `Live`, gives an ASGI application. Reads no settings and opens nothing by itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, closing, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from anyio.to_thread import current_default_thread_limiter
from anyio.to_thread import run_sync as run_in_thread
from fastapi import FastAPI, Response
from fastapi.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from sales_forecast.data.ledger.ledger import Ledger
from sales_forecast.errors import NotReady, SalesForecastError
from sales_forecast.service import problems
from sales_forecast.service.access import RateLimit, RequireApiKey
from sales_forecast.service.access_log import AccessLog
from sales_forecast.service.beside import Beside, Pages
from sales_forecast.service.docs_page import DOCUMENT, add_docs_page
from sales_forecast.service.head import Head
from sales_forecast.service.json_route import JsonRoute
from sales_forecast.service.kept import Kept
from sales_forecast.service.live import Live
from sales_forecast.service.observe import Observe, Report
from sales_forecast.service.plans import add_plans
from sales_forecast.service.predictions import add_predictions
from sales_forecast.service.prometheus import CONTENT_TYPE, Metrics
from sales_forecast.service.rates import Addresses, Network
from sales_forecast.service.routes import add_routes
from sales_forecast.service.shortcut import Shortcut
from sales_forecast.service.stored import add_stored_forecasts

_SECONDS_FOR_A_FIRST_LOOK = 1.5
"""Loading takes less; a service that has nothing to load must still answer /health soon."""
_SECONDS_FOR_A_MODEL = 50.0
"""Others answer meanwhile; after that, one that says why it has none is better than none."""
_SECONDS_TO_LOOK_AGAIN = 0.05


def create_app(
    live: Live,
    *,
    ledger: Ledger | None = None,
    pages: Pages | None = None,
    write_log: Callable[[bytes], object] | None = None,
    counts: Path | None = None,
    threads: int = 1,
    others_answer: Callable[[], bool] = lambda: False,
    rate_limit: int | None = None,
    trusted_proxies: Sequence[Network] = (),
    started: Callable[[], object] = lambda: None,
) -> ASGIApp:
    """Return the service. `live` is open as long as the application runs.

    With keys, everything but `/health`, `/ready` and `/docs` wants one in `X-API-Key`.
    `ledger`, if there is one, keeps what is answered; it is open as long, too, and so are `pages`,
    which guard themselves.
    `write_log` is given the lines of the access log. `counts` is the folder in which several
    workers count together. `threads` is how many reads that wait for the database run side by
    side. `rate_limit` is how many requests a minute one caller may send, and `trusted_proxies` may
    say for whom they ask. Where `others_answer`, nobody is let in before there is a model.
    `started` is called once requests can be answered.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        current_default_thread_limiter().total_tokens = threads
        with live, ledger or nullcontext(), closing(pages) if pages else nullcontext():
            await run_in_thread(live.wait, _SECONDS_FOR_A_FIRST_LOOK)
            if others_answer():
                await _model_of(live)
            started()
            yield

    app = FastAPI(
        title="Sales Forecasting",
        summary="Sales of each series, with honest intervals.",
        version="1",
        lifespan=lifespan,
        redirect_slashes=False,
        openapi_url=DOCUMENT,
        docs_url=None,
        redoc_url=None,
        # Nothing listens to it, and asking whether anything does costs as much as validation.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.add_middleware(Head)
    problems.install(app)
    add_routes(app, live, None if ledger is None else Kept(ledger))
    add_docs_page(app)
    add_stored_forecasts(app, live)
    add_plans(app, live)
    add_predictions(app, live)
    app.openapi = partial(_document, app, live)  # type: ignore[method-assign] # FastAPI's own way
    metrics = _add_metrics(app, live, counts, ledger, pages.paths if pages else ())
    reports: list[Report] = [metrics]
    if write_log is not None:
        reports.append(AccessLog(write_log))
    answered: ASGIApp = Shortcut(app)
    addresses = Addresses(trusted_proxies)
    if rate_limit is not None:
        answered = RateLimit(answered, rate_limit, addresses)
    if live.keys is not None:
        answered = RequireApiKey(answered, live.keys, addresses)
    if pages is not None:
        answered = Beside(answered, pages, app.routes)
    return Observe(answered, reports)


def _document(app: FastAPI, live: Live) -> dict[str, Any]:
    from sales_forecast.service.openapi import document  # by need

    return document(app, live, secured=live.keys is not None)


def _add_metrics(
    app: FastAPI,
    live: Live,
    counts: Path | None,
    ledger: Ledger | None,
    of_pages: Iterable[str],
) -> Metrics:
    @app.get("/metrics", response_class=PlainTextResponse, tags=["operation"])
    async def metrics() -> Response:
        """Give what Prometheus collects."""
        if ledger is not None:
            ledger.tell()
        return Response(counted.text(ready=await _is_ready(live)), media_type=CONTENT_TYPE)

    routes = [route for route in app.routes if isinstance(route, Route)]
    answering = [route.path for route in routes if isinstance(route, JsonRoute)]
    paths = [*(route.path for route in routes), *of_pages]
    counted = Metrics(live, paths, answering, counts)
    if ledger is not None:
        ledger.count = counted.count_rows
    return counted


async def _model_of(live: Live) -> None:
    """Wait for a model; whoever stops the service meanwhile need not wait."""
    with anyio.move_on_after(_SECONDS_FOR_A_MODEL):
        while not _has_model(live):  # noqa: ASYNC110 - a thread finds it
            await anyio.sleep(_SECONDS_TO_LOOK_AGAIN)


def _has_model(live: Live) -> bool:
    try:
        _ = live.predictor
    except NotReady:
        return False
    return True


async def _is_ready(live: Live) -> bool:
    try:
        await live.check()
    except SalesForecastError:
        return False
    return True

"""The application: routes, the one error shape and the thread that keeps the model current.

Takes a `Live`, gives an ASGI application. Reads no settings and opens nothing by itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from sales_forecast.service import problems
from sales_forecast.service.access import RequireApiKey
from sales_forecast.service.live import Live
from sales_forecast.service.routes import add_routes

_SECONDS_FOR_A_FIRST_LOOK = 1.5
"""Loading takes less; a service that has nothing to load must still answer /health soon."""


def create_app(live: Live, api_key: str | None = None) -> FastAPI:
    """Return the service. `live` is open as long as the application runs.

    With an `api_key`, everything but `/health` and `/ready` wants it in `X-API-Key`.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with live:
            await run_in_threadpool(live.wait, _SECONDS_FOR_A_FIRST_LOOK)
            yield

    app = FastAPI(
        title="Sales Forecasting",
        summary="Weekly sales of each store, with honest intervals.",
        version="1",
        lifespan=lifespan,
        redirect_slashes=False,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        # Nothing listens to it, and asking whether anything does costs as much as validation.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    problems.install(app)
    add_routes(app, live)
    if api_key is not None:
        app.add_middleware(RequireApiKey, key=api_key)
    return app

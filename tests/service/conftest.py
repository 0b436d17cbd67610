"""A service over fakes, and a way to ask it without a network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from sales_forecast.service.app import create_app
from tests.fakes import FakePredictor, LiveStub
from tests.service.serving import run

__all__ = ["run"]

PREDICT = {
    "Store": 1,
    "Date": "03-11-2012",
    "Holiday_Flag": 0,
    "Temperature": 75.5,
    "Fuel_Price": 3.45,
    "CPI": 238.2,
    "Unemployment": 5.8,
}
FORECAST = {"store_id": 1, "steps": 5}
EXAMPLES = {"/predict_sales": PREDICT, "/forecast_sales": FORECAST}

Ask = Callable[..., httpx.Response]


def ask_app(
    app: Any, method: str, path: str, body: object = None, **options: Any
) -> httpx.Response:
    """Send one request; `body` is sent as it is if bytes, else as JSON (NaN and all)."""
    if body is not None and "content" not in options:
        options["content"] = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.request(method, path, **options)

    return asyncio.run(send())


@pytest.fixture
def live() -> LiveStub:
    return LiveStub(FakePredictor())


@pytest.fixture
def ask(live: LiveStub) -> Ask:
    app = create_app(live)
    return lambda *arguments, **options: ask_app(app, *arguments, **options)


@pytest.fixture
def deployment(tmp_path):
    from tests.service.deployment import Deployment  # noqa: PLC0415 - takes seconds

    deployment = Deployment(tmp_path)
    yield deployment
    deployment.database.close()


def error_of(response: httpx.Response) -> dict[str, Any]:
    """Return what is inside the one error shape, having checked the shape."""
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "fields"}
    return body["error"]

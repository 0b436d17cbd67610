"""Who may ask: with an API key set, only those who send it.

Takes an ASGI application and a key, gives one that answers 401 to everybody else. What tells
whether the service lives and is ready stays open, because load balancers have no key, and so does
what shows how to ask, because browsers have none. Must not know what is asked.
"""

from __future__ import annotations

import hmac

from starlette.types import ASGIApp, Receive, Scope, Send

from sales_forecast.service.docs_page import DOCUMENT, FILES, PAGE
from sales_forecast.service.problems import error_response

HEADER = "X-API-Key"
OPEN_PATHS = frozenset({"/health", "/ready", PAGE, DOCUMENT})


class RequireApiKey:
    """ASGI middleware: the key in `X-API-Key`, or 401."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app = app
        self._key = key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through or refuse it; its body is not read before."""
        path = scope.get("path", "")
        if scope["type"] != "http" or path in OPEN_PATHS or path.startswith(FILES):
            await self._app(scope, receive, send)
            return
        sent = dict(scope["headers"]).get(HEADER.lower().encode())
        # Takes equally long wherever the first wrong letter is.
        if sent is not None and hmac.compare_digest(sent, self._key):
            await self._app(scope, receive, send)
            return
        problem = "is required" if sent is None else "is not the one that is set"
        response = error_response(
            401,
            "unauthorized",
            f"The header {HEADER} {problem}. Ask whoever runs this service for the key.",
            {HEADER: problem},
            {"WWW-Authenticate": f'ApiKey header="{HEADER}"'},
        )
        await response(scope, receive, send)

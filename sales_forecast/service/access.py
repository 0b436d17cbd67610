"""Who may ask: with API keys set, only those who send one of them.

Takes an ASGI application and keys, gives one that answers 401 to everybody else and tells the
application who asks. What tells whether the service lives and is ready stays open, because load
balancers have no key, and so does what shows how to ask, because browsers have none. Must not know
what is asked.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from sales_forecast.service.api_keys import ApiKeys
from sales_forecast.service.callers import CALLER
from sales_forecast.service.docs_page import DOCUMENT, FILES, PAGE
from sales_forecast.service.problems import error_response

HEADER = "X-API-Key"
_HEADER = HEADER.lower().encode()
OPEN_PATHS = frozenset({"/health", "/ready", PAGE, DOCUMENT})


class RequireApiKey:
    """ASGI middleware: a known key in `X-API-Key`, or 401. `caller_of` then says whose it is."""

    def __init__(self, app: ASGIApp, keys: ApiKeys) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through or refuse it; its body is not read before."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent = [value for name, value in scope["headers"] if name == _HEADER]
        caller = scope[CALLER] = self._keys.caller(sent[0]) if len(sent) == 1 else None
        path = scope.get("path", "")
        if caller is not None or path in OPEN_PATHS or path.startswith(FILES):
            await self._app(scope, receive, send)
            return
        problem = "holds no known key" if sent else "is required"
        if sent[1:]:
            problem = "is given twice"
        response = error_response(
            401,
            "unauthorized",
            f"The header {HEADER} {problem}. Ask whoever runs this service for a key.",
            {HEADER: problem},
            {"WWW-Authenticate": f'ApiKey header="{HEADER}"'},
        )
        await response(scope, receive, send)

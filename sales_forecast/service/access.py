"""Who may ask: with API keys set, only those who send one of them.

Takes an ASGI application and keys, gives one that answers 401 to everybody else and tells the
application who asks. What tells whether the service lives and is ready stays open, because load
balancers have no key, and so does what shows how to ask, because browsers have none. Must not know
what is asked.
"""

from __future__ import annotations

from ipaddress import ip_address

from starlette.types import ASGIApp, Receive, Scope, Send

from sales_forecast.service.api_keys import ApiKeys, Caller
from sales_forecast.service.docs_page import DOCUMENT, FILES, PAGE
from sales_forecast.service.problems import error_response

HEADER = "X-API-Key"
_HEADER = HEADER.lower().encode()
_CALLER = "caller"
_PASSED_ON = frozenset({b"forwarded", b"via", b"x-forwarded-for", b"x-real-ip"})
OPEN_PATHS = frozenset({"/health", "/ready", PAGE, DOCUMENT})


class RequireApiKey:
    """ASGI middleware: a known key in `X-API-Key`, or 401. `caller_of` then says whose it is."""

    def __init__(self, app: ASGIApp, keys: ApiKeys) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through or refuse it; its body is not read before."""
        path = scope.get("path", "")
        if scope["type"] != "http" or path in OPEN_PATHS or path.startswith(FILES):
            await self._app(scope, receive, send)
            return
        sent = [value for name, value in scope["headers"] if name == _HEADER]
        caller = self._keys.caller(sent[0]) if len(sent) == 1 else None
        if caller is not None:
            scope[_CALLER] = caller
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


def caller_of(scope: Scope) -> Caller | None:
    """Return who asks, None where no key is set and everybody may."""
    caller: Caller | None = scope.get(_CALLER)
    return caller


def is_local(scope: Scope) -> bool:
    """Return whether who asks is on this machine; whoever was passed on by a proxy is not."""
    host, *_ = scope.get("client") or ("",)
    if any(name in _PASSED_ON for name, _ in scope["headers"]):
        return False
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback

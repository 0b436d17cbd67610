"""Who may ask, and how often: with API keys set, only those who send one of them.

Takes an ASGI application and keys, gives one that answers 401 to everybody else, 429 to those who
ask too often, and tells the application who asks. What tells whether the service lives and is
ready stays open, because load balancers have no key, and so does what shows how to ask, because
browsers have none. Must not know what is asked.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from sales_forecast.service.api_keys import ApiKeys, Caller
from sales_forecast.service.callers import CALLER, caller_of
from sales_forecast.service.docs_page import DOCUMENT, FILES, PAGE
from sales_forecast.service.problems import error_response
from sales_forecast.service.rates import Addresses, Allowance, too_many

HEADER = "X-API-Key"
_HEADER = HEADER.lower().encode()
OPEN_PATHS = frozenset({"/health", "/ready", PAGE, DOCUMENT})
_NOT_COUNTED = frozenset({"/health", "/ready"})
"""Whoever watches the service is not to find it ill because it asks."""
_WRONG_KEYS_A_MINUTE = 10
_MOST_KNOWN = 10_000


class RequireApiKey:
    """ASGI middleware: a known key in `X-API-Key`, or 401. `caller_of` then says whose it is.

    An address that sent too many wrong keys is answered 429, so that nobody finds one by trying;
    but not callers who are known to ask from there, as from behind a proxy everybody may.
    """

    def __init__(self, app: ASGIApp, keys: ApiKeys, addresses: Addresses) -> None:
        self._app = app
        self._keys = keys
        self._addresses = addresses
        self._wrong = Allowance(_WRONG_KEYS_A_MINUTE)
        self._known: set[tuple[str, str]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through or refuse it; its body is not read before."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent = [value for name, value in scope["headers"] if name == _HEADER]
        address = self._addresses.of(scope) if sent else ""
        wait = self._wrong.wait(address) if sent else 0.0
        caller = scope[CALLER] = self._caller(sent, address, wait)
        path = scope.get("path", "")
        if caller is not None or path in OPEN_PATHS or path.startswith(FILES):
            await self._app(scope, receive, send)
            return
        if wait:
            refusal = too_many(f"Wrong keys came from {address}", wait)
            await refusal(scope, receive, send)
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

    def _caller(self, sent: list[bytes], address: str, wait: float) -> Caller | None:
        """Return whose key it is, None where there is none or where it was not looked at."""
        caller = self._keys.caller(sent[0]) if len(sent) == 1 else None
        if caller is None:
            if sent:
                self._wrong.take(address)
            return None
        known = (address, caller.name)
        if wait and known not in self._known:
            return None
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known.add(known)
        return caller


class RateLimit:
    """ASGI middleware: so many requests a minute of one caller, then 429."""

    def __init__(self, app: ASGIApp, a_minute: int, addresses: Addresses) -> None:
        self._app = app
        self._allowance = Allowance(a_minute)
        self._addresses = addresses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through or refuse it; its body is not read before."""
        if scope["type"] != "http" or scope["path"] in _NOT_COUNTED:
            await self._app(scope, receive, send)
            return
        wait = self._allowance.take(caller_of(scope) or self._addresses.of(scope))
        if not wait:
            await self._app(scope, receive, send)
            return
        answer = too_many(f"More than {self._allowance.a_minute:,} requests in a minute", wait)
        await answer(scope, receive, send)

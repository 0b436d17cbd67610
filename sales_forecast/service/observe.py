"""What is seen of each request from outside: who it is, how it ended, how long it took.

Takes an ASGI application, gives one that names every request and reports it when it is over,
however it ends: the outermost layer, so that nothing is answered unseen. Must not know what is
done with the report, nor look at bodies, query strings or keys.
"""

from __future__ import annotations

import itertools
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HUNG_UP = 499
"""The status of a request whose caller left before the answer began; nothing was sent."""
_REQUEST_ID = "request_id"
_FAILED = 500  # what the server itself answers where nobody else did
_GIVEN = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_TRACED = re.compile(rb"\bRoot=(1-[0-9a-f]{8}-[0-9a-f]{24})\b")


class Report(Protocol):
    """Is told of each request once it is over."""

    def __call__(
        self, request_id: bytes, method: str, path: str, status: int, seconds: float
    ) -> None:
        """Note one request; `path` is as the caller meant it, without the query string."""
        ...


class Observe:
    """ASGI middleware: an id in and out as `X-Request-ID`, a report at the end."""

    def __init__(self, app: ASGIApp, reports: Iterable[Report]) -> None:
        self._app = app
        self._reports = tuple(reports)
        self._own_id = _ids()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on and report it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin = time.perf_counter()
        request_id = _given_id(scope["headers"]) or self._own_id()
        scope[_REQUEST_ID] = request_id
        status = HUNG_UP

        def send_named(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id)]
            return send(message)

        try:
            await self._app(scope, receive, send_named)
        except BaseException:
            if status == HUNG_UP:
                status = _FAILED
            raise
        finally:
            seconds = time.perf_counter() - begin
            for report in self._reports:
                report(request_id, scope["method"], scope["path"], status, seconds)


def request_id_of(scope: Scope) -> bytes:
    """Return the id of a request that came in through `Observe`."""
    request_id: bytes = scope[_REQUEST_ID]
    return request_id


def _given_id(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """Return the caller's id, else that of AWS's load balancer; None where neither is sane."""
    traced = None
    for name, value in headers:
        if name == b"x-request-id" and _GIVEN.fullmatch(value):
            return value
        if name == b"x-amzn-trace-id":
            traced = _TRACED.search(value)
    return traced[1] if traced else None


def _ids() -> Callable[[], bytes]:
    """Return what gives ids that no other process gives: a random beginning and a number."""
    process = secrets.token_hex(6).encode()
    numbers = itertools.count(1)
    return lambda: b"%b-%d" % (process, next(numbers))

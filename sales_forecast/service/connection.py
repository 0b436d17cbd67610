"""One connection: how much a caller may send at once, how long that may take, and in which form.

Takes bytes, gives requests to the application one after the other, and refuses in the one error
shape what is no HTTP/1.1, too long or too slow. What is read of a connection is bounded: while a
request waits for the answer to another, nothing more is. Must not know the application, and sends
nothing of itself but refusals. uvicorn's protocol does the rest; see ADR 27 for what is used of it.
Longer than other modules: what is awaited of a connection, and for how long, is one state.
"""

from __future__ import annotations

import asyncio
from math import inf
from operator import attrgetter, itemgetter
from typing import Final

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from sales_forecast.service.answering import Answering
from sales_forecast.service.problems import error_body

SECONDS_FOR_AN_IDLE_CONNECTION = 75
"""Longer than whoever stands before it keeps one (a load balancer of AWS: 60): else a request may
come in while this side hangs up, and its caller gets a 502."""
SECONDS_FOR_A_HEAD = 10
SECONDS_FOR_A_BODY = 30
SECONDS_FOR_AN_UNREAD_ANSWER = 30
"""Without a byte of it being taken."""
MOST_HEAD_BYTES = 32_768
"""Of a request line with its headers; of trailers, of what stands between two chunks."""
MOST_BODY_BYTES = 64_000_000
"""Of all bodies of which something is still to come: beyond, the longest is refused."""
_SECONDS_TO_READ_A_REFUSAL = 5
_SLICE = 1024
"""Bytes that are parsed at once, at most; so few requests can be in them."""
_IDLE, _HEAD, _BODY, _OVER = "idle", "head", "body", "over"
_SECONDS: Final = {
    _IDLE: SECONDS_FOR_AN_IDLE_CONNECTION,
    _HEAD: SECONDS_FOR_A_HEAD,
    _BODY: SECONDS_FOR_A_BODY,
    _OVER: _SECONDS_TO_READ_A_REFUSAL,
}


class _Unclear(Exception):
    """What two programs on the way of a request could understand differently."""


class State(ServerState):
    """What the connections of a server share.

    Attributes:
        most_connections: how many may be open before the oldest idle ones are closed.
        body_bytes: how much is there of bodies of which something is still to come.
    """

    most_connections: float = inf
    body_bytes: int = 0


class Connection(HttpToolsProtocol):
    """A connection whose caller is not trusted to read, to be quick, or to mean well."""

    connections: set[Connection]  # type: ignore[assignment]
    flow: _Flow
    server_state: State

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self.flow = _Flow(transport)
        self._answering = Answering(transport)
        self._awaited = _IDLE
        self._since = self.loop.time()
        """When what is awaited began; 0.0: in what is being parsed."""
        self._spent = 0
        """Bytes that were neither the whole of a head nor a part of a body."""
        self._body_bytes = 0
        """Its part of those of all connections."""
        self._held = memoryview(b"")
        """Bytes that are not parsed before the requests before them are answered."""
        self._refusal = b""
        self._unread = 0
        self._unread_since = 0.0
        if len(self.connections) > self.server_state.most_connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what came on it."""
        self._forget_body()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, as far as it is wanted now."""
        if self._awaited is _OVER:
            return
        if len(data) <= _SLICE:
            self._parse(data)
        else:
            self._parse_slices(memoryview(data))

    def _parse_slices(self, data: memoryview) -> None:
        for start in range(0, len(data), _SLICE):
            if self._awaited is _OVER:
                return
            if self.pipeline:
                self._held = data[start:]
                return
            self._parse(data[start : start + _SLICE])

    def _parse(self, data: bytes | memoryview) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:  # it is answered as if it had not asked for one
            self.cycle.keep_alive = False
            self._end()
            return
        except httptools.HttpParserCallbackError as error:
            told = error.__context__
            reason = told if isinstance(told, _Unclear) else "Its path is none"
            self.refuse(400, "bad_request", f"{reason}.")
            return
        except httptools.HttpParserError as error:
            self.refuse(400, "bad_request", f"This is no HTTP/1.1: {error}.")
            return
        if self.pipeline:
            self.flow.hold()
        if self._awaited is not _IDLE:
            self._since = self._since or self.loop.time()
            self._spent += len(data)
            if self._spent > MOST_HEAD_BYTES:
                self.refuse(
                    431,
                    "request_header_fields_too_large",
                    f"The head of a request may have {MOST_HEAD_BYTES:,} bytes.",
                )
            elif self.server_state.body_bytes > MOST_BODY_BYTES:
                longest = max(self.connections, key=attrgetter("_body_bytes"))
                longest.refuse(
                    503, "too_many_bodies", "Too many long bodies at once. Try again soon."
                )

    def on_message_begin(self) -> None:
        """Await a head."""
        super().on_message_begin()
        self._awaited, self._since, self._spent = _HEAD, 0.0, 0

    def on_headers_complete(self) -> None:
        """Await the body. Raises _Unclear."""
        self._check_form()
        super().on_headers_complete()
        self.cycle.transport = self._answering  # type: ignore[assignment]
        self.headers = []  # what still comes are trailers, which nobody may take for headers
        self._awaited, self._since, self._spent = _BODY, 0.0, 0

    def _check_form(self) -> None:
        version = self.parser.get_http_version()
        if version not in {"1.1", "1.0"}:
            raise _Unclear(f"HTTP/{version} is not spoken here; HTTP/1.1 is")
        hosts = 0
        for name, value in self.headers:
            if name == b"host":
                hosts += 1
            elif name == b"transfer-encoding" and (version == "1.0" or value.lower() != b"chunked"):
                raise _Unclear("Transfer-Encoding may be chunked alone, and in HTTP/1.1")
        if hosts != 1 and (hosts or version == "1.1"):
            raise _Unclear("The header Host must be there once")

    def on_body(self, body: bytes) -> None:
        """Give the application a part of a body."""
        super().on_body(body)
        self._spent = 0
        self._body_bytes += len(body)
        self.server_state.body_bytes += len(body)

    def _forget_body(self) -> None:
        self.server_state.body_bytes -= self._body_bytes
        self._body_bytes = 0

    def on_message_complete(self) -> None:
        """Await the next request."""
        super().on_message_complete()
        self._awaited = _IDLE
        self._forget_body()

    def on_response_complete(self) -> None:
        """Start the request that waits, or read on."""
        self.server_state.total_requests += 1
        self._answering.end()
        if self.transport.is_closing():
            return
        self._since = self.loop.time()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._refusal:
            self._say(self._refusal)
        if not self.pipeline and self._awaited is not _OVER:
            self.flow.held = False
            held, self._held = self._held, memoryview(b"")
            self._parse_slices(held)
            self.flow.resume_reading()

    @property
    def answers(self) -> bool:
        """Whether a request is being answered."""
        cycle = self.cycle
        return cycle is not None and not (cycle.response_complete or cycle.disconnected)

    @property
    def has_unparsed(self) -> bool:
        """Whether something was read that is not parsed yet."""
        return bool(self._held)

    @property
    def may_go(self) -> tuple[bool, float] | None:
        """Whether it has begun to ask, and when that or nothing began; None where it asks more."""
        asks_nothing = self._awaited is _IDLE or self._awaited is _HEAD
        if self.answers or not asks_nothing or self.transport.is_closing():
            return None
        return self._awaited is _HEAD, self._since

    def look(self, now: float) -> None:
        """End what has taken too long. To be called once a second."""
        unread = self.transport.get_write_buffer_size()
        if not self._unread or unread < self._unread:
            self._unread_since = now
        self._unread = unread
        if now - self._unread_since > SECONDS_FOR_AN_UNREAD_ANSWER:
            self.transport.abort()
        elif now - self._since > _SECONDS[self._awaited] and not self.flow.held:
            if self._awaited is _OVER:
                if not self.answers:
                    self.transport.abort()
            elif self._awaited is not _IDLE:
                seconds = _SECONDS[self._awaited]
                message = f"The {self._awaited} of a request must come within {seconds} seconds."
                self.refuse(408, "request_timeout", message)
            elif not self.answers:
                self.transport.close()

    def _make_room(self) -> None:
        """Close a part of those that ask nothing, the oldest first, and then those that begin to.

        A part, so that many new ones do not look for the oldest each.
        """
        found = [(of, of.may_go) for of in self.connections if of is not self]
        oldest = sorted([(rank, of) for of, rank in found if rank], key=itemgetter(0))
        for _, of in oldest[: 1 + len(found) // 16]:
            of.transport.abort()
        if not oldest:
            self.refuse(503, "too_many_connections", "All connections are in use. Try again soon.")

    def refuse(self, status: int, code: str, message: str) -> None:
        """Answer for the request that is being read, after those before it; nothing after it."""
        body = error_body(code, message, {})
        head = [STATUS_LINE[status]]
        head += [b"%b: %b\r\n" % of for of in self.server_state.default_headers]
        head += [b"content-type: application/json\r\ncontent-length: %d\r\n" % len(body)]
        refusal = b"".join([*head, b"connection: close\r\n\r\n", body])
        broken = self.cycle if self._awaited is _BODY else None
        self._end()
        if broken is not None and self.pipeline and self.pipeline[0][0] is broken:
            self.pipeline.popleft()
            self._refusal = refusal
        elif broken is not None:
            begun = broken.response_started
            broken.disconnected = True
            broken.message_event.set()
            self._say(b"" if begun else refusal)
        elif self.answers:
            self._refusal = refusal
        else:
            self._say(refusal)

    def _end(self) -> None:
        """Take nothing more of what is sent."""
        self._awaited, self._since = _OVER, self.loop.time()
        self._forget_body()
        self._held = memoryview(b"")
        self.flow.held = False

    def _say(self, refusal: bytes) -> None:
        """Send the last that is sent. It is lost where one hangs up on a caller who still sends."""
        self._since = self.loop.time()
        if self.transport.is_closing():
            return
        if refusal:
            self.transport.write(refusal)
            self.transport.write_eof()
            self.flow.resume_reading()
        else:
            self._answering.close()


class _Flow(FlowControl):
    """Reads nothing while requests wait for answers to others, whoever wants to go on."""

    held = False

    def hold(self) -> None:
        """Stop reading."""
        self.held = True
        self.pause_reading()

    def resume_reading(self) -> None:
        """Go on, unless held."""
        if not self.held:
            super().resume_reading()


def most_connections(limit: int, used: int) -> int:
    """Return how many connections fit into a table of `limit` descriptors, of which some are used.

    What reads databases and bundles meanwhile needs some, too.
    """
    return max(limit - used - min(limit // 4, 64), 8)

"""The server: one process or several on one listener, which stops without losing a request.

Takes a listening socket and a function that makes the application, serves until SIGTERM or
Ctrl-C. What was accepted by then is answered: connections that wait to be taken, requests that
wait to be read, requests of which a part is still to come. Must not know the application.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.supervisors import multiprocess

SECONDS_FOR_AN_IDLE_CONNECTION = 75
"""Longer than whoever stands before it keeps one (a load balancer of AWS: 60): else a request may
come in while this side hangs up, and its caller gets a 502."""
SECONDS_FOR_OPEN_REQUESTS = 10
_SECONDS_FOR_WAITING_CONNECTIONS = 1.0
_TURNS_TO_TAKE_A_CONNECTION = 10  # of the event loop; it needs three
_SECONDS_FOR_A_FIRST_REQUEST = 1.0  # on a connection that has not asked anything yet
_SECONDS_TO_LOOK_AGAIN = 0.01


def serve(listener: socket.socket, create: Callable[[], ASGIApp], workers: int) -> None:
    """Serve what `create` makes. With more than one worker, each makes its own."""
    config = _config(create, workers)
    if workers == 1:
        _Server(config).run(sockets=[listener])
    else:
        # The supervisor can be told of another application, but not of another server.
        multiprocess.Process = _Worker  # type: ignore[misc]
        _Supervisor(config, sockets=[listener]).run()


def _config(create: Callable[[], ASGIApp], workers: int = 1) -> uvicorn.Config:
    return uvicorn.Config(
        create,
        factory=True,
        http=_Connection,
        ws="none",
        workers=workers,
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,  # nothing here asks where a caller is
        timeout_keep_alive=SECONDS_FOR_AN_IDLE_CONNECTION,
        timeout_graceful_shutdown=SECONDS_FOR_OPEN_REQUESTS,
    )


class _Server(uvicorn.Server):
    """Takes in the connections that wait before it closes the door."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop; connections close by themselves when they have been answered."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _SECONDS_FOR_WAITING_CONNECTIONS
        quiet = 0
        while quiet < _TURNS_TO_TAKE_A_CONNECTION and loop.time() < deadline:
            await asyncio.sleep(0)
            waiting = any(_waits(listener.fileno()) for listener in sockets or [])
            quiet = 0 if waiting else quiet + 1
        await super().shutdown(sockets)


class _Supervisor(multiprocess.Multiprocess):
    """Leaves the door to the workers when they are to stop: the last one closes it."""

    def terminate_all(self) -> None:
        """Stop the workers; whoever comes later is refused instead of kept waiting."""
        super().terminate_all()
        for listener in self.sockets:
            listener.close()


class _Worker(multiprocess.Process):
    """A process of the supervisor, with the server above."""

    @property
    def server(self) -> uvicorn.Server:
        """The one server of this process."""
        if self._server is None:
            self._server = _Server(self.config)
        return self._server


class _Connection(HttpToolsProtocol):
    """Closes only when nothing that the caller has sent waits to be read."""

    _told_to_stop_at: float | None = None

    def shutdown(self) -> None:
        """Close as soon as what came before has been answered."""
        now = self.loop.time()
        if self._told_to_stop_at is None:
            self._told_to_stop_at = now
        may_ask = not self.cycle and now < self._told_to_stop_at + _SECONDS_FOR_A_FIRST_REQUEST
        if not self.transport.is_closing() and (may_ask or self._has_unread()):
            self.loop.call_later(_SECONDS_TO_LOOK_AGAIN, self.shutdown)
        else:
            super().shutdown()

    def _has_unread(self) -> bool:
        idle = not self.cycle or self.cycle.response_complete
        return idle and _waits(self.transport.get_extra_info("socket").fileno())


def _waits(file: int) -> bool:
    """Return whether a socket has something that nobody has taken yet."""
    with selectors.DefaultSelector() as selector:
        selector.register(file, selectors.EVENT_READ)
        return bool(selector.select(0))

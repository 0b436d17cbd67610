"""The server: one process or several on one listener, which stops without losing a request.

Takes a listening socket and a function that makes the application, serves until SIGTERM or
Ctrl-C. What was accepted by then is answered: connections that wait to be taken, requests that
wait to be read, requests of which a part is still to come. Must not know the application.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import selectors
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import multiprocess

from sales_forecast.service.connection import Connection, State, most_connections

SECONDS_FOR_OPEN_REQUESTS = 10
_SECONDS_FOR_WAITING_CONNECTIONS = 1.0
_TURNS_TO_TAKE_A_CONNECTION = 10  # of the event loop; it needs three
_SECONDS_FOR_A_FIRST_REQUEST = 1.0  # on a connection that has not asked anything yet
_SECONDS_TO_LOOK_AGAIN = 0.01
_TICKS_A_SECOND = 10  # of uvicorn's main loop
_NEW_OBJECTS_BEFORE_A_COLLECTION = 20_000
"""Requests leave no rings behind; to look for some every 700 took a twentieth of an answer."""
_SECONDS_TO_START_A_WORKER = 60
_SECONDS_TO_ANSWER_THE_SUPERVISOR = 20  # of a worker; while it imports on a busy machine, too
_SECONDS_FOR_A_WORKER_TO_STOP = 22
"""It ends by itself before; one that something holds would be waited for without end."""


def serve(listener: socket.socket, create: Callable[[], ASGIApp], workers: int) -> None:
    """Serve what `create` makes. With more than one worker, each makes its own."""
    config = _config(create, workers)
    if workers == 1:
        _ignore_hangup()
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
        timeout_graceful_shutdown=SECONDS_FOR_OPEN_REQUESTS,
        timeout_worker_healthcheck=_SECONDS_TO_ANSWER_THE_SUPERVISOR,
    )


def _ignore_hangup() -> None:
    """Nothing here has to be told by SIGHUP to look for new models, sales or keys."""
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


class _Server(uvicorn.Server):
    """Takes in the connections that wait before it closes the door.

    `supervisor`: the process without which it is to stop; None where there is none.
    """

    def __init__(self, config: uvicorn.Config, supervisor: int | None = None) -> None:
        super().__init__(config)
        self.server_state = self._state = State()
        self._supervisor = supervisor

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and find out how many connections fit beside what is open by then.

        The application may wait for its model, for a while; who stops it must not.
        """
        starting = asyncio.ensure_future(super().startup(sockets))
        while not starting.done():
            await asyncio.wait([starting], timeout=1 / _TICKS_A_SECOND)
            if self.should_exit or self._is_left_alone():
                os._exit(0)  # nothing was answered yet, and what is half loaded is not missed
        await starting
        gc.set_threshold(_NEW_OBJECTS_BEFORE_A_COLLECTION, *gc.get_threshold()[1:])
        self._state.most_connections = most_connections(*_descriptors())

    async def on_tick(self, counter: int) -> bool:
        """Look after the connections once a second. Returns whether it is time to stop."""
        if counter % _TICKS_A_SECOND == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, Connection):
                    connection.look(now)
            self.should_exit = self.should_exit or self._is_left_alone()
        return await super().on_tick(counter)

    def _is_left_alone(self) -> bool:
        return self._supervisor not in {None, os.getppid()}

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


def _descriptors() -> tuple[int, int]:
    """Return how many files this process may have open, and how many are."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return limit, sum(1 for _ in Path("/dev/fd").iterdir())


class _Told(threading.Event):
    """Is set, too, while the signal to stop waits: for a worker that gets no model, it may."""

    def __init__(self, signals: Sequence[int]) -> None:
        super().__init__()
        self._signals = signals

    def is_set(self) -> bool:
        """Return whether to stop."""
        return super().is_set() or not {signal.SIGINT, signal.SIGTERM}.isdisjoint(self._signals)


class _Supervisor(multiprocess.Multiprocess):
    """Leaves the door to the workers when they are to stop: the last one closes it."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        self.should_exit = _Told(self.signal_queue)

    def terminate_all(self) -> None:
        """Stop the workers; whoever comes later is refused instead of kept waiting."""
        super().terminate_all()
        for listener in self.sockets:
            listener.close()


class _Worker(multiprocess.Process):
    """A process of the supervisor, with the server above."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        self._supervisor = os.getpid()
        super().__init__(config, sockets)

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve, in the process of its own. A terminal hangs up on all processes at once."""
        _ignore_hangup()
        super().target(sockets)

    def wait_until_ready(self, timeout: float, should_exit: threading.Event | None = None) -> bool:
        """Wait until it serves, with a model: longer than for the answer of one that is well."""
        return super().wait_until_ready(max(timeout, _SECONDS_TO_START_A_WORKER), should_exit)

    def join(self) -> None:
        """Wait until it has ended, as it was told to; for long enough, then no more is asked."""
        self.process.join(_SECONDS_FOR_A_WORKER_TO_STOP)
        self.process.kill()
        super().join()

    @property
    def server(self) -> uvicorn.Server:
        """The one server of this process."""
        if self._server is None:
            self._server = _Server(self.config, self._supervisor)
        return self._server


class _Connection(Connection):
    """Closes only when nothing that the caller has sent waits to be read."""

    _told_to_stop_at: float | None = None

    def shutdown(self) -> None:
        """Close as soon as what came before has been answered."""
        if self.transport.is_closing():
            return  # who was waited for has hung up, and left no socket to look at
        now = self.loop.time()
        if self._told_to_stop_at is None:
            self._told_to_stop_at = now
        may_ask = not self.cycle and now < self._told_to_stop_at + _SECONDS_FOR_A_FIRST_REQUEST
        unread = self.has_unparsed or self._has_unread()
        if may_ask or unread:
            self.loop.call_later(_SECONDS_TO_LOOK_AGAIN, self.shutdown)
        elif self.answers:
            self.cycle.keep_alive = False
        else:
            self.transport.close()

    def _has_unread(self) -> bool:
        return not self.answers and _waits(self.transport.get_extra_info("socket").fileno())


def _waits(file: int) -> bool:
    """Return whether a socket has something that nobody has taken yet."""
    with selectors.DefaultSelector() as selector:
        selector.register(file, selectors.EVENT_READ)
        return bool(selector.select(0))

"""The way to a database server, as a port of its own: it can be cut, and it can stand still."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

import sqlalchemy as sa


class Way:
    """Passes on what is said between callers and the server that a URL names."""

    def __init__(self, url: str) -> None:
        self._to = sa.make_url(url)
        self._is_cut = False
        self._flows = Event()
        self._flows.set()
        self._ends: list[socket.socket] = []
        self._threads: list[Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._run(self._accept)

    @property
    def url(self) -> str:
        """The URL of the database at the end of the way."""
        port = self._listener.getsockname()[1]
        return self._to.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Hang up on everybody, whoever comes meanwhile too."""
        self._is_cut = True
        self._hang_up()
        yield
        self._is_cut = False

    @contextmanager
    def stalled(self) -> Iterator[None]:
        """Take what is said and pass nothing on."""
        self._flows.clear()
        try:
            yield
        finally:
            self._flows.set()

    def close(self) -> None:
        self._flows.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads.pop(0).join()  # it makes no others any more
        self._hang_up()
        for thread in self._threads:
            thread.join()
        for end in (self._listener, *self._ends):
            end.close()

    def _hang_up(self) -> None:
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _run(self, what: Callable[..., None], *arguments: socket.socket) -> None:
        self._threads.append(Thread(target=what, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self._is_cut:
                    near.close()
                    continue
                far = socket.create_connection((self._to.host, self._to.port))
                self._ends += near, far
                self._run(self._pass_on, near, far)
                self._run(self._pass_on, far, near)

    def _pass_on(self, from_: socket.socket, to: socket.socket) -> None:
        with suppress(OSError):
            while said := from_.recv(1 << 16):
                self._flows.wait()
                to.sendall(said)
        for end in (from_, to):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

"""Servers that take connections and never say a word, or never come to an end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def silent_server() -> Iterator[tuple[int, list[socket.socket]]]:
    """Give its port, and the connections that it has taken."""
    taken: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def take() -> None:
            with suppress(OSError):
                while True:
                    taken.append(listener.accept()[0])

        taking = threading.Thread(target=take)
        taking.start()
        try:
            yield listener.getsockname()[1], taken
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            taking.join()
            for connection in taken:
                connection.close()


@contextmanager
def endless_server(begin: bytes) -> Iterator[int]:
    """Give the port of a server that answers with some bytes, and then with one now and then."""
    enough = threading.Event()

    def go_on(taken: socket.socket) -> None:
        with taken, suppress(OSError):
            taken.sendall(begin)
            while not enough.wait(0.01):
                taken.sendall(b"a")

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def take() -> None:
            with suppress(OSError):
                while True:
                    go_on(listener.accept()[0])

        taking = threading.Thread(target=take)
        taking.start()
        try:
            yield listener.getsockname()[1]
        finally:
            enough.set()
            listener.shutdown(socket.SHUT_RDWR)
            taking.join()

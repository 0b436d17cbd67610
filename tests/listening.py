"""Servers of this machine that stand for those of others, as long as a test needs them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from unittest.mock import patch


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Give the address of a server whose requests are answered by a handler, in silence."""
    with (
        patch.object(handler, "log_message"),
        ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
    ):
        serving = Thread(target=server.serve_forever, args=[0.01])
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            serving.join()

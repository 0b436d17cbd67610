"""HTTP whose answer comes in time, or not at all: each part of it, and all of it together.

Takes a moment, gives an opener of urllib whose answers end by then. The timeout of a socket bounds
one read alone, and a server that sends a byte now and then could go on for days, in a head as in a
body. Must not know what is asked.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from functools import partial
from typing import Any
from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, Request, build_opener


def opener(deadline: float) -> OpenerDirector:
    """Return what opens URLs until a moment of `time.monotonic`; then it raises TimeoutError."""
    return build_opener(_Plain(deadline), _Secure(deadline))


class _Plain(HTTPHandler):
    def __init__(self, deadline: float) -> None:
        super().__init__()
        self._deadline = deadline

    def http_open(self, req: Request) -> http.client.HTTPResponse:
        made = partial(_made, http.client.HTTPConnection, self._deadline)
        return self.do_open(made, req)


class _Secure(HTTPSHandler):
    def __init__(self, deadline: float) -> None:
        super().__init__()
        self._deadline = deadline

    def https_open(self, req: Request) -> http.client.HTTPResponse:
        made = partial(_made, http.client.HTTPSConnection, self._deadline)
        return self.do_open(made, req)


def _made(
    kind: type[http.client.HTTPConnection], deadline: float, host: str, **options: Any
) -> http.client.HTTPConnection:
    connection = kind(host, **options)
    connection.response_class = partial(Answer, deadline)  # type: ignore[assignment]
    return connection


class Answer(http.client.HTTPResponse):
    """One whose head and body come by a moment, or raise TimeoutError."""

    def __init__(self, deadline: float, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_Until(deadline, sock, self.fp.detach()))


class _Until(io.RawIOBase):
    """What comes from a socket until a moment."""

    def __init__(self, deadline: float, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._deadline, self._socket, self._raw = deadline, sock, raw
        self._patience: float | None = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read once, as long as there is time. Raises TimeoutError."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(min(left, self._patience or left))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()

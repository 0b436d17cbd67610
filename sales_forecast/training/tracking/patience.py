"""How long a tracking server is waited for: for an answer to a question, and for all of a task.

Takes a number of seconds, gives a context in which every connection of MLflow holds to it. MLflow's
own timeout bounds one read alone: a server that sends a byte now and then would hold a training for
days. MLflow asks by urllib3, which says in its pools what a connection is. Must not know what is
asked.
"""

from __future__ import annotations

import http.client
import math
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.response import BaseHTTPResponse

from sales_forecast.bundles.in_time import Answer

_QUESTION = re.compile(r"/api/[0-9.]+/mlflow/")
"""What is answered at once; files are not, and have all the time that is left."""


class Patience:
    """With one server, during one task that may take so many seconds from now."""

    def __init__(self, seconds: float) -> None:
        self.deadline = time.monotonic() + seconds
        self._seconds = seconds
        self._since: float | None = None
        self._answered = True

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let whatever urllib3 does, in any thread, end in time, or by TimeoutError."""
        HTTPConnectionPool.ConnectionCls = _Plain
        HTTPSConnectionPool.ConnectionCls = _Secure
        _PRESENT.append(self)
        try:
            yield
        finally:
            _PRESENT.remove(self)

    def asked(self) -> None:
        """Note a request. What is asked again is the same question."""
        if self._answered:
            self._since, self._answered = time.monotonic(), False

    def answered(self) -> None:
        """Note the head of an answer."""
        self._answered = True

    @property
    def problem(self) -> str | None:
        """What a server did that was waited for in vain; None if nothing was asked."""
        now = time.monotonic()
        if self._since is None:
            return None
        if now < self.deadline:
            return f"did not answer for {now - self._since:.0f} s"
        return (
            f"was not done after {self._seconds:.0f} s, "
            "which MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT may change"
        )


_PRESENT: list[Patience] = []


class _InTime(HTTPConnection):
    """A connection that is as any other where nobody said how long."""

    _until = math.inf

    def connect(self) -> None:
        # The request may have begun already; a proxy is asked for the way there before it.
        until, self._until = self._until, _end(self.timeout)
        super().connect()
        self._until = until

    def putrequest(self, method: str, url: str, *args: Any, **options: Any) -> None:
        self._until = _end(self.timeout if _QUESTION.search(url) else None)
        super().putrequest(method, url, *args, **options)

    def send(self, data: Any) -> None:
        if self.sock is not None and self._until < math.inf:
            left = self._until - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            self.sock.settimeout(min(left, self.timeout or left))
        super().send(data)

    def response_class(  # type: ignore[override]
        self, sock: socket.socket, **options: Any
    ) -> http.client.HTTPResponse:
        if self._until == math.inf:
            return http.client.HTTPResponse(sock, **options)
        return Answer(self._until, sock, **options)

    def getresponse(self) -> BaseHTTPResponse:  # type: ignore[override]
        answer = super().getresponse()
        for present in _PRESENT:
            present.answered()
        return answer


def _end(seconds: float | None) -> float:
    """Return when to give up what begins now and may take so long. Raises TimeoutError."""
    now = time.monotonic()
    until = min((of.deadline for of in _PRESENT), default=math.inf)
    for present in _PRESENT:
        present.asked()
    if until <= now:
        raise TimeoutError("timed out")
    return min(until, now + seconds) if seconds else until


class _Plain(_InTime):
    pass


class _Secure(_InTime, HTTPSConnection):
    pass

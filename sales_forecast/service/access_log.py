"""The access log: one line of JSON for each request.

Takes what `observe` reports and a function that writes bytes, calls it once for each line, so
that lines of several workers stay whole. Must not fail a request: what cannot be written is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from pydantic_core import to_json

_LONGEST_PATH = 200
"""A pipe takes 4,096 bytes at once; a character of JSON has six at most."""


class AccessLog:
    """A report that is a line."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write

    def __call__(
        self, request_id: bytes, method: str, path: str, status: int, seconds: float
    ) -> None:
        """Write one line, dated when the request was over. See `observe.Report`."""
        line = to_json(
            {
                "time": datetime.now(UTC),
                "id": request_id,
                "method": method,
                "path": path[:_LONGEST_PATH].encode(errors="replace"),
                "status": status,
                "ms": round(seconds * 1000, 3),
            }
        )
        with suppress(OSError):
            self._write(line + b"\n")

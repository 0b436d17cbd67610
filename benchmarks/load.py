"""A load generator: one process, a few keep-alive connections, one request at a time on each.

Takes a port of this machine, a path and a file of request bodies, one a line; prints one JSON
object with requests per second and latencies. Bounded by time. Bodies vary, because a server
that sees one body over and over looks faster than it is. Every answer must be a 200. Must not
import the service.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles
from typing import cast

import uvloop

HOST = "127.0.0.1"
_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length: "
_GRACE_SECONDS = 30.0
_FEWEST_ANSWERS = 10


class Connection(asyncio.Protocol):
    """Sends the next request as soon as the answer to the last one is whole."""

    def __init__(self, requests: Iterator[bytes], until: float, latencies: list[float]) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._until = until
        self._latencies = latencies
        self._answer = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start with the first request."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is of its own kind
        self._send()

    def data_received(self, data: bytes) -> None:
        """Collect an answer; when it is whole, note how long it took."""
        self._answer += data
        head, end, body = self._answer.partition(_END_OF_HEAD)
        if not end or len(body) < int(head.lower().partition(_LENGTH)[2].partition(b"\r")[0]):
            return
        now = time.perf_counter()
        if not head.startswith(b"HTTP/1.1 200"):
            self._fail(self._answer.decode())
        elif now >= self._until:
            self._transport.close()
        else:
            self._latencies.append(now - self._sent_at)
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        """Say why, if the server hung up."""
        if not self._transport.is_closing() or error:
            self._fail(f"the server closed the connection: {error}")
        elif not self.closed.done():
            self.closed.set_result(None)

    def _send(self) -> None:
        self._answer = b""
        self._sent_at = time.perf_counter()
        self._transport.write(next(self._requests))

    def _fail(self, reason: str) -> None:
        if not self.closed.done():
            self.closed.set_exception(ConnectionError(reason))
        self._transport.close()


def request_bytes(path: str, body: str) -> bytes:
    """Return one HTTP/1.1 request."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()


async def measure(
    port: int, requests: list[bytes], connections: int, seconds: float
) -> dict[str, float]:
    """Return requests per second and latencies in milliseconds. Raises OSError."""
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    begin = time.perf_counter()
    endless = itertools.cycle(requests)
    async with asyncio.timeout(seconds + _GRACE_SECONDS):
        opened = [
            await loop.create_connection(
                lambda: Connection(endless, begin + seconds, latencies), HOST, port
            )
            for _ in range(connections)
        ]
        await asyncio.gather(*(protocol.closed for _, protocol in opened))
    if len(latencies) < _FEWEST_ANSWERS:
        raise TimeoutError(f"{len(latencies)} answers in {seconds} s are too few to measure")
    percent = quantiles(latencies, n=100, method="inclusive")
    return {
        "requests": len(latencies),
        "per_second": len(latencies) / seconds,
        "p50_ms": percent[49] * 1000,
        "p99_ms": percent[98] * 1000,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", default="/predict_sales")
    parser.add_argument("--bodies", type=Path, required=True, help="one JSON body a line")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=5.0)
    chosen = parser.parse_args()
    requests = [request_bytes(chosen.path, line) for line in chosen.bodies.read_text().splitlines()]
    try:
        result = uvloop.run(measure(chosen.port, requests, chosen.connections, chosen.seconds))
    except OSError as error:
        print(f"the load generator stopped: {error}", file=sys.stderr)
        return 1
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Stop a service that has a thousand requests under way, and count the answers.

    python benchmarks/graceful_stop.py docker stop sales-forecast

Takes the command that stops the service on this machine's port 8000, or --port. Each request is
held back by its last byte until the service takes no new ones, so that all of them are under way
when it is told to stop. Exits 1 if an answer is missing. Must not import the service.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter

HOST = "127.0.0.1"
_BODY = b'{"store_id": 1, "steps": 52}'
_HEAD = b"%b HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
_REQUEST = _HEAD % (b"POST /forecast_sales", len(_BODY)) + _BODY
_PROBE = _HEAD % (b"GET /health", 0)
_SECONDS_TO_TAKE_NO_MORE = 10.0

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _send(port: int, request: bytes) -> Connection:
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(request)
    await writer.drain()
    return reader, writer


async def _takes_requests(port: int) -> bool:
    """Ask anew. Behind a proxy, as Docker's, a port listens longer than its service."""
    try:
        reader, writer = await _send(port, _PROBE)
        answer = await reader.read()
        writer.close()
    except OSError:
        return False
    return bool(answer)


async def _end(connection: Connection) -> str:
    """Send the last byte; return the status line of the answer, or why there is none."""
    reader, writer = connection
    try:
        writer.write(_REQUEST[-1:])
        answer = await reader.read()
    except OSError as error:
        return type(error).__name__
    finally:
        writer.close()
    return answer.partition(b"\r\n")[0].decode() or "no answer"


async def measure(port: int, requests: int, command: list[str]) -> Counter[str]:
    """Return how many requests ended how."""
    if not await _takes_requests(port):
        sys.exit(f"Nothing answers on port {port}. Start the service first.")
    connections = [await _send(port, _REQUEST[:-1]) for _ in range(requests)]
    await _takes_requests(port)  # an answer to a later connection: it has seen all before
    stop = await asyncio.create_subprocess_exec(*command)
    deadline = time.monotonic() + _SECONDS_TO_TAKE_NO_MORE
    while await _takes_requests(port):
        if time.monotonic() > deadline:
            sys.exit(f"Port {port} still answers {_SECONDS_TO_TAKE_NO_MORE:g} s after the command.")
        await asyncio.sleep(0.01)
    answers = await asyncio.gather(*map(_end, connections))
    await stop.wait()
    return Counter(answers)


def main() -> int:
    """Stop the service, print what became of the requests."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("command", nargs=argparse.REMAINDER, help="what stops the service")
    chosen = parser.parse_args()
    if not chosen.command:
        parser.error("the command that stops the service is missing")
    ends = asyncio.run(measure(chosen.port, chosen.requests, chosen.command))
    print(f"{chosen.requests:,} requests under way:")
    for end, count in ends.most_common():
        print(f"  {count:,} x {end}")
    return 0 if ends["HTTP/1.1 200 OK"] == chosen.requests else 1


if __name__ == "__main__":
    sys.exit(main())

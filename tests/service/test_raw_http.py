"""Bytes that are nearly HTTP, by the thousand, from a seed: no crash, no growth, no other shape.

Seconds by default; `RAW_HTTP_SECONDS=600` goes on for ten minutes, as every night. `-rP` shows what
was sent, what came back, and what the service held before and after.
"""

from __future__ import annotations

import json
import os
import random
import re
import socket
import sys
import time
from collections import Counter
from contextlib import suppress

import httpx
import pytest

from tests.service.test_connection import REFUSED
from tests.service.test_server import TIMEOUT, resident_megabytes, url_in

VARIABLE = "RAW_HTTP_SECONDS"
SECONDS = float(os.environ.get(VARIABLE, "3"))
SEED = int(os.environ.get("RAW_HTTP_SEED", "20"))
WARM = 300
MEGABYTES_TO_GROW = 10
BODY = b'{"store_id": 1, "steps": 2}'
EMPTY = b"Content-Length: 2\r\n\r\n{}"
RIGHT = [
    b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
    b"HEAD /model HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /openapi.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"POST /forecast_sales HTTP/1.1\r\nHost: x\r\nContent-Length: 27\r\n\r\n" + BODY,
    b"POST /forecast_sales HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"1b\r\n" + BODY + b"\r\n0\r\n\r\n",
    b"POST /predict_sales HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n" + EMPTY,
    *REFUSED.values(),
]
PIECES = [b"\r\n", b"\n", b"\0", b"\xff", b": ", b"%00", b"%ff", b";", b"Content-Length: 9\r\n"]
PIECES += [b"Transfer-Encoding: chunked\r\n", b"a" * 5000, b"0\r\n\r\n", b"{", b"-1", b"HTTP/9.9"]
STATUSES = {100, 200, 400, 404, 405, 408, 413, 422, 431}


def nearly(chance: random.Random) -> bytes:
    """Some requests after each other, with some bytes changed, put in, left out or doubled."""
    content = bytearray(b"".join(chance.choices(RIGHT, k=chance.choice([1, 1, 1, 2, 5, 50]))))
    for _ in range(chance.choice([0, 1, 1, 2, 5])):
        at = chance.randrange(len(content) + 1)
        match chance.randrange(4):
            case 0:
                content[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                content[at:at] = chance.choice(PIECES)
            case 2:
                del content[at : at + chance.choice([1, 2, 20])]
            case 3:
                content[at:at] = content[at : at + chance.choice([10, 100])]
    return bytes(content)


def send(address: tuple[str, int], content: bytes, chance: random.Random) -> bytes:
    """Send in one or more parts; read what comes at once, all of it or nothing."""
    heard = b""
    with socket.create_connection(address, TIMEOUT) as client, suppress(OSError):
        size, parts = len(content), chance.choice([1, 1, 2, 7])
        for number in range(parts):
            client.sendall(content[number * size // parts : (number + 1) * size // parts])
        if chance.random() < 0.2:
            return b""
        client.shutdown(socket.SHUT_WR) if chance.random() < 0.3 else None
        client.settimeout(0.05)
        while part := client.recv(1 << 16):
            heard += part
    return heard


def check(heard: bytes, content: bytes) -> int:
    """Return the status of the first answer. A refusal is of the one shape, or a page."""
    assert heard.startswith(b"HTTP/1.1 "), content
    status = int(heard[9:12])
    assert status in STATUSES, (status, content)
    head, _, rest = heard.partition(b"\r\n\r\n")
    length = int((re.search(rb"(?i)\r\ncontent-length: ([0-9]+)", head) or [b"", b"0"])[1])
    # To HEAD there is no body, and what follows is the next answer.
    if status >= 400 and length <= len(rest) and not rest.startswith(b"HTTP/"):
        body = rest[:length]
        if b"content-type: application/json" in head.lower():
            assert {"code", "message", "fields"} == set(json.loads(body)["error"]), content
        else:
            assert body.startswith(b"<!doctype html>"), content
    return status


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_nothing_that_is_nearly_http_crashes_it_or_makes_it_grow(deployment, capfd):
    deployment.load()
    deployment.publish("")
    chance = random.Random(SEED)  # noqa: S311 - no secret
    sent, before = 0, 0.0
    answers: Counter[int] = Counter()
    with deployment.served(ACCESS_LOG="false", REFRESH_SECONDS="60") as (process, line):
        address = "127.0.0.1", int(url_in(line).rpartition(":")[2])
        begin = time.monotonic()
        while (seconds := time.monotonic() - begin) < SECONDS or sent < WARM:
            content = nearly(chance)
            heard = send(address, content, chance)
            if heard:
                answers[check(heard, content)] += 1
            sent += 1
            if sent == WARM:
                before = resident_megabytes(process.pid)
        assert process.poll() is None
        assert httpx.get(f"{url_in(line)}/ready", timeout=TIMEOUT).is_success
        after = resident_megabytes(process.pid)
        process.terminate()
        assert 0 == process.wait(TIMEOUT)
    said = capfd.readouterr().err
    sys.stdout.write(
        f"Seed {SEED}, {seconds:.0f} s: {sent:,} times bytes that are nearly HTTP, of which"
        f" {answers.total():,} were answered: {dict(sorted(answers.items()))}.\n"
        f"{before:.1f} MB after {WARM}, {after:.1f} MB at the end: {after - before:+.1f} MB"
        f" (at most {MEGABYTES_TO_GROW:+}). {said.count('Traceback')} traces in the log.\n"
    )
    assert after - before < MEGABYTES_TO_GROW
    assert "Traceback" not in said

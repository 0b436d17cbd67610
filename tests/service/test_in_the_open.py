"""The service as a process, met by callers who mean no good, and by a system that kills."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.service.conftest import PREDICT
from tests.service.test_ledger_under_fire import workers_of
from tests.service.test_server import (
    ROOT,
    TIMEOUT,
    eventually,
    resident_megabytes,
    url_in,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux tells of its processes")


def address_in(line: str) -> tuple[str, int]:
    return "127.0.0.1", int(url_in(line).rpartition(":")[2])


def send_as_much_as_is_taken(
    address: tuple[str, int], block: bytes, most: int, first: bytes = b""
) -> socket.socket:
    """Send without reading, until nothing more is taken; returns the open connection."""
    client = socket.create_connection(address, TIMEOUT)
    client.sendall(first)
    client.settimeout(0.5)
    sent = 0
    with suppress(OSError):
        while sent < most:
            sent += client.send(block)
    return client


GET = b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n"
HEADERS = b"".join(b"X-%d: aaaaaaaa\r\n" % number for number in range(5000))
UNREAD = {
    "refused": GET % b"/model" * 500,
    "the document": GET % b"/openapi.json" * 500,
    "headers without end": GET.removesuffix(b"\r\n") % b"/health" + HEADERS * 20,
    "one huge header": GET.removesuffix(b"\r\n") % b"/health" + b"X: " + b"a" * (8 << 20),
}


def test_callers_without_a_key_cannot_make_it_grow(deployment):
    with (
        deployment.served(API_KEY="secret", ACCESS_LOG="false") as (process, line),
        ExitStack() as clients,
    ):
        httpx.get(f"{url_in(line)}/openapi.json")
        before = resident_megabytes(process.pid)
        grown = {}
        for name, block in UNREAD.items():
            clients.enter_context(send_as_much_as_is_taken(address_in(line), block, 10 << 20))
            grown[name] = resident_megabytes(process.pid) - before
            assert httpx.get(f"{url_in(line)}/health", timeout=2).is_success

    assert max(grown.values()) < 20, grown


def served_with(files: int) -> subprocess.Popen[str]:
    command = f"ulimit -n {files}; exec {sys.executable} main.py --port 0"
    return subprocess.Popen(
        ["bash", "-c", command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        text=True,
        env={**os.environ, "ACCESS_LOG": "false"},
    )


def test_a_full_table_of_files_sheds_idle_connections_and_not_new_callers(tmp_path, monkeypatch):
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    with served_with(64) as process:
        line = process.stdout.readline()
        with ExitStack() as idle:
            for _ in range(100):
                idle.enter_context(socket.create_connection(address_in(line), TIMEOUT))
            answers = [httpx.get(f"{url_in(line)}/health", timeout=3) for _ in range(3)]
        process.terminate()
        _, said = process.communicate(timeout=TIMEOUT)

    assert [True] * 3 == [answer.is_success for answer in answers]
    assert "Traceback" not in said
    assert said.count("\n") < 5


def can_listen(address: tuple[str, int]) -> bool:
    with suppress(OSError), socket.create_server(address):
        return True
    return False


def is_there(pid: int) -> bool:
    try:
        return "zombie" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_workers_end_when_their_supervisor_was_killed(deployment):
    with deployment.served(WORKERS="2") as (process, line):
        workers = workers_of(process)
        assert 2 == len(workers)
        process.kill()
        process.wait(TIMEOUT)
        eventually(lambda: can_listen(address_in(line)))

    assert not any(map(is_there, workers))


@contextmanager
def asking(address: tuple[str, int], seen: Counter[str]) -> Iterator[None]:
    """Ask on a new connection each time, and count how it ended."""
    enough = threading.Event()

    def ask() -> None:
        while not enough.is_set():
            with closing(http.client.HTTPConnection(*address, timeout=TIMEOUT)) as connection:
                try:
                    connection.request("POST", "/predict_sales", json.dumps(PREDICT))
                    seen[str(connection.getresponse().status)] += 1
                except (OSError, http.client.HTTPException) as error:
                    seen[type(error).__name__] += 1

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        enough.set()
        for thread in threads:
            thread.join()


def test_a_new_worker_answers_nobody_before_it_has_a_model(deployment):
    deployment.load()
    deployment.publish("")
    seen: Counter[str] = Counter()
    with deployment.served(WORKERS="2") as (process, line):
        eventually(lambda: httpx.get(f"{url_in(line)}/ready").is_success)
        with asking(address_in(line), seen):
            for _ in range(2):
                before = workers_of(process)
                os.kill(before[0], signal.SIGKILL)
                answered_before = seen["200"]
                eventually(
                    lambda: len(workers_of(process)) == 2 and before[0] not in workers_of(process)  # noqa: B023
                )
                eventually(lambda: seen["200"] > answered_before + 50)  # noqa: B023

    assert "503" not in seen
    assert seen["200"] > 100
    assert seen.total() - seen["200"] <= 4, "what the killed ones were answering"


SECONDS_TO_START_BOTH = 5


def test_of_all_workers_one_answers_without_a_model(deployment):
    deployment.load()
    refused: Counter[str] = Counter()
    answered: Counter[str] = Counter()

    def ask() -> None:
        said = httpx.post(f"{url_in(line)}/predict_sales", json=PREDICT, timeout=TIMEOUT)
        worker = said.headers["X-Request-ID"].partition("-")[0]
        {200: answered, 503: refused}[said.status_code][worker] += 1

    with deployment.served(WORKERS="2") as (_, line):
        enough = time.monotonic() + SECONDS_TO_START_BOTH
        while time.monotonic() < enough:
            ask()
        deployment.publish("")
        eventually(lambda: ask() or len(answered) == 2)

    assert 1 == len(refused)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_terminal_that_hangs_up_ends_nothing(deployment, workers):
    deployment.load()
    deployment.publish("")
    seen: Counter[str] = Counter()
    with deployment.served(WORKERS=workers) as (process, line):
        eventually(lambda: httpx.get(f"{url_in(line)}/ready").is_success)
        before = set(workers_of(process))
        with asking(address_in(line), seen):
            process.send_signal(signal.SIGHUP)
            eventually(lambda: seen["200"] > 50)
            if before:
                eventually(lambda: not before & set(workers_of(process)))
        process.terminate()
        assert 0 == process.wait(TIMEOUT)

    assert {"200"} == set(seen)


def test_while_a_new_worker_waits_for_a_model_the_service_can_be_stopped(deployment):
    deployment.load()
    deployment.publish("")
    with deployment.served(WORKERS="2") as (process, line):
        eventually(lambda: httpx.get(f"{url_in(line)}/ready").is_success)
        deployment.link.unlink()
        process.send_signal(signal.SIGHUP)
        eventually(lambda: len(workers_of(process)) == 3)
        process.terminate()
        assert 0 == process.wait(TIMEOUT)

"""No answer is lost and none doubled, whatever is killed and whatever is away: real processes.

With `ANSWERS_UNDER_FIRE=10000` at that size and with the database away for a minute.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sales_forecast.data.ledger.store import LedgerStore
from sales_forecast.data.ledger.tables import PREDICTION_KEYS, PREDICTIONS, ledger_url
from tests.service.conftest import EXAMPLES
from tests.service.deployment import Deployment
from tests.service.way import Way

SIZE = "ANSWERS_UNDER_FIRE"
ANSWERS = int(os.environ.get(SIZE, "400"))
SECONDS_AWAY = 60.0 if SIZE in os.environ else 0.5
CONNECTIONS = 8
PATIENCE_SECONDS = 120


class Callers:
    """Ask without a pause, and remember which answers arrived."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._arrived = threading.Condition()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    @contextmanager
    def asking(self, port: int) -> Iterator[None]:
        self._stop.clear()
        self._threads = [
            threading.Thread(target=self._ask, args=[port, *of])
            for of in list(EXAMPLES.items()) * (CONNECTIONS // 2)
        ]
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()

    def wait(self, number: int) -> None:
        """Wait until so many more answers arrived."""
        with self._arrived:
            wanted = len(self.ids) + number
            assert self._arrived.wait_for(lambda: len(self.ids) >= wanted, PATIENCE_SECONDS)

    def _ask(self, port: int, path: str, body: object) -> None:
        while not self._stop.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            with closing(connection), suppress(OSError, http.client.HTTPException):
                while not self._stop.is_set():
                    connection.request("POST", path, json.dumps(body))
                    answer = connection.getresponse()
                    answer.read()
                    if answer.status == http.HTTPStatus.OK:
                        with self._arrived:
                            self.ids.append(str(answer.headers["X-Prediction-ID"]))
                            self._arrived.notify_all()


class File:
    """A file of SQLite, away while somebody else holds it."""

    def __init__(self, url: str) -> None:
        self.url = url

    @contextmanager
    def cut(self) -> Iterator[None]:
        store = LedgerStore(str(ledger_url(self.url)))
        with closing(store), store.connection() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield

    def close(self) -> None:
        """Nothing is open."""


def workers_of(process: subprocess.Popen[str]) -> Sequence[int]:
    """The processes that answer, without the one that only tracks what Python shares."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        pytest.skip("this system does not say which process is whose child")
    return [pid for pid in map(int, children.read_text().split()) if _answers(pid)]


def _answers(pid: int) -> bool:
    with suppress(OSError):  # it is gone meanwhile
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def kill_all(process: subprocess.Popen[str]) -> None:
    """Leave none of them the time for anything."""
    for pid in (process.pid, *workers_of(process)):
        os.kill(pid, signal.SIGKILL)


def stored(url: str) -> tuple[Sequence[str], Sequence[tuple[Any, ...]]]:
    with closing(LedgerStore(str(ledger_url(url)))) as store, store.connection() as connection:
        ids = connection.scalars(sa.select(PREDICTIONS.c.id)).all()
        return ids, [tuple(of) for of in connection.execute(sa.select(PREDICTION_KEYS)).all()]


def test_no_answer_is_lost_or_doubled(url: str, tmp_path: Path) -> None:
    way = File(url) if url.startswith("sqlite") else Way(url)
    deployment, callers = Deployment(tmp_path, url), Callers()
    deployment.load()
    deployment.publish("first")
    part = ANSWERS // 4
    with closing(deployment.database), closing(way):
        with (
            deployment.served(WORKERS="2", DATABASE_URL=way.url) as (process, line),
            callers.asking(int(line.split(" ")[3].rsplit(":", 1)[1])),
        ):
            callers.wait(part)
            os.kill(workers_of(process)[0], signal.SIGKILL)
            callers.wait(part)
            with way.cut():
                back = time.monotonic() + SECONDS_AWAY
                callers.wait(part)
                while time.monotonic() < back:
                    callers.wait(1)
            callers.wait(part)
            kill_all(process)
        assert len(callers.ids) >= ANSWERS
        with deployment.served(DATABASE_URL=way.url) as (process, line):
            empty = time.monotonic() + PATIENCE_SECONDS
            while [*(tmp_path / "ledger").iterdir()] and time.monotonic() < empty:
                time.sleep(0.05)
            with callers.asking(int(line.split(" ")[3].rsplit(":", 1)[1])):
                callers.wait(CONNECTIONS)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0

    ids, keys = stored(url)

    assert not set(callers.ids) - set(ids), "lost"
    assert len(callers.ids) == len(set(callers.ids))
    # Those that were written, and whose callers were cut off.
    assert len(ids) <= len(callers.ids) + 2 * CONNECTIONS
    assert {of for _, of in keys} == set(ids)
    assert len(keys) == len(ids), "each is about one store"
    assert not [*(tmp_path / "ledger").iterdir()]

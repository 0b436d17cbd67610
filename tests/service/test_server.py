"""The service as a process: it starts with nothing, learns while it answers, stops politely."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.service.conftest import FORECAST, PREDICT

ROOT = Path(__file__).parents[2]
TIMEOUT = 30
WEEKS_HELD_BACK = 4


def url_in(line: str) -> str:
    found = re.search(r"http://\S+:\d+", line)
    assert found, line
    return found[0]


def eventually(holds: Callable[[], bool]) -> None:
    """Ask a service again and again; each answer takes a while."""
    deadline = time.monotonic() + TIMEOUT
    while not holds():
        assert time.monotonic() < deadline, "not in time"


def served_by(url: str) -> tuple[str, str]:
    model = httpx.get(f"{url}/model").json()
    return model["model_version"], model["forecast_origin"]


def resident_megabytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024


def test_it_starts_with_nothing_becomes_ready_by_itself_and_stops_politely(deployment):
    with deployment.served() as (process, line), httpx.Client(base_url=url_in(line)) as client:
        assert "Not ready yet: There is no model bundle" in line
        assert client.get("/health").status_code == 200
        assert client.get("/ready").status_code == 503
        assert client.post("/predict_sales", json=PREDICT).status_code == 503

        deployment.load()
        version = deployment.publish("")
        eventually(lambda: client.get("/ready").is_success)

        answer = client.post("/predict_sales", json=PREDICT).json()
        assert answer["model_version"] == version
        process.terminate()
        assert process.wait(TIMEOUT) == 0


def test_a_new_model_and_new_weeks_are_taken_up_without_failing_a_request(deployment):
    deployment.load(WEEKS_HELD_BACK)
    deployment.publish("first")
    seen: Counter[tuple[int, str]] = Counter()
    enough = threading.Event()

    with deployment.served() as (_, line):

        def keep_asking() -> None:
            with httpx.Client(base_url=url_in(line)) as client:
                while not enough.is_set():
                    answer = client.post("/forecast_sales", json=FORECAST)
                    origin = answer.headers.get("X-Forecast-Origin", "")
                    seen[answer.status_code, origin] += 1

        callers = [threading.Thread(target=keep_asking) for _ in range(2)]
        for caller in callers:
            caller.start()
        try:
            deployment.load()
            for note in ("second", "third"):
                newest = deployment.publish(note), "2012-10-26"
                eventually(lambda: served_by(url_in(line)) == newest)  # noqa: B023 - called here
        finally:
            enough.set()
            for caller in callers:
                caller.join()

    assert set(seen) == {(200, "2012-09-28"), (200, "2012-10-26")}


def test_a_request_under_way_is_answered_before_it_stops(deployment):
    deployment.load()
    deployment.publish("")
    body = b'{"store_id": 1, "steps": 1}'
    head = b"POST /forecast_sales HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)

    with deployment.served() as (process, line):
        port = int(url_in(line).rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as connection:
            connection.sendall(head + body[:5])
            httpx.get(f"{url_in(line)}/health")  # by now the first half has arrived
            process.terminate()
            connection.sendall(body[5:])
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        assert process.wait(TIMEOUT) == 0


def test_ctrl_c_is_no_failure(deployment):
    with deployment.served() as (process, line):
        assert url_in(line)
        process.send_signal(signal.SIGINT)

        assert process.wait(TIMEOUT) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_service_that_answers_stays_small(deployment):
    deployment.load()
    deployment.publish("")

    with deployment.served() as (process, line), httpx.Client(base_url=url_in(line)) as client:
        for store in range(1, 46):
            assert client.post("/predict_sales", json={**PREDICT, "Store": store}).is_success

        assert resident_megabytes(process.pid) < 200


def run_main(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "main.py"), *arguments],
        env={**os.environ, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def test_a_port_in_use_is_one_line_that_says_what_to_do():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_main("--port", str(port))

    assert done.returncode == 1
    assert done.stderr.startswith(f"main.py: Cannot listen on 127.0.0.1:{port}: Address already")
    assert done.stderr.endswith("or choose another port with --port or PORT.\n")
    assert done.stderr.count("\n") == 1


def test_a_setting_that_makes_no_sense_is_one_line_that_names_it():
    done = run_main(PORT="99999")

    assert done.returncode == 1
    assert done.stderr.startswith("main.py: PORT: ")
    assert done.stderr.count("\n") == 1


def test_wrong_usage_is_told_apart():
    assert run_main("--port", "99999").returncode == 2


def test_the_service_loads_no_training_library():
    heavy = ["mlflow", "pandas", "scipy", "sklearn", "statsmodels", "xgboost", "httpx"]
    code = f"import main, sys; print([name for name in {heavy} if name in sys.modules])"

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout == "[]\n"

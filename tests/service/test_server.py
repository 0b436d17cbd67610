"""The service as a process: it starts with nothing, learns while it answers, stops politely."""

from __future__ import annotations

import json
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
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest

from sales_forecast.service.api_keys import new_entry
from tests.service.conftest import FORECAST, PREDICT

ROOT = Path(__file__).parents[2]
TIMEOUT = 30
WEEKS_HELD_BACK = 4
AT_ONCE = 1000


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


@pytest.fixture
def many_files():
    """Let this process and its children open more files than most systems let at first."""
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = max(before[0], min(before[1], 4 * AT_ONCE))
    resource.setrlimit(resource.RLIMIT_NOFILE, (enough, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def cut_anywhere(request: bytes, times: int) -> list[tuple[bytes, bytes]]:
    """Return both parts of a request: nothing sent yet, some, all but one byte, all of it."""
    return [
        (request[: number % (len(request) + 1)], request[number % (len(request) + 1) :])
        for number in range(times)
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_thousand_requests_under_way_are_all_answered_before_it_stops(
    deployment, many_files, workers
):
    deployment.load()
    deployment.publish("")
    body = b'{"store_id": 1, "steps": 52}'
    head = b"POST /forecast_sales HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
    statuses: Counter[bytes] = Counter()

    with ExitStack() as connections, deployment.served(WORKERS=workers) as (process, line):
        eventually(lambda: httpx.get(f"{url_in(line)}/ready").is_success)
        address = "127.0.0.1", int(url_in(line).rpartition(":")[2])
        under_way = []
        for sent, rest in cut_anywhere(head + body, AT_ONCE):
            connection = connections.enter_context(socket.create_connection(address, TIMEOUT))
            connection.sendall(sent)
            under_way.append((connection, rest))
        process.terminate()
        for connection, rest in under_way:
            connection.sendall(rest)
        for connection, _ in under_way:
            with suppress(ConnectionError):
                statuses[connection.recv(12)] += 1
        assert process.wait(TIMEOUT) == 0

    assert statuses == {b"HTTP/1.1 200": AT_ONCE}
    assert sum('"status":200' in line for line in deployment.printed) >= AT_ONCE


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_while_the_last_request_is_answered_nobody_else_is_let_in(deployment, workers):
    request = b"POST /forecast_sales HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1"

    with deployment.served(WORKERS=workers) as (process, line):
        address = "127.0.0.1", int(url_in(line).rpartition(":")[2])

        def refuses() -> bool:
            try:
                socket.create_connection(address, TIMEOUT).close()
            except ConnectionError:
                return True
            return False

        with socket.create_connection(address, TIMEOUT) as last:
            last.sendall(request[:-1])
            httpx.get(f"{url_in(line)}/health")
            process.terminate()
            eventually(refuses)
            last.sendall(request[-1:])
            assert last.recv(12) == b"HTTP/1.1 422"
        assert process.wait(TIMEOUT) == 0


def number_of(url: str, name: str) -> float:
    """Ask for the metrics on a new connection: any worker may answer."""
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def test_workers_count_together_and_say_once_that_they_serve(deployment, tmp_path):
    deployment.load()
    version = deployment.publish("")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    counted = (
        f'sales_forecast_predictions_total{{endpoint="/forecast_sales",model_version="{version}"}}'
    )

    with deployment.served(WORKERS="2", TMPDIR=str(temporary)) as (process, line):
        url = url_in(line)
        assert len(list(temporary.glob("sales-forecast-*"))) == 1
        eventually(lambda: httpx.get(f"{url}/ready").is_success)
        answered_by: Counter[str] = Counter()

        def both_have_answered() -> bool:
            answer = httpx.post(f"{url}/forecast_sales", json=FORECAST)
            answered_by[answer.headers["X-Request-ID"].partition("-")[0]] += answer.is_success
            return len(+answered_by) == 2

        eventually(both_have_answered)
        for _ in range(5):
            assert number_of(url, counted) == answered_by.total()
        process.terminate()
        assert process.wait(TIMEOUT) == 0

    assert not list(temporary.glob("sales-forecast-*"))
    assert not [line for line in deployment.printed if not line.startswith("{")]
    assert {json.loads(line)["status"] for line in deployment.printed} <= {200, 503}


def test_a_worker_that_dies_is_replaced(deployment):
    deployment.load()
    deployment.publish("")  # one without a model lets nobody in for a while
    with deployment.served(WORKERS="2") as (process, line):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        if not children.exists():
            pytest.skip("which processes are its workers is read from Linux's /proc")
        workers = [
            pid
            for pid in map(int, children.read_text().split())
            if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        assert len(workers) == 2
        for pid in workers:
            os.kill(pid, signal.SIGKILL)

        def answers() -> bool:
            with suppress(httpx.HTTPError):
                return httpx.get(f"{url_in(line)}/health", timeout=1).is_success
            return False

        eventually(answers)
        process.terminate()
        assert process.wait(TIMEOUT) == 0


@pytest.mark.parametrize(("setting", "lines"), [("true", 2), ("false", 0)])
def test_the_access_log_is_on_the_standard_output_or_nowhere(deployment, setting, lines):
    with deployment.served(ACCESS_LOG=setting) as (process, line):
        for path in ("/health", "/nowhere"):
            httpx.get(f"{url_in(line)}{path}")
        process.terminate()
        assert process.wait(TIMEOUT) == 0

    assert len(deployment.printed) == lines
    assert all(json.loads(line)["id"] for line in deployment.printed)


def test_a_key_is_exchanged_while_the_service_answers(deployment, tmp_path):
    deployment.load()
    deployment.publish("")
    file = tmp_path / "keys.toml"

    def hold(*entries: tuple[str, str]) -> None:
        """Put another file in the place of the one before, as a person or Kubernetes would."""
        (tmp_path / "new").write_text("".join(lines for _, lines in entries))
        (tmp_path / "new").rename(file)

    old, new = new_entry("ana", "viewer"), new_entry("ben", "planner")
    hold(old)
    with deployment.served(API_KEYS_FILE=str(file), API_KEY="of the admin") as (process, line):
        assert "Answers those who send one of 2 API keys." in line
        asked: Counter[int] = Counter()

        def status(key: str) -> int:
            return httpx.get(f"{url_in(line)}/model", headers={"X-API-Key": key}).status_code

        def answers(key: str) -> bool:
            asked[status("of the admin")] += 1
            return status(key) == httpx.codes.OK

        assert answers(old[0])
        assert not answers(new[0])
        hold(old, new)
        eventually(lambda: answers(new[0]))
        hold(new)
        eventually(lambda: not answers(old[0]))
        file.write_text("no TOML")
        eventually(
            lambda: "API keys" in httpx.get(f"{url_in(line)}/ready").json().get("warning", "")
        )
        assert answers(new[0])
        assert {httpx.codes.OK} == set(asked)
        process.terminate()
        assert process.wait(TIMEOUT) == 0


def test_a_file_of_keys_that_cannot_be_used_ends_the_start_in_one_line(tmp_path):
    file = tmp_path / "keys.toml"
    file.write_text(new_entry("ana", "viewer")[1].replace("viewer", "reader"))
    environment = {**os.environ, "VAR_DIR": str(tmp_path), "API_KEYS_FILE": str(file)}
    command = [sys.executable, "main.py", "--port", "0"]
    started = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    problem = "key 1: role must be 'viewer', 'planner' or 'admin', not 'reader'."
    assert (1, "") == (started.returncode, started.stdout)
    assert f"main.py: API_KEYS_FILE {file}: {problem}\n" == started.stderr


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


def test_a_service_whose_first_line_cannot_be_written_serves(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, str(ROOT / "main.py"), "--port", str(port)]
    with (
        Path("/dev/full").open("wb") as full,
        subprocess.Popen(
            command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True
        ) as process,
    ):
        eventually(lambda: _answers(f"http://127.0.0.1:{port}/health"))
        process.terminate()
        _, said = process.communicate(timeout=TIMEOUT)
    assert 0 == process.returncode
    assert "Traceback" not in said


def test_a_setting_that_makes_no_sense_is_one_line_that_names_it():
    done = run_main(PORT="99999")

    assert done.returncode == 1
    assert done.stderr == "main.py: PORT must be at most 65535, not '99999'.\n"


def test_wrong_usage_is_told_apart():
    assert run_main("--port", "99999").returncode == 2


def test_the_service_loads_no_training_library():
    heavy = ["mlflow", "pandas", "scipy", "sklearn", "statsmodels", "xgboost", "httpx"]
    code = f"import main, sys; print([name for name in {heavy} if name in sys.modules])"

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    "command",
    [["uvicorn", "main:app"], ["fastapi", "run", "main.py", "--host", "127.0.0.1"]],
    ids=lambda command: command[0],
)
def test_it_is_served_as_others_start_such_a_service(deployment, command):
    deployment.load()
    version = deployment.publish("")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen(
        [sys.executable, "-m", *command, "--port", str(port)],
        env=deployment.environment,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            eventually(lambda: _answers(f"{url}/ready"))
            asked = httpx.post(f"{url}/forecast_sales", json={"store_id": 1, "steps": 2})
            assert (200, 2) == (asked.status_code, len(asked.json()))
            assert version == asked.headers["X-Model-Version"]
        finally:
            process.terminate()


def _answers(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(url).status_code == httpx.codes.OK
    return False


def test_nothing_is_read_before_a_server_starts_it():
    environment = {**os.environ, "PORT": "abc", "DATABASE_URL": "nonsense"}
    imported = "import main, fastapi; assert isinstance(main.app, fastapi.FastAPI)"
    subprocess.run([sys.executable, "-c", imported], cwd=ROOT, env=environment, check=True)
    started = subprocess.run(
        [sys.executable, "-m", "uvicorn", "main:app", "--port", "0"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert started.returncode != 0
    assert "Traceback" not in started.stderr
    assert "PORT must be a whole number, not 'abc'." in started.stderr

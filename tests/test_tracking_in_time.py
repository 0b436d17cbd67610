"""A tracking server that takes what it is asked and does not come to an end is given up in time."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Event

import pytest

from sales_forecast.errors import RegistryError
from sales_forecast.training.challenger import baseline_challenger
from sales_forecast.training.tracking.client import BUNDLE_MODEL, TrackingServer
from sales_forecast.training.tracking.log import log
from tests import trained
from tests.listening import listening
from tests.silent import endless_server, silent_server
from tests.stages import beside_stages
from tests.test_train import Place, rows

ROOT = Path(__file__).parents[1]
OK = b"HTTP/1.1 200 OK\r\n"
ENDLESS = {
    "line": b"H",
    "head": OK + b"X: a",
    "heads": OK + b"X: a\r\n" * 20,
    "length": OK + b"Content-Length: 1000000000\r\n\r\n{",
    "chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n",
    "to the end": OK + b"\r\n{",
    "refusal": b"HTTP/1.1 400 Bad\r\nContent-Length: 1000000000\r\n\r\n{",
}
WHAT_TO_DO = " Check MLFLOW_TRACKING_URI and that the server answers, then run the command again."
ENOUGH = 60
"""For what takes a second or two, on a machine that is busy."""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow keeps the tracking address in the environment of the process, and its patience."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


def fetched(url: str, folder: Path) -> tuple[str, float]:
    """Ask for the champion; return what is said of it, and after how long."""
    begin = time.monotonic()
    with pytest.raises(RegistryError) as failed:
        TrackingServer(url, folder).fetch(BUNDLE_MODEL, "champion")
    return failed.value.message, time.monotonic() - begin


def seconds_in(message: str, url: str) -> int:
    found = re.fullmatch(
        re.escape(f"MLflow: {url} did not answer for ") + r"(\d+) s\." + re.escape(WHAT_TO_DO),
        message,
    )
    assert found, message
    return int(found[1])


@pytest.mark.parametrize("begin", ENDLESS.values(), ids=ENDLESS.keys())
def test_an_answer_that_does_not_end_is_given_up(begin: bytes, tmp_path: Path) -> None:
    with endless_server(begin) as port:
        url = f"http://127.0.0.1:{port}"
        message, took = fetched(url, tmp_path)

    assert 1 <= seconds_in(message, url) <= took + 0.5
    assert took < ENOUGH


@pytest.mark.parametrize("begin", [None, b"\x16\x03\x03\x40\x00"], ids=["silent", "by the byte"])
def test_a_server_that_does_not_come_to_terms_of_tls_is_given_up(
    begin: bytes | None, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        port = stack.enter_context(endless_server(begin) if begin else silent_port())
        url = f"https://127.0.0.1:{port}"
        message, took = fetched(url, tmp_path)

    assert 1 <= seconds_in(message, url) <= took + 0.5
    assert took < ENOUGH


@contextmanager
def silent_port() -> Iterator[int]:
    with silent_server() as (port, _):
        yield port


def test_what_is_asked_again_is_counted_from_its_first_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    with silent_server() as (port, taken):
        url = f"http://127.0.0.1:{port}"
        message, took = fetched(url, tmp_path)
        assert 2 == len(taken)

    assert 2 <= seconds_in(message, url) <= took + 0.5


def test_a_server_that_refuses_or_is_not_there_is_not_waited_for(tmp_path: Path) -> None:
    with endless_server(OK.replace(b"200 OK", b"503 Busy") + b"Retry-After: 9999\r\n\r\n") as port:
        url = f"http://127.0.0.1:{port}"
        assert fetched(url, tmp_path)[0] == f"MLflow: {url} answers 503.{WHAT_TO_DO}"
    message, _ = fetched(url, tmp_path)
    assert message == f"MLflow: {url} cannot be reached: Connection refused.{WHAT_TO_DO}"


def test_where_nobody_says_how_long_it_is_half_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT")
    TrackingServer("http://127.0.0.1:1", tmp_path)
    assert "30" == os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"]
    assert "false" == os.environ["MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER"].lower()


def test_an_address_with_a_password_is_not_repeated(tmp_path: Path) -> None:
    with silent_server() as (port, _):
        message, _ = fetched(f"http://anna:Qx1@127.0.0.1:{port}", tmp_path)

    assert 1 <= seconds_in(message, "http://...")


class _Tracking(BaseHTTPRequestHandler):
    """As much of a tracking server as a record needs, until a bundle is sent to it."""

    protocol_version = "HTTP/1.1"
    enough = Event()

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        artifacts = f"mlflow-artifacts://{self.headers['Host']}/1/r/artifacts"
        run = {"run_id": "r", "experiment_id": "1", "status": "RUNNING", "artifact_uri": artifacts}
        said: dict[str, object] = {"run": {"info": run, "data": {}}}
        if "experiments" in self.path:
            said = {"experiment": {"experiment_id": "1", "name": "x", "lifecycle_stage": "active"}}
        elif "search" in self.path:
            said = {}
        content = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = answer  # noqa: N815 - their names there

    def do_PUT(self) -> None:
        """Read of a file a byte now and then."""
        while not self.enough.wait(0.01):
            self.rfile.read(1)


def test_a_server_that_does_not_come_to_the_end_of_a_bundle_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    monkeypatch.setenv("MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT", "3")
    made = baseline_challenger(trained.first_weeks(2), "x", {}, "a note")
    begin = time.monotonic()
    with listening(_Tracking) as url:
        try:
            with pytest.raises(RegistryError) as failed:
                log(TrackingServer(url, tmp_path), made, {})
            took = time.monotonic() - begin
        finally:
            _Tracking.enough.set()

    assert f"MLflow: {url} was not done after 3 s, which " in failed.value.message
    assert failed.value.message.endswith(
        f"MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT may change.{WHAT_TO_DO}"
    )
    assert 3 <= took < ENOUGH


def test_a_training_beside_such_a_server_ends_with_one_line(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.load(rows(2))
    with endless_server(ENDLESS["heads"]) as port:
        url = f"http://127.0.0.1:{port}"
        done = subprocess.run(
            [sys.executable, "train.py"],
            cwd=ROOT,
            env={**os.environ, **place.environment, "MLFLOW_TRACKING_URI": url},
            capture_output=True,
            text=True,
            timeout=2 * ENOUGH,
            check=False,
        )

    assert 1 == done.returncode
    assert 1 <= seconds_in(beside_stages(done.stderr).rstrip("\n"), url)

"""A real MLflow server on a folder: started, killed and started again at will."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx

from tests.shared import empty_mlflow

START_SECONDS = 120
_ALONE = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # six more processes, for jobs nobody asks for
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(done: Callable[[], object], what: Callable[[], str], seconds: float) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, what()
        time.sleep(0.05)


class MlflowServer:
    """Runs on local SQLite, and hands artifacts through as the deployed one does."""

    def __init__(self, folder: Path, admin: tuple[str, str] | None = None) -> None:
        """Take where its files go, and who may ask it: anybody, or whoever logs in."""
        self._folder = folder
        self._admin = admin
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def artifacts(self) -> Path:
        return self._folder / "artifacts"

    def start(self) -> None:
        if not (database := self._folder / "mlflow.db").exists():
            empty_mlflow(database)
        log = self._folder / "server.log"
        login: list[str] = []
        environment = {**os.environ, **_ALONE}
        if self._admin:
            login = ["--app-name=basic-auth"]
            environment |= {
                "MLFLOW_FLASK_SERVER_SECRET_KEY": "of this server",
                "MLFLOW_AUTH_ADMIN_USERNAME": self._admin[0],
                "MLFLOW_AUTH_ADMIN_PASSWORD": self._admin[1],
            }
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", "--workers=1", "--host=127.0.0.1",
                 f"--port={self._port}", f"--artifacts-destination={self.artifacts}",
                 f"--backend-store-uri=sqlite:///{database}", *login],
                env=environment,
                cwd=self._folder, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip
        until(self.answers, log.read_text, START_SECONDS)

    def answers(self) -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/health").text == "OK"
        return False

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
            until(self._is_gone, lambda: f"{self.url} still answers", START_SECONDS)

    def _is_gone(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == errno.ECONNREFUSED

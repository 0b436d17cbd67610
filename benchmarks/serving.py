"""How fast the service is: beside endpoints that only echo, and beside the common design.

    python -m benchmarks.serving
    python -m benchmarks.serving --layout departments --csv FOLDER

Loads and trains into `var/benchmark` with the project's own commands (the first time that takes
minutes), runs each service as one process with one worker, and asks it with varied bodies over
16 connections. Prints the medians of the rounds; "x echo" is measured against the same endpoint of
the echo just before and just after. The common design, which knows weekly stores alone, runs beside
an MLflow server, as it is deployed; it is measured last, so that its server takes nothing from the
others. For local use: it needs a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median

from benchmarks.questions import ENDPOINTS, write_questions
from sales_forecast.bundles.bundle import read_manifest
from sales_forecast.data.rows import STORES

ROOT = Path(__file__).resolve().parents[1]
UVICORN = ["-m", "uvicorn", "--factory", "--no-access-log", "--log-level=warning"]
UVICORN += ["--no-server-header", "--no-proxy-headers"]  # as `main.py` runs it
ECHO = [*UVICORN, "benchmarks.echo_service:create"]
COMMON = [*UVICORN, "benchmarks.common_service:create"]
HOST = "127.0.0.1"
PATIENCE_SECONDS = 180


@dataclass
class Server:
    """A server that runs, and what was measured of it by endpoint."""

    process: subprocess.Popen[bytes]
    port: int
    ready_seconds: float
    rounds: list[tuple[str, dict[str, float]]] = field(default_factory=list)

    def ask(self, path: str, bodies: Path, seconds: float) -> float:
        """Put an endpoint under load, note the result and return requests per second."""
        command = [sys.executable, "-m", "benchmarks.load", "--port", str(self.port)]
        command += ["--path", path, "--bodies", str(bodies), "--seconds", str(seconds)]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        result: dict[str, float] = json.loads(done.stdout)
        self.rounds.append((path, {**result, "memory_mb": resident_megabytes(self.process.pid)}))
        return result["per_second"]

    def median(self, path: str, name: str) -> float:
        """Return the median of the rounds of an endpoint."""
        return median(numbers[name] for asked, numbers in self.rounds if asked == path)


@dataclass(frozen=True)
class Workspace:
    """A deployment of its own for one panel."""

    folder: Path
    database_url: str

    def environment(self, tracking_uri: str | None = None) -> dict[str, str]:
        """Return its settings."""
        return {
            **os.environ,
            "DATABASE_URL": self.database_url,
            "MLFLOW_TRACKING_URI": tracking_uri or f"sqlite:///{self.folder}/mlflow.db",
            "MODEL_URI": f"{self.folder}/champion",
            "VAR_DIR": str(self.folder),
        }

    def prepare(self, source: list[str]) -> None:
        """Load and train, unless that was done."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for command in (["database_loader.py", *source], ["train.py", "--if-changed"]):
            subprocess.run([sys.executable, *command], cwd=ROOT, env=self.environment(), check=True)

    @contextmanager
    def serve(
        self, command: list[str], path: str, tracking_uri: str | None = None, **settings: str
    ) -> Iterator[Server]:
        """Run a server on a free port until the end of the context; ready when `path` gives 200."""
        with socket.create_server((HOST, 0)) as listener:
            port = listener.getsockname()[1]
        spec = read_manifest(self.folder / "champion").spec
        environment = self.environment(tracking_uri) | settings
        begin = time.perf_counter()
        with (
            (self.folder / "server.log").open("wb") as log,  # the access log is part of the work
            subprocess.Popen(
                [sys.executable, *command, "--port", str(port)],
                cwd=ROOT,
                env=environment | ({"ECHO_SPEC": spec.model_dump_json()} if spec else {}),
                stdout=log,
                stderr=subprocess.DEVNULL,
            ) as process,
        ):
            try:
                while not answers(port, path):
                    waited = time.perf_counter() - begin
                    if process.poll() is not None or waited > PATIENCE_SECONDS:
                        raise SystemExit(f"{' '.join(command)} did not start")
                    time.sleep(0.02)
                yield Server(process, port, time.perf_counter() - begin)
            finally:
                process.terminate()


def resident_megabytes(pid: int) -> float:
    """Return the memory that a process holds, where the system tells."""
    status = Path(f"/proc/{pid}/status")
    found = re.search(r"VmRSS:\s+(\d+)", status.read_text()) if status.exists() else None
    return int(found[1]) / 1024 if found else float("nan")


def answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def row(name: str, server: Server, path: str, ratio: float) -> str:
    return (
        f"{name:<22}{server.median(path, 'per_second'):>12,.1f}{ratio:>10.4f}"
        f"{server.median(path, 'p50_ms'):>10.1f}{server.median(path, 'p99_ms'):>10.1f}"
        f"{server.median(path, 'memory_mb'):>12.0f}{server.ready_seconds:>10.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layout", default=STORES.layout)
    parser.add_argument("--csv", help="default: the generated sample")
    parser.add_argument("--database-url", help="default: SQLite in the folder of the benchmark")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    chosen = parser.parse_args()
    folder = ROOT / "var" / "benchmark" / Path(chosen.layout).stem
    workspace = Workspace(folder, chosen.database_url or f"sqlite:///{folder}/sales.db")
    workspace.prepare(["--layout", chosen.layout, "--csv", chosen.csv] if chosen.csv else [])
    bodies = write_questions(workspace.database_url, folder)

    ratios: dict[str, list[float]] = {path: [] for path in ENDPOINTS}
    with workspace.serve(ECHO, "/docs") as echo, workspace.serve(["main.py"], "/ready") as ours:
        for path in ENDPOINTS * chosen.rounds:
            before = echo.ask(path, bodies[path], chosen.seconds)
            mine = ours.ask(path, bodies[path], chosen.seconds)
            after = echo.ask(path, bodies[path], chosen.seconds)
            ratios[path].append(mine / mean([before, after]))
    common = None
    if chosen.layout == STORES.layout:
        common = measure_common_design(
            workspace, bodies[ENDPOINTS[0]], chosen.rounds, chosen.seconds
        )
    print(
        f"\n{'':<22}{'requests/s':>12}{'x echo':>10}{'p50 ms':>10}{'p99 ms':>10}"
        f"{'memory MB':>12}{'ready s':>10}"
    )
    for path in ENDPOINTS:
        print(row(f"echo {path}", echo, path, 1.0))
        print(row(path, ours, path, median(ratios[path])))
    if common:
        path = ENDPOINTS[0]
        speed = common.median(path, "per_second")
        print(row("common design", common, path, speed / echo.median(path, "per_second")))
        times = ours.median(path, "per_second") / speed
        print(f"\nThis service answers {times:,.0f} times as many requests as the common design.")


def measure_common_design(
    workspace: Workspace, bodies: Path, rounds: int, seconds: float
) -> Server:
    logged = workspace.folder / "requests.db"  # what the common design logs, made anew each time
    logged.unlink(missing_ok=True)
    mlflow = ["-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{logged}"]
    with (
        workspace.serve(mlflow, "/health") as tracking,
        workspace.serve(COMMON, "/docs", f"http://{HOST}:{tracking.port}") as common,
    ):
        for _ in range(rounds):
            common.ask(ENDPOINTS[0], bodies, seconds)
    return common


if __name__ == "__main__":
    main()

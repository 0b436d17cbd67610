"""How fast the service is: beside an endpoint that only echoes, and beside the common design.

    python benchmarks/serving.py

Loads and trains into `var/benchmark` with the project's own commands (the first time that takes
a minute), runs each service as one process with one worker, and asks it with varied bodies over
16 connections. Prints the medians of the rounds; "x echo" is measured against the echo just
before and just after. The common design runs beside an MLflow server, as it is deployed; it is
measured last, so that its server takes nothing from the others. For local use: it needs a
machine that does nothing else.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from statistics import mean, median

ROOT = Path(__file__).resolve().parents[1]
WORKSPACE = ROOT / "var" / "benchmark"
LOCAL = f"sqlite:///{WORKSPACE}/mlflow.db"
REQUEST_RUNS = WORKSPACE / "requests.db"  # what the common design logs, made anew each time
MLFLOW = ["-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{REQUEST_RUNS}"]
UVICORN = ["-m", "uvicorn", "--factory", "--no-access-log", "--log-level=warning"]
UVICORN += ["--no-server-header", "--no-proxy-headers"]  # as `main.py` runs it
ECHO = [*UVICORN, "benchmarks.echo_service:create"]
COMMON = [*UVICORN, "benchmarks.common_service:create"]
HOST = "127.0.0.1"
N_STORES, N_BODIES = 45, 5000
FIRST_DAY, LAST_DAY = date(2011, 2, 5), date(2013, 7, 26)  # known weeks, and a year ahead
PATIENCE_SECONDS = 180


def environment(tracking_uri: str) -> dict[str, str]:
    """Return the settings of a deployment of its own."""
    return {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{WORKSPACE}/sales.db",
        "MLFLOW_TRACKING_URI": tracking_uri,
        "MODEL_URI": f"{WORKSPACE}/champion",
        "VAR_DIR": str(WORKSPACE),
    }


def prepare() -> None:
    WORKSPACE.mkdir(parents=True, exist_ok=True)
    for command in (["database_loader.py"], ["train.py", "--if-changed"]):
        subprocess.run([sys.executable, *command], cwd=ROOT, env=environment(LOCAL), check=True)


def write_bodies(file: Path) -> None:
    """Write different questions, one a line: any store, any day, conditions as they occur."""
    chance = random.Random(0)  # noqa: S311 - no secret
    days = (LAST_DAY - FIRST_DAY).days
    lines = (
        json.dumps(
            {
                "Store": chance.randint(1, N_STORES),
                "Date": f"{FIRST_DAY + timedelta(days=chance.randint(0, days)):%d-%m-%Y}",
                "Holiday_Flag": chance.randint(0, 1),
                "Temperature": round(chance.uniform(10, 95), 2),
                "Fuel_Price": round(chance.uniform(2.6, 4.2), 3),
                "CPI": round(chance.uniform(127, 225), 7),
                "Unemployment": round(chance.uniform(4, 14), 3),
            }
        )
        for _ in range(N_BODIES)
    )
    file.write_text("\n".join(lines))


@dataclass
class Server:
    """A server that runs, and what was measured of it."""

    process: subprocess.Popen[bytes]
    port: int
    ready_seconds: float
    rounds: list[dict[str, float]] = field(default_factory=list)

    def ask(self, bodies: Path, seconds: float) -> float:
        """Put it under load, note the result and return requests per second."""
        command = [sys.executable, "-m", "benchmarks.load", "--port", str(self.port)]
        command += ["--bodies", str(bodies), "--seconds", str(seconds)]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        result: dict[str, float] = json.loads(done.stdout)
        self.rounds.append({**result, "memory_mb": resident_megabytes(self.process.pid)})
        return result["per_second"]

    def median(self, name: str) -> float:
        """Return the median of the rounds."""
        return median(numbers[name] for numbers in self.rounds)


def resident_megabytes(pid: int) -> float:
    """Return the memory that a process holds, where the system tells."""
    status = Path(f"/proc/{pid}/status")
    found = re.search(r"VmRSS:\s+(\d+)", status.read_text()) if status.exists() else None
    return int(found[1]) / 1024 if found else float("nan")


@contextmanager
def serve(command: list[str], path: str, tracking_uri: str = LOCAL) -> Iterator[Server]:
    """Run a server on a free port until the end of the context; ready when `path` answers 200."""
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    begin = time.perf_counter()
    with (
        (WORKSPACE / "server.log").open("wb") as log,  # the access log is part of the work
        subprocess.Popen(
            [sys.executable, *command, "--port", str(port)],
            cwd=ROOT,
            env=environment(tracking_uri),
            stdout=log,
            stderr=subprocess.DEVNULL,
        ) as process,
    ):
        try:
            while not answers(port, path):
                if process.poll() is not None or time.perf_counter() - begin > PATIENCE_SECONDS:
                    raise SystemExit(f"{' '.join(command)} did not start")
                time.sleep(0.02)
            yield Server(process, port, time.perf_counter() - begin)
        finally:
            process.terminate()


def answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def row(name: str, server: Server, ratio: float) -> str:
    return (
        f"{name:<14}{server.median('per_second'):>12,.1f}{ratio:>10.4f}"
        f"{server.median('p50_ms'):>10.1f}{server.median('p99_ms'):>10.1f}"
        f"{server.median('memory_mb'):>12.0f}{server.ready_seconds:>10.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    chosen = parser.parse_args()
    prepare()
    bodies = WORKSPACE / "bodies.txt"
    write_bodies(bodies)
    REQUEST_RUNS.unlink(missing_ok=True)
    ratios = []
    with serve(ECHO, "/docs") as echo, serve(["main.py"], "/ready") as ours:
        for _ in range(chosen.rounds):
            before = echo.ask(bodies, chosen.seconds)
            mine = ours.ask(bodies, chosen.seconds)
            after = echo.ask(bodies, chosen.seconds)
            ratios.append(mine / mean([before, after]))
    with (
        serve(MLFLOW, "/health") as mlflow,
        serve(COMMON, "/docs", f"http://{HOST}:{mlflow.port}") as common,
    ):
        for _ in range(chosen.rounds):
            common.ask(bodies, chosen.seconds)
    print(
        f"\n{'':<14}{'requests/s':>12}{'x echo':>10}{'p50 ms':>10}{'p99 ms':>10}"
        f"{'memory MB':>12}{'ready s':>10}"
    )
    print(row("echo", echo, 1.0))
    print(row("this service", ours, median(ratios)))
    print(row("common design", common, common.median("per_second") / echo.median("per_second")))
    times = ours.median("per_second") / common.median("per_second")
    print(f"\nThis service answers {times:,.0f} times as many requests as the common design.")


if __name__ == "__main__":
    main()

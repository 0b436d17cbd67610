"""A real Dask cluster on this machine: a scheduler and workers, each a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.mlflow_server import until

ROOT = Path(__file__).parents[1]
START_SECONDS = 120


class DaskCluster:
    """Its processes write to files of a folder, and are killed one by one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, n_workers: int, code: Path = ROOT) -> str:
        """Start all of it; return the address of the scheduler."""
        # Should nobody kill it, it ends by itself.
        self._run(
            "scheduler",
            "scheduler",
            "--host=127.0.0.1",
            "--port=0",
            "--idle-timeout=600",
            code=code,
        )
        address = self._read("scheduler", r"Scheduler at:\s+(tcp://\S+)")
        for number in range(n_workers):
            name = f"worker-{number}"
            self._run(
                name, "worker", address, f"--name={name}", "--host=127.0.0.1", "--no-nanny",
                "--nthreads=1", f"--local-directory={self._folder / name}", code=code,
            )  # fmt: skip
        for number in range(n_workers):
            self._read(f"worker-{number}", r"Registered to:\s+(tcp://\S+)")
        return address

    def pid(self, name: str) -> int:
        return self._processes[name].pid

    def log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text()

    def signal(self, name: str, what: signal.Signals) -> None:
        self._processes[name].send_signal(what)

    def kill(self, names: Sequence[str] = ()) -> None:
        """Kill some processes, or all."""
        for name in names or [*self._processes]:
            process = self._processes.pop(name)
            process.kill()
            process.wait()

    def _run(self, name: str, *arguments: str, code: Path) -> None:
        with (self._folder / f"{name}.log").open("wb") as out:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", "dask", *arguments, "--no-dashboard"],
                env={**os.environ, "PYTHONPATH": str(code), "OMP_NUM_THREADS": "1"},
                cwd=self._folder, stdout=out, stderr=out,
            )  # fmt: skip

    def _read(self, name: str, pattern: str) -> str:
        until(lambda: re.search(pattern, self.log(name)), lambda: self.log(name), START_SECONDS)
        found = re.search(pattern, self.log(name))
        assert found
        return found[1]

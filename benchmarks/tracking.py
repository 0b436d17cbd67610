"""What it costs to train into MLflow on MySQL and S3 instead of a local SQLite file.

    python -m benchmarks.tracking

Loads the generated sample, then trains with `train.py` in turns: tracked in a local file, and
tracked by an MLflow server on a throwaway MariaDB with TLS and an emulated S3, started as its
host starts it on AWS. Prints the medians of the rounds, without the first of each, which
makes MLflow's tables. Needs MariaDB; for a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tests.aws.account import emulator
from tests.aws.host import running_host, tls_database

ROOT = Path(__file__).resolve().parents[1]


def run(command: str, **settings: str) -> float:
    """Run one of the project's commands; return seconds."""
    begin = time.perf_counter()
    subprocess.run(
        [sys.executable, command],
        cwd=ROOT,
        env={**os.environ, **settings},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with (
        tempfile.TemporaryDirectory() as scratch,
        emulator() as account,
        tls_database() as database,
        running_host(account, database, Path(scratch) / "host") as host,
    ):
        sales = f"sqlite:///{scratch}/sales.db"
        run("database_loader.py", DATABASE_URL=sales)
        seconds: dict[str, list[float]] = {}
        for name, tracking in (
            ("local SQLite", f"sqlite:///{scratch}/mlflow.db"),
            ("MySQL and S3", host.url),
        ) * (rounds + 1):
            folder = f"{scratch}/{name}"
            took = run("train.py", DATABASE_URL=sales, MLFLOW_TRACKING_URI=tracking, VAR_DIR=folder)
            seconds.setdefault(name, []).append(took)
    medians = {name: median(each[1:]) for name, each in seconds.items()}
    for name, each in seconds.items():
        print(f"{name:<14}{medians[name]:>7.1f} s   first {each[0]:.1f} s")
    local, remote = medians.values()
    print(f"Training into MySQL and S3 takes {remote / local:.2f} times as long.")


if __name__ == "__main__":
    main()

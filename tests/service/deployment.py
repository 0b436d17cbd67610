"""A deployment to test: a real database, real bundles of the growth baseline, a real process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from sales_forecast.bundles.writing import set_alias, write_bundle
from sales_forecast.data.admission import SAMPLE
from sales_forecast.data.database import Database
from sales_forecast.data.rows import SalesRows
from sales_forecast.data.sample import sample_rows
from sales_forecast.evaluation.backtest import backtest
from sales_forecast.evaluation.protocols import RollingOrigin
from sales_forecast.evaluation.scoring import with_quantiles
from sales_forecast.models.naive import BASELINES
from sales_forecast.training.challenger import baseline_challenger

ROOT = Path(__file__).parents[2]


class Deployment:
    """A database, a bundle folder and the environment that names them."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        url = url or f"sqlite:///{folder}/sales.db"
        self.link = folder / "champion"
        self.printed: list[str] = []
        self.database = Database(url)
        self.environment = {
            **os.environ,
            "DATABASE_URL": url,
            "MODEL_URI": str(self.link),
            "VAR_DIR": str(folder),
            "REFRESH_SECONDS": "0.1",
        }

    def load(self, weeks_held_back: int = 0) -> None:
        rows = sample_rows()
        last = rows.week.max() - np.timedelta64(7 * weeks_held_back, "D")
        kept = rows.week <= last
        conditions = {name: values[kept] for name, values in rows.conditions.items()}
        part = SalesRows(rows.store[kept], rows.week[kept], rows.sales[kept], conditions)
        self.database.write(part, SAMPLE)

    def publish(self, note: str, windows: int = 0) -> str:
        """Make a champion; its intervals are measured in so many windows of two weeks."""
        panel = self.database.read_panel()
        tables = {}
        if windows:
            table = backtest(panel, BASELINES, RollingOrigin(2, windows, 1))
            tables = {"many_steps": with_quantiles(table, panel)}
        challenger = baseline_challenger(panel, "sample", tables, note)
        set_alias(self.link, write_bundle(self.link.parent, challenger.sealed))
        return challenger.version

    @contextmanager
    def served(
        self, *begin: str, **environment: str
    ) -> Iterator[tuple[subprocess.Popen[str], str]]:
        """Run `main.py` on a free port; gives the process and its start-up line.

        `begin`: a command that ends by becoming the one that it is given.
        What it prints afterwards is in `printed`, whole when the context is over.
        """
        command = [*begin, sys.executable, str(ROOT / "main.py"), "--port", "0"]
        with subprocess.Popen(
            command,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        ) as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            # Somebody must read: a full pipe would stop the service.
            reader = threading.Thread(target=self.printed.extend, args=[process.stdout])
            reader.start()
            try:
                yield process, first
            finally:
                process.terminate() if environment.get("WORKERS") else process.kill()
                reader.join()

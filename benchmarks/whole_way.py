"""From a file to forecasts in a database, by number of series: seconds and memory of each command.

    python -m benchmarks.whole_way --server postgresql+psycopg://postgres@127.0.0.1:5432/postgres

Each number of series gets a database of its own on the server, which is dropped in the end. The
file has the series of `benchmarks.scale`, 143 weeks; the bundle that answers is the growth
baseline's, so that the time is that of reading and writing. What grows linearly costs the same for
each 1,000 series, whatever their number.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import sqlalchemy as sa

from benchmarks.scale import generated, table
from sales_forecast.bundles.bundle import CHAMPION
from sales_forecast.bundles.writing import set_alias, write_bundle
from sales_forecast.data.database import Database
from sales_forecast.data.panel import Panel
from sales_forecast.training.challenger import baseline_challenger

ROOT = Path(__file__).resolve().parents[1]
SERIES = (1_000, 10_000, 100_000)
WEEKS = 13
LAYOUT = 'series = ["article"]\ndate = "week"\ntarget = "sold"\n'
_BLOCK = 5_000
_MEGABYTE = 1024


def write_sales(file: Path, panel: Panel) -> None:
    """Write a panel as long rows, some series at a time."""
    days = panel.periods.astype(str)
    for start in range(0, panel.n_series, _BLOCK):
        part = slice(start, start + _BLOCK)
        names = panel.series[part]
        sold = panel.y[part].round(2)
        columns = {
            "article": np.repeat(names, len(days)),
            "week": np.tile(days, len(names)),
            "sold": sold.ravel(),
        }
        pd.DataFrame(columns).to_csv(file, mode="a", header=start == 0, index=False)


@contextmanager
def database(server: str, name: str) -> Iterator[str]:
    """Make an empty database and drop it in the end."""
    url = sa.make_url(server)
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name}")
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        try:
            yield url.set(database=name).render_as_string(hide_password=False)
        finally:
            connection.exec_driver_sql(f"DROP DATABASE {name}")
    engine.dispose()


def run(
    command: list[str], environment: dict[str, str], python: str | None = None
) -> tuple[float, float]:
    """Return the seconds and the peak of memory, in megabytes, of a command of the project."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [python or sys.executable, *command], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return time.perf_counter() - started, used.ru_maxrss / _MEGABYTE


def measure(server: str, n_series: int) -> dict[str, float]:
    """Return seconds and megabytes by command."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        database(server, f"whole_way_{n_series}") as url,
    ):
        folder = Path(scratch)
        (folder / "articles.toml").write_text(LAYOUT)
        write_sales(folder / "sales.csv", generated(n_series))
        environment = {
            **os.environ,
            "DATABASE_URL": url,
            "VAR_DIR": scratch,
            "FORECAST_HORIZON": str(WEEKS),
        }
        layout = ["--layout", f"{folder}/articles.toml", "--csv", f"{folder}/sales.csv"]
        load, of_load = run(["database_loader.py", *layout], environment)
        with closing(Database(url)) as stored:
            started = time.perf_counter()
            panel = stored.read_panel()
            read = time.perf_counter() - started
        given = baseline_challenger(panel, "generated", {}, "").sealed
        set_alias(folder / CHAMPION, write_bundle(folder, given))
        batch, of_batch = run(["train.py", "forecast"], environment)
    return {
        "load the file": load,
        "  peak, MB": of_load,
        "read it back": read,
        f"batch of {WEEKS} weeks": batch,
        "  its peak, MB": of_batch,
    }


def main() -> None:
    """Measure each number of series."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", required=True, help="where databases may be made and dropped")
    parser.add_argument("--series", type=int, nargs="+", default=SERIES)
    chosen = parser.parse_args()
    print(table({n_series: measure(chosen.server, n_series) for n_series in chosen.series}))


if __name__ == "__main__":
    main()

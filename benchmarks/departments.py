"""Departments on the whole way: a delivery, Spark, PostgreSQL, a training, forecasts, Parquet.

    python -m benchmarks.departments --sales FOLDER --spark var/spark/bin/python \
        --server postgresql+psycopg://postgres@127.0.0.1:5432/postgres

FOLDER has `train.csv.gz`, `features.csv.gz` and `stores.csv.gz` of the layout `departments`;
docs/pipelines.md says how the Python of Spark is made. All weeks but the last are delivered in
parts, staged, loaded into a database of their own on the server, trained on, forecast and exported.
Then comes the last week, as on a Monday: the load judges it, and `monitor.py run` decides,
forecasts, writes and exports. Prints the seconds of each command and, at each border, how many rows
there are; ends with 1 where they are not as many as before it. `--stores` takes the first ones.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.dataset as ds
import sqlalchemy as sa

from benchmarks.whole_way import ROOT, database, run

PARTS = 3
STAGE = ROOT / "pipelines" / "glue" / "stage.py"
SALES = "train.csv.gz"
_TABLES = ("features.csv.gz", "stores.csv.gz")
_STORED = "SELECT COUNT(target) FROM fact_sales"
_SERIES = "SELECT COUNT(DISTINCT series_id) FROM fact_sales"
_NEWEST = """FROM forecasts WHERE issue_id = (SELECT MAX(id) FROM forecast_issues
    WHERE role = 'best' AND origin = (SELECT MAX(origin) FROM forecast_issues))"""
_FORECAST = f"SELECT COUNT(DISTINCT series_id) {_NEWEST}"
_ISSUED = f"SELECT COUNT(*) {_NEWEST}"


@dataclass(frozen=True)
class Sales:
    """Rows of `train.csv.gz`, the last week apart."""

    header: bytes
    before: Sequence[bytes]
    last: Sequence[bytes]

    @classmethod
    def read(cls, folder: Path, stores: int | None) -> Sales:
        """Read those of the first stores; None: all."""
        with gzip.open(folder / SALES) as file:
            header = next(file).strip()
            store, date = (header.split(b",").index(name) for name in (b"Store", b"Date"))
            rows = [
                row.strip()
                for row in file
                if stores is None or int(row.split(b",")[store]) <= stores
            ]
        newest = max(row.split(b",")[date] for row in rows)
        before = [row for row in rows if row.split(b",")[date] < newest]
        return cls(header, before, [row for row in rows if row.split(b",")[date] == newest])


def deliver(raw: Path, tables: Path, header: bytes, sales: Sequence[bytes]) -> int:
    """Write a delivery, its sales in parts; return how many rows of these its manifest names."""
    contents = {name: (tables / name).read_bytes() for name in _TABLES}
    each = -(-len(sales) // PARTS)
    for number in range(PARTS):
        part = sales[number * each : (number + 1) * each]
        contents[f"train/part-{number}.csv.gz"] = gzip.compress(b"\n".join([header, *part]))
    files = []
    rows = {
        name: len(gzip.decompress(content).strip().splitlines()) - 1
        for name, content in contents.items()
    }
    for name, content in contents.items():
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / name).write_bytes(content)
        files.append({
            "name": name,
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "rows": rows[name],
        })  # fmt: skip
    (raw / "manifest.json").write_text(json.dumps({"files": files}))
    return sum(count for name, count in rows.items() if name not in _TABLES)


def staged_rows(staged: Path) -> int:
    """Return how many rows of sales a manifest of what was staged names."""
    files = json.loads((staged / "manifest.json").read_text())["files"]
    return sum(int(file["rows"]) for file in files if file["name"] == SALES)


def asked(url: str, query: str) -> int:
    """Return the number that a query gives."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return int(connection.scalar(sa.text(query)) or 0)


class Road:
    """The way of deliveries into one database, and from there to Parquet."""

    def __init__(self, url: str, folder: Path, spark: str, tables: Path) -> None:
        self._url = url
        self._folder = folder
        self._spark = spark
        self._tables = tables
        self._parquet = folder / "parquet"
        self.differ: list[str] = []
        self._environment = {
            **os.environ,
            "DATABASE_URL": url,
            "VAR_DIR": str(folder / "var"),
            "EXPORT_URI": str(self._parquet),
            "SPARK_LOCAL_IP": "127.0.0.1",
        }

    def command(self, *words: str, python: str | None = None) -> float:
        """Run a command of the project, print what it took, return its seconds."""
        seconds, _ = run([*words], self._environment, python)
        shown = " ".join([Path(words[0]).name, *words[1:2]])
        print(f"{shown:<32}{seconds:8.1f} s", flush=True)
        return seconds

    def border(self, name: str, counts: Mapping[str, int]) -> None:
        """Print how many there are on both sides of a border; remember where these differ."""
        told = ", ".join(f"{side} {count:,}" for side, count in counts.items())
        print(f"  {name}: {told}", flush=True)
        if len({*counts.values()}) > 1:
            self.differ.append(name)

    def bring(self, name: str, header: bytes, sales: Sequence[bytes], stored: int) -> float:
        """Deliver, stage and load; return the seconds. `stored`: rows that are loaded already."""
        raw, staged = self._folder / f"raw-{name}", self._folder / f"staged-{name}"
        delivered = deliver(raw, self._tables, header, sales)
        self.border("file -> delivery", {"rows": len(sales), "in the manifest": delivered})
        stage = ("--raw", str(raw), "--staged", str(staged))
        seconds = self.command(str(STAGE), *stage, python=self._spark)
        self.border("delivery -> staged", {"delivered": delivered, "staged": staged_rows(staged)})
        load = ("--layout", "departments", "--csv", str(staged))
        seconds += self.command("database_loader.py", *load)
        here = asked(self._url, _STORED)
        self.border("staged -> database", {"staged": delivered, "new in it": here - stored})
        return seconds

    def exported(self) -> None:
        """Compare series with those that were forecast, and their rows with those in Parquet."""
        stored, forecast, issued = (asked(self._url, of) for of in (_SERIES, _FORECAST, _ISSUED))
        self.border("database -> forecasts", {"series": stored, "of which forecast": forecast})
        newest = max((self._parquet / "forecasts").iterdir())
        rows = ds.dataset(newest).count_rows()
        self.border("forecasts -> Parquet", {"issued": issued, "in Parquet": rows})


def main() -> None:
    """Go the whole way once, and a Monday after it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sales", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--spark", required=True, metavar="PYTHON", help="of Spark's environment")
    parser.add_argument("--server", required=True, help="where databases may be made and dropped")
    parser.add_argument("--stores", type=int, help="only so many, the first ones")
    chosen = parser.parse_args()
    sales = Sales.read(chosen.sales, chosen.stores)
    with (
        tempfile.TemporaryDirectory() as scratch,
        database(chosen.server, "whole_way_departments") as url,
    ):
        road = Road(url, Path(scratch), chosen.spark, chosen.sales)
        seconds = road.bring("before", sales.header, sales.before, 0)
        seconds += road.command("train.py")
        seconds += road.command("train.py", "forecast")
        seconds += road.command("monitor.py", "run")
        road.exported()
        print(f"The whole way: {seconds / 60:.1f} min\n\nThe next Monday:", flush=True)
        monday = road.bring("last", sales.header, sales.last, len(sales.before))
        monday += road.command("monitor.py", "run")
        road.exported()
        print(f"The Monday, staging and loading among it: {monday / 60:.1f} min")
    if road.differ:
        raise SystemExit(f"Counts differ: {', '.join(road.differ)}")


if __name__ == "__main__":
    main()

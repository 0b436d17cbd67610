"""Load sales into the database: `python database_loader.py [--csv FILE] [--layout NAME]`.

Exit codes: 0 loaded (or nothing to do); 1 refused, in one line, with nothing written; 2 wrong
usage.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from sales_forecast.commands.arguments import add_layout
from sales_forecast.data.database import SAMPLE, Database, LoadReport
from sales_forecast.data.files.layouts import read_sales
from sales_forecast.data.gaps import Gap, gaps
from sales_forecast.data.panel import Panel
from sales_forecast.data.rows import SalesRows
from sales_forecast.data.sample import sample_rows
from sales_forecast.errors import SalesForecastError
from sales_forecast.settings import load_settings

USUAL_FILE = Path("data/Walmart_Sales.csv")


def main(argv: Sequence[str] | None = None) -> int:
    """Load one file or the sample; return the exit code."""
    parser = argparse.ArgumentParser(description="Load weekly sales into the database.")
    parser.add_argument(
        "--csv",
        type=Path,
        metavar="FILE",
        help=f"the file to load (default: {USUAL_FILE}, or else the generated sample)",
    )
    add_layout(parser)
    arguments = parser.parse_args(argv)
    file = arguments.csv or (USUAL_FILE if USUAL_FILE.exists() else None)
    try:
        with closing(Database(load_settings().database_url)) as database:
            if file is None:
                load_sample(database)
            else:
                load_file(database, file, arguments.layout)
    except SalesForecastError as error:
        print(error.message, file=sys.stderr)
        return 1
    return 0


def load_file(database: Database, file: Path, layout: str) -> None:
    """Load a file of real sales and say what was in it."""
    rows = read_sales(file, layout)
    report = database.write(rows, source=readable(file.resolve()))
    if report.sample_rows_removed:
        print(f"Removed the generated sample ({report.sample_rows_removed:,} rows).")
    print(f"Loaded {readable(file)}.")
    describe(rows, report)
    describe_stored(database.read_panel())


def load_sample(database: Database) -> None:
    """Load the generated sample, unless there are real sales already."""
    stored = database.source()
    if stored not in {None, SAMPLE}:
        print(f"No {USUAL_FILE} here. The database keeps the sales loaded from {stored}.")
        return
    rows = sample_rows()
    report = database.write(rows, SAMPLE)
    print(f"No {USUAL_FILE} here: loaded the generated sample. Its sales are invented.")
    print("  To load your own, which replace it: python database_loader.py --csv FILE")
    describe(rows, report)
    describe_stored(database.read_panel())


def describe(rows: SalesRows, report: LoadReport) -> None:
    """Print what was loaded, and what that changed."""
    weeks = f"weeks ending {rows.week.min()} .. {rows.week.max()}"
    print(f"  rows {len(rows):,}, stores {len(np.unique(rows.store)):,}, {weeks}")
    changes = f"inserted {report.inserted:,}, corrected {report.corrected:,}"
    print(f"  {changes}, unchanged {report.unchanged:,}")
    print(f"  negative sales (kept): {int((rows.sales < 0).sum()):,}")


def describe_stored(panel: Panel) -> None:
    """Print what the database now holds, and which weeks it lacks."""
    print(f"Stored now: stores {panel.n_series:,}, weeks ending {panel.first} .. {panel.last}")
    missing = gaps(panel)
    print(f"  stores with gaps: {len(missing):,}")
    for store, ranges in missing.items():
        count = sum(gap.weeks for gap in ranges)
        print(f"    store {store}, weeks missing {count:,}: {', '.join(map(shown, ranges))}")


def shown(gap: Gap) -> str:
    """Return the gap as one date or a range."""
    return str(gap.first) if gap.weeks == 1 else f"{gap.first} .. {gap.last}"


def readable(file: Path) -> str:
    """Return the name with a `?` for what is not text: it can be printed and stored."""
    return str(file).encode(errors="replace").decode()


if __name__ == "__main__":
    sys.exit(main())

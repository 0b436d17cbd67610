"""Load sales into the database: `python database_loader.py [--csv PATH] [--layout NAME]`.

A layout is `stores`, `departments`, `daily`, or a file that describes one's own; the database keeps
the panel as it is. `--sum-to-stores` adds departments up to weekly stores.

Forecasts of what became known are judged; see docs/forecasts.md.

Exit codes: 0 loaded (or nothing to do); 1 refused, in one line, with nothing written; 2 wrong
usage.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import date
from itertools import islice
from pathlib import Path

import numpy as np

from sales_forecast.commands.arguments import add_layout, check_layout
from sales_forecast.commands.ending import ended
from sales_forecast.commands.progress import shown
from sales_forecast.commands.reading import read_file
from sales_forecast.data.admission import SAMPLE
from sales_forecast.data.connectors.sql import answered
from sales_forecast.data.database import Database, LoadReport
from sales_forecast.data.far_plans import far_plans
from sales_forecast.data.files import delivery
from sales_forecast.data.files.layouts import read_sales
from sales_forecast.data.files.s3 import SCHEME, at_hand
from sales_forecast.data.frequency import WEEKLY
from sales_forecast.data.gaps import Gap, gaps
from sales_forecast.data.panel import Panel
from sales_forecast.data.sample import sample_rows
from sales_forecast.errors import STOPPED, SalesForecastError
from sales_forecast.operations.judging import judge
from sales_forecast.settings import Settings, load_settings

USUAL_FILE = Path("data/Walmart_Sales.csv")
MOST_GAPS, FEW_GAPS = 50, 10
"""Up to so many series with gaps are all named; of more, the first few, as of the gaps of one."""


def main(argv: Sequence[str] | None = None) -> int:
    """Load one file or the sample; return the exit code."""
    parser = argparse.ArgumentParser(description="Load sales into the database.")
    parser.add_argument(
        "--csv",
        metavar="PATH",
        help="the file or folder to load, also s3://BUCKET/KEY, or a query FILE.sql of "
        f"SOURCE_DATABASE_URL (default: {USUAL_FILE}, or else "
        "the generated sample)",
    )
    add_layout(parser)
    parser.add_argument(
        "--sum-to-stores",
        action="store_true",
        help="with --layout departments: store what whole stores sold in a week",
    )
    arguments = parser.parse_args(argv)
    if arguments.sum_to_stores and arguments.layout != "departments":
        parser.error("--sum-to-stores is for --layout departments alone")
    check_layout(parser, arguments)
    file = arguments.csv
    if file is None and USUAL_FILE.exists():
        file = str(USUAL_FILE)
    try:
        settings = load_settings()
        url = settings.database_url
        with closing(Database(url, settings.database_service_user)) as database:
            stored = (
                load_sample(database)
                if file is None
                else load_file(database, file, arguments, settings)
            )
    except SalesForecastError as error:
        print(error.message, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("database_loader.py: stopped, and nothing was loaded.", file=sys.stderr)
        return STOPPED
    return 0 if stored is None else judge_stored(url, stored)


def load_file(
    database: Database, file: str, arguments: argparse.Namespace, settings: Settings
) -> Panel:
    """Load a file or folder of real sales, say what was in it, and return what is stored now."""
    dates = arguments.dates
    _progress(arguments.layout, f"Reading {readable(file)}.")
    asked = settings.source_database_url
    url = asked.get_secret_value() if asked else None
    with (
        at_hand(file) as there,
        answered(there, url) as path,
        at_hand(arguments.layout) as layout,
    ):
        delivery.check(Path(path))
        panel = (
            read_sales(Path(path), layout, dates).to_panel()
            if arguments.sum_to_stores
            else read_file(Path(path), layout, dates, settings)
        )
        source = file if file.startswith(SCHEME) else Path(file).resolve()
    _progress(layout, f"Writing {panel.n_series:,} series.")
    report = database.write(panel, source=readable(source))
    if report.sample_rows_removed:
        print(f"Removed the generated sample ({report.sample_rows_removed:,} rows).")
    print(f"Loaded {readable(file)}.")
    describe(panel, report)
    _progress(layout, "Reading it back.")
    stored = database.read_panel()
    describe_stored(stored)
    return stored


def _progress(layout: str, stage: str) -> None:
    """Say what is being done, where it may take a while."""
    if layout != "stores":
        print(stage, file=sys.stderr)


def load_sample(database: Database) -> Panel | None:
    """Load the generated sample and return what is stored; None if there are real sales already."""
    database.migrate()  # another loader may be half-way: whoever reads waits for it
    stored = database.source()
    if stored not in {None, SAMPLE}:
        print(f"No {USUAL_FILE} here. The database keeps the sales loaded from {stored}.")
        return None
    panel = sample_rows().to_panel()
    report = database.write(panel, SAMPLE)
    print(f"No {USUAL_FILE} here: loaded the generated sample. Its sales are invented.")
    print("  To load your own, which replace it: python database_loader.py --csv FILE")
    describe(panel, report)
    found = database.read_panel()
    describe_stored(found)
    return found


def judge_stored(url: str, panel: Panel) -> int:
    """Judge the forecasts of what is stored and say how good they were; return the exit code."""
    later = "The sales are loaded; the next load judges their forecasts"
    try:
        with shown() as progress:
            judged = judge(url, panel, progress)
    except SalesForecastError as error:
        print(f"{later}, which failed now: {error.message}", file=sys.stderr)
    except KeyboardInterrupt:
        print(f"database_loader.py: stopped. {later}.", file=sys.stderr)
        return STOPPED
    else:
        if judged is not None:
            print(judged.sentence())
    return 0


def describe(panel: Panel, report: LoadReport) -> None:
    """Print what was loaded, and what that changed."""
    rows = report.inserted + report.corrected + report.unchanged
    sold = int((~np.isnan(panel.y)).sum())
    with_sales = "" if rows == sold else f" ({sold:,} with sales)"
    print(f"  rows {rows:,}{with_sales}, {words(panel)} {panel.n_series:,}, {dates(panel)}")
    changes = f"inserted {report.inserted:,}, corrected {report.corrected:,}"
    print(f"  {changes}, unchanged {report.unchanged:,}")
    print(f"  negative sales (kept): {int((panel.y < 0).sum()):,}")
    for note in panel.notes:
        print(f"  {note}")


def describe_stored(panel: Panel) -> None:
    """Print what the database now holds, and which periods it lacks."""
    print(f"Stored now: {words(panel)} {panel.n_series:,}, {dates(panel)}")
    missing = gaps(panel)
    print(f"  {words(panel)} with gaps: {len(missing):,}")
    named = len(missing) if len(missing) <= MOST_GAPS else FEW_GAPS
    one = words(panel).removesuffix("s") if words(panel) == "stores" else "series"
    for name, ranges in islice(missing.items(), named):
        count = sum(gap.periods for gap in ranges)
        unit = panel.frequency.unit
        print(f"    {one} {name}, {unit}s missing {count:,}: {dated(ranges, unit)}")
    if more := len(missing) - named:
        print(f"    and {more:,} more")
    for far in far_plans(panel):
        print(f"  {far} If that is a mistake, load the right one over it.")


def words(panel: Panel) -> str:
    """Return what the series of a panel are called."""
    of_stores = panel.spec is not None and panel.spec.layout in {"stores", "daily"}
    return "stores" if of_stores else "series"


def dates(panel: Panel) -> str:
    """Return the first and the last period with sales, and how far a plan goes on."""
    kind = "weeks ending" if panel.frequency == WEEKLY else "days"
    known = f"{kind} {panel.first} .. {panel.last}"
    planned = planned_until(panel)
    return f"{known}, planned until {planned}" if planned else known


def planned_until(panel: Panel) -> date | None:
    """Return the last period of a plan of the file's own, if it goes beyond the sales."""
    by_calendar = panel.spec.by_calendar if panel.spec else None
    lengths = [of.shape[1] for name, of in panel.plan.items() if name != by_calendar]
    ahead = max(lengths, default=0) - panel.n_periods
    return panel.after(ahead)[-1].item() if ahead > 0 else None


def dated(ranges: Sequence[Gap], unit: str) -> str:
    """Return the first few gaps as dates or ranges; days of one weekday by its name, once."""
    weekdays = {f"{gap.first:%A}s" for gap in ranges}
    lone = unit == "day" and all(gap.periods == 1 for gap in ranges)
    if lone and len(weekdays) == 1 and len(ranges) > FEW_GAPS:
        return f"{weekdays.pop()}, from {ranges[0].first} to {ranges[-1].last}"
    listed = [
        str(gap.first) if gap.periods == 1 else f"{gap.first} .. {gap.last}"
        for gap in ranges[:FEW_GAPS]
    ]
    more = len(ranges) - len(listed)
    return ", ".join(listed) + (f" and {more:,} more times" if more else "")


def readable(file: Path | str) -> str:
    """Return the name with a `?` for what is not text: it can be printed and stored."""
    return str(file).encode(errors="replace").decode()


if __name__ == "__main__":
    sys.exit(ended(main))

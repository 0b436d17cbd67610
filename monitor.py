"""Watch the champion: what its errors say, and what is to be done.

python monitor.py replay        run all rules over the history, as if it were live
python monitor.py decide        nothing, recalibrate intervals, or retrain; and why
python monitor.py report        how the champion does, and how fresh all is
python monitor.py run           the weekly job: what is not done yet of it
python monitor.py rollback      make the champion before, or the VERSION named, champion again
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime

from sales_forecast.commands import outputs, progress
from sales_forecast.commands.ending import ended, heard
from sales_forecast.commands.monitor_arguments import parse_monitor
from sales_forecast.commands.reading import stored
from sales_forecast.data.database import Database
from sales_forecast.data.files.layouts import read_panel
from sales_forecast.settings import load_settings


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code: 0 done, 1 refused or failed, 2 wrong usage."""
    arguments = parse_monitor(argv, __doc__.splitlines()[0])
    return heard(lambda: _COMMANDS[arguments.command](arguments), "monitor.py")


def decide(arguments: argparse.Namespace) -> int:
    """Say what is to be done about the champion, and why."""
    with progress.shown() as show:
        show("importing")
        from sales_forecast.operations.monitoring.champion import decision

        settings = load_settings()
        show("reading the sales")
        decided = decision(settings, stored(settings), show)
    if arguments.json:
        print(json.dumps(asdict(decided), indent=1))
    else:
        print(f"{decided.action.replace('_', ' ')}:", *decided.reasons, sep="\n- ")
    return 0


def replay(arguments: argparse.Namespace) -> int:
    """Run all rules over a history, and say what would have rung."""
    if arguments.csv:
        panel = read_panel(arguments.csv, arguments.layout, arguments.dates).with_zeros()
    else:
        with closing(Database(load_settings().database_url)) as database:
            panel = database.read_panel()
    with progress.shown() as show:
        show("importing the training libraries")
        from sales_forecast.operations.monitoring.replay import replay as replayed

        found = replayed(panel, arguments.model, show)
    print(json.dumps(found.summary(), indent=1) if arguments.json else found.text())
    return 0


def report(arguments: argparse.Namespace) -> int:
    """Say how the champion does; exit with 1 if that was asked and last Monday was missed."""
    outputs.check(arguments.html)
    with progress.shown() as show:
        show("importing")
        from sales_forecast.operations import report as reports
        from sales_forecast.operations import report_page

        show("reading what is known")
        found = reports.summary(load_settings(), datetime.now(UTC))
    if arguments.html:
        outputs.write(arguments.html, report_page.page(found))
    if arguments.json:
        print(json.dumps(reports.as_json(found), indent=1))
    else:
        print(report_page.text(found))
    return 1 if arguments.fail_if_missed and found.missed else 0


def run(arguments: argparse.Namespace) -> int:
    """Do what is not done yet of the weekly job, and say what became of each step."""
    with progress.shown() as show:
        show("importing")
        from sales_forecast.operations.monday import run_monday

        report = run_monday(load_settings(), datetime.now(UTC).date(), show)
    if arguments.json:
        steps = [asdict(result) for result in report.results]
        said = {"week": str(report.week), "succeeded": report.succeeded, "steps": steps}
        print(json.dumps(said, indent=1))
    else:
        print(f"The week of Monday {report.week}:")
        for result in report.results:
            print(f"- {result.step}, {result.status}: {result.told}")
    return 0 if report.succeeded else 1


def rollback(arguments: argparse.Namespace) -> int:
    """Make a model champion that was it before, and say so."""
    with progress.shown() as show:
        show("importing MLflow")
        from sales_forecast.operations.rollback import roll_back

        done = roll_back(load_settings(), arguments.version, arguments.reason, show)
    print(json.dumps(asdict(done), indent=1) if arguments.json else done.sentence)
    return 0


_COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "decide": decide,
    "replay": replay,
    "report": report,
    "run": run,
    "rollback": rollback,
}


if __name__ == "__main__":
    sys.exit(ended(main))

"""The words of `monitor.py`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from sales_forecast.commands.arguments import add_layout, check_layout


def parse_monitor(argv: Sequence[str] | None, description: str) -> argparse.Namespace:
    """Read the command line of `monitor.py`: `command` is one of its verbs. Exits with 2."""
    parser = argparse.ArgumentParser(description=description)
    commands = parser.add_subparsers(title="commands", dest="command", required=True)
    judge = commands.add_parser("decide", help="say whether to train, and why")
    again = commands.add_parser("replay", help="run all rules over the history, as if it were live")
    again.add_argument("--csv", type=Path, help="a sales file (default: the database)")
    add_layout(again)
    again.add_argument(
        "--model",
        metavar="NAME",
        help="whose errors are judged (default: arima; of many series, or days, pooled)",
    )
    back = commands.add_parser("rollback", help="make the champion before champion again")
    back.add_argument("version", nargs="?", metavar="VERSION", help="default: the one before")
    back.add_argument("--reason", default="", help="for whoever asks later")
    weekly = commands.add_parser("run", help="the weekly job: decide, train, forecast, tell")

    told = commands.add_parser("report", help="how the champion does, and how fresh all is")
    told.add_argument("--html", type=Path, metavar="FILE", help="also as a page")
    told.add_argument(
        "--fail-if-missed",
        action="store_true",
        help="exit with 1 if the job of the last Monday has not succeeded",
    )
    for command in (judge, again, back, weekly, told):
        command.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args(argv)
    if arguments.command == "replay":
        check_layout(parser, arguments)
    return arguments

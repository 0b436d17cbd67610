"""The words of `monitor.py`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence


def parse_monitor(argv: Sequence[str] | None, description: str) -> argparse.Namespace:
    """Read the command line of `monitor.py`: `command` is one of its verbs. Exits with 2."""
    parser = argparse.ArgumentParser(description=description)
    commands = parser.add_subparsers(title="commands", dest="command", required=True)
    judge = commands.add_parser("decide", help="say whether to train, and why")
    for command in (judge,):
        command.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args(argv)

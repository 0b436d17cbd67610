"""Watch the champion: what its errors say, and what is to be done.

python monitor.py decide        nothing, recalibrate intervals, or retrain; and why
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

from sales_forecast.commands import progress
from sales_forecast.commands.ending import ended
from sales_forecast.commands.monitor_arguments import parse_monitor
from sales_forecast.errors import STOPPED, SalesForecastError
from sales_forecast.settings import load_settings


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code: 0 done, 1 refused or failed, 2 wrong usage."""
    arguments = parse_monitor(argv, __doc__.splitlines()[0])
    try:
        return _COMMANDS[arguments.command](arguments)
    except SalesForecastError as error:
        print(error.message, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("monitor.py: stopped.", file=sys.stderr)
        return STOPPED


def decide(arguments: argparse.Namespace) -> int:
    """Say what is to be done about the champion, and why."""
    with progress.shown() as show:
        show("importing")
        from sales_forecast.operations.monitoring.champion import decision

        decided = decision(load_settings(), show)
    if arguments.json:
        print(json.dumps(asdict(decided), indent=1))
    else:
        print(f"{decided.action.replace('_', ' ')}:", *decided.reasons, sep="\n- ")
    return 0


_COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "decide": decide,
}


if __name__ == "__main__":
    sys.exit(ended(main))

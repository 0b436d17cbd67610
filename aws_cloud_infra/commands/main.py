"""A script's command line: read, run, and errors told in a sentence.

Takes a function that builds the stacks and the command line, gives an exit code: 0 done,
1 refused or failed, 2 wrong usage; `plan --detailed-exitcode` gives 2 where something would change.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.errors import AWS_ERRORS, translate
from aws_cloud_infra.account.settings import load_settings
from aws_cloud_infra.commands import operate
from aws_cloud_infra.commands.verbs import Verbs, WrongUsage
from aws_cloud_infra.engine.stack import Stack
from sales_forecast.errors import SalesForecastError


class Build(Protocol):
    """Gives the stack at hand and the other one."""

    def __call__(self, aws: Aws, *, final_snapshot: bool) -> tuple[Stack, Stack]:
        """Build both; `final_snapshot` is for when the database is destroyed."""


def main(build: Build, argv: Sequence[str] | None = None, *, operates: bool = False) -> int:
    """Run one verb; return the exit code. `operates`: those of `operate` are among them."""
    words = sys.argv[1:] if argv is None else argv
    operation = operates and bool(words) and words[0] in operate.VERBS
    arguments = (operate.parser() if operation else _parser(build, operates)).parse_args(words)
    try:
        settings = load_settings(arguments.config)
        # What it costs needs no account, so it can be asked before there is one.
        aws = Aws(settings, account="0" * 12 if arguments.verb == "cost" else None)
        mine, other = build(aws, final_snapshot=not arguments.no_snapshot)
        verbs = Verbs(arguments, settings, aws, mine, other)
        if operation:
            return operate.Operations(arguments, aws, mine, other, verbs.apply).run()
        return verbs.run()
    except WrongUsage as error:
        print(error, file=sys.stderr)
        return 2
    except SalesForecastError as error:
        print(error.message, file=sys.stderr)
        return 1
    except AWS_ERRORS as error:
        print(translate(error, "AWS", lambda _: None).message, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted. Run it again: it goes on where it stopped.", file=sys.stderr)
        return 130


def _parser(build: Build, operates: bool) -> argparse.ArgumentParser:  # noqa: FBT001
    more = f"Then: {', '.join(operate.VERBS)}; each has its --help." if operates else ""
    parser = argparse.ArgumentParser(description=getattr(build, "__doc__", ""), epilog=more)
    parser.add_argument(
        "verb",
        nargs="?",
        choices=("plan", "apply", "status", "destroy", "cost", "policy"),
        help="default: plan, ask, apply",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings: see docs/aws.md")
    parser.add_argument("--yes", action="store_true", help="apply or destroy without asking")
    parser.add_argument(
        "--json", action="store_true", help="for programs; plan, apply, status and cost"
    )
    parser.add_argument(
        "--detailed-exitcode", action="store_true", help="plan: exit 2 if something would change"
    )
    parser.add_argument("--include-data", action="store_true", help="destroy: all data, too")
    parser.add_argument(
        "--no-snapshot", action="store_true", help="with --include-data: no last database snapshot"
    )
    return parser

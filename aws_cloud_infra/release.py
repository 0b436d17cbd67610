"""What the pipeline does with images: judge, push, withdraw, check. See docs/deploy.md.

    release.py judge serve.json train.json
    release.py push sales-forecast:serve serve-1 sales-forecast:train train-1
    release.py withdraw serve-1 train-1
    release.py check

Takes a command line, gives an exit code: 0 done, 1 refused, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

# As a script: import the package from beside its folder, not its modules as if they were libraries.
if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from aws_cloud_infra.account.checks import names
from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.errors import AWS_ERRORS, translate
from aws_cloud_infra.account.settings import load_settings
from aws_cloud_infra.releasing.check import ATTEMPTS, check
from aws_cloud_infra.releasing.images import judge, push, withdraw
from sales_forecast.commands.ending import ended
from sales_forecast.errors import SalesForecastError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Release images: see docs/deploy.md.")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings: see docs/aws.md")
    verbs = parser.add_subparsers(dest="verb", required=True)
    judging = verbs.add_parser("judge", help="say whether what a scanner found stops a release")
    judging.add_argument("reports", nargs="+", type=Path, metavar="FILE", help="Grype's JSON")
    pushing = verbs.add_parser("push", help="upload, wait for the scan, release all or none")
    pushing.add_argument("images", nargs="+", metavar="IMAGE TAG", help="local image, its tag")
    pushing.add_argument(
        "--report", dest="reports", action="append", default=[], type=Path, metavar="FILE",
        help="Grype's JSON: AWS does not say what has no mended version",
    )  # fmt: skip
    for verb in (judging, pushing):
        verb.add_argument("--accept", default="", metavar="CVE,...", help="findings to live with")
    withdrawing = verbs.add_parser("withdraw", help="let images be deployed no more")
    withdrawing.add_argument("tags", nargs="+", metavar="TAG")
    withdrawing.add_argument(
        "--forget", action="store_true", help="delete them: others can be pushed under these tags"
    )
    checking = verbs.add_parser("check", help="ask the deployed service")
    checking.add_argument("--url", help="instead of the load balancer's")
    checking.add_argument("--attempts", type=int, default=ATTEMPTS, help=f"default: {ATTEMPTS}")
    return parser


def run(aws: Aws, arguments: argparse.Namespace) -> None:
    """Run one of the verbs that need an account."""
    if arguments.verb == "push":
        pairs = dict(zip(arguments.images[1::2], arguments.images[::2], strict=True))
        push(aws, pairs, names(arguments.accept), arguments.reports)
    elif arguments.verb == "withdraw":
        withdraw(aws, arguments.tags, forget=arguments.forget)
    else:
        check(aws, arguments.url, arguments.attempts)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; return 0, or 1 with a one-line reason, or 2 for wrong usage."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.verb == "push" and len(arguments.images) % 2:
        parser.error("push takes pairs: a local image and its tag, once or several times")
    try:
        if arguments.verb == "judge":
            judge(arguments.reports, names(arguments.accept))
        else:
            run(Aws(load_settings(arguments.config)), arguments)
    except SalesForecastError as error:
        print(error.message, file=sys.stderr)
        return 1
    except AWS_ERRORS as error:
        print(translate(error, "The registry", lambda _: None).message, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(ended(main))

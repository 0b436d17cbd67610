"""What `infra.py` does with stacks that stand: load, train, forecast, monitor, logs, open, release.

Takes a command line and both stacks, gives an exit code. Must not plan or change a stack but by
`apply`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from aws_cloud_infra.account.checks import names
from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.offers import LOG_DAYS
from aws_cloud_infra.engine.resource import Resource
from aws_cloud_infra.engine.stack import Stack
from aws_cloud_infra.operating import job, logs
from aws_cloud_infra.operating.load import Sales, load
from aws_cloud_infra.operating.release import release
from aws_cloud_infra.operating.tunnel import open_port
from aws_cloud_infra.resources.containers.schedule import Schedule
from aws_cloud_infra.resources.data.bucket import Bucket
from aws_cloud_infra.resources.machines.instance import Instance
from aws_cloud_infra.resources.watching.log_group import LogGroup
from aws_cloud_infra.stacks.shared import MLFLOW_PORT

VERBS = ("load", "train", "forecast", "monitor", "logs", "open", "release")
_WEEKLY = "weekly"
"""The job as which everything is started by hand."""
_MOST_MINUTES = 24 * 60 * LOG_DAYS[-1]
_STREAMS = {"service": "", _WEEKLY: "-weekly/", "check": "-check/"}
_One = TypeVar("_One", bound=Resource)


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line of one of `VERBS`."""
    reader = argparse.ArgumentParser(description="Work with what `apply` made. See docs/aws.md.")
    reader.set_defaults(json=False, yes=False, no_snapshot=False)  # as `apply` looks at them
    verbs = reader.add_subparsers(dest="verb", required=True)
    loading = verbs.add_parser("load", help="load a file or folder of sales into the database")
    loading.add_argument("file", type=Path)
    loading.add_argument("--layout", default="stores", help="as of database_loader.py")
    loading.add_argument("--dates", choices=("first", "last"), help="as of database_loader.py")
    loading.add_argument("--sum-to-stores", action="store_true", help="as of database_loader.py")
    verbs.add_parser("train", help="train once, now, and print what the training says")
    verbs.add_parser("forecast", help="issue forecasts once, now")
    watching = verbs.add_parser("monitor", help="let a job do what monitor.py does")
    watching.add_argument("what", help="as of monitor.py: run, report, decide, rollback, ...")
    watching.add_argument("more", nargs=argparse.REMAINDER, help="what else that takes")
    telling = verbs.add_parser("logs", help="print what was logged lately")
    telling.add_argument("of", choices=(*_STREAMS, "mlflow"), nargs="?", default="service")
    telling.add_argument("--minutes", type=_minutes, default=60, help="how long ago (default: 60)")
    opening = verbs.add_parser("open", help="open MLflow in the browser, until Ctrl-C")
    opening.add_argument("what", choices=("mlflow",))
    releasing = verbs.add_parser("release", help="build, push, scan, deploy and ask this commit")
    releasing.add_argument("--yes", action="store_true", help="apply without asking")
    releasing.add_argument("--url", help="where to ask it, if not at the load balancer")
    releasing.add_argument("--accept", default="", metavar="CVE,...", help="findings to live with")
    releasing.add_argument(
        "--report", dest="reports", action="append", default=[], type=Path, metavar="FILE",
        help="Grype's JSON: AWS does not say what has no mended version",
    )  # fmt: skip
    for each in verbs.choices.values():
        each.add_argument("--config", type=Path, metavar="FILE", help="settings: see docs/aws.md")
    return reader


def _minutes(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_MINUTES:
        raise argparse.ArgumentTypeError(
            f"{text} is not a whole number from 1 to {_MOST_MINUTES}, the {LOG_DAYS[-1]} days for "
            "which a log can be kept"
        )
    return int(text)


class Operations:
    """One run of one of `VERBS`. `apply` applies the serving stack and gives its exit code."""

    def __init__(
        self,
        arguments: argparse.Namespace,
        aws: Aws,
        serving: Stack,
        mlflow: Stack,
        apply: Callable[[], int],
    ) -> None:
        self._arguments = arguments
        self._aws = aws
        self._serving = serving.own
        self._mlflow = mlflow.own
        self._apply = apply

    def run(self) -> int:
        """Run the verb; return the exit code."""
        verb: Callable[[], int | None] = getattr(self, self._arguments.verb)
        return verb() or 0

    def load(self) -> None:
        """Load sales."""
        asked = self._arguments
        options = ["--dates", asked.dates] if asked.dates else []
        options += ["--sum-to-stores"] if asked.sum_to_stores else []
        bucket = _one(self._mlflow, Bucket)
        sales = Sales(asked.file, asked.layout, options)
        with _going_on():
            load(self._job, self._logs, bucket, sales)

    def train(self) -> None:
        """Train."""
        self._run("train.py")

    def forecast(self) -> None:
        """Issue forecasts."""
        self._run("train.py", "forecast")

    def monitor(self) -> None:
        """Do what `monitor.py` does with these words."""
        self._run("monitor.py", self._arguments.what, *self._arguments.more)

    def logs(self) -> None:
        """Show what was said."""
        of, minutes = self._arguments.of, self._arguments.minutes
        if of == "mlflow":
            logs.show(_one(self._mlflow, LogGroup), "", minutes)
        else:
            logs.show(self._logs, f"{self._aws.prefix}{_STREAMS[of]}", minutes)

    def open(self) -> int:
        """Open MLflow."""
        return open_port(_one(self._mlflow, Instance), MLFLOW_PORT)

    def release(self) -> int:
        """Release the commit at hand."""
        asked = self._arguments
        accepted = names(asked.accept)
        return release(self._aws, self._apply, asked.url, accepted, asked.reports)

    def _run(self, *words: str) -> None:
        with _going_on():
            job.run(self._job, self._logs, ["python", *words])

    @property
    def _job(self) -> Schedule:
        return _one(self._serving, Schedule, f"{self._aws.prefix}-{_WEEKLY}")

    @property
    def _logs(self) -> LogGroup:
        return _one(self._serving, LogGroup)


@contextmanager
def _going_on() -> Iterator[None]:
    """Say at Ctrl-C that a job does not hear it."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"The job, if it was started, goes on: `infra.py logs {_WEEKLY}`.", file=sys.stderr)
        raise


def _one(resources: Sequence[Resource], kind: type[_One], name: str = "") -> _One:
    """Return the resource of this very kind, and of a name where there are several."""
    (found,) = (item for item in resources if type(item) is kind and name in {"", item.name})
    return found

"""The verbs of both scripts: plan, apply, status, destroy, cost, policy. Only this module prints.

Takes a function that builds the stacks and the command line, gives an exit code: 0 done,
1 refused or failed, 2 wrong usage; `plan --detailed-exitcode` gives 2 where something would change.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from aws_cloud_infra import cost, policy, prices
from aws_cloud_infra.aws import Aws
from aws_cloud_infra.errors import AWS_ERRORS, translate
from aws_cloud_infra.resource import Resource, Within
from aws_cloud_infra.settings import InfraSettings, load_settings
from aws_cloud_infra.stack import (
    Action,
    Change,
    Report,
    Stack,
    apply,
    destroy,
    plan,
    plan_destroy,
    refuse_what_is_refused,
)
from sales_forecast.errors import SalesForecastError


class Build(Protocol):
    """Gives the stack at hand and the other one."""

    def __call__(self, aws: Aws, *, final_snapshot: bool) -> tuple[Stack, Stack]:
        """Build both; `final_snapshot` is for when the database is destroyed."""


_SIGNS = {Action.CREATE: "+", Action.UPDATE: "~", Action.DELETE: "-", Action.REFUSE: "!"}
_DONE = {Action.CREATE: "created", Action.UPDATE: "updated", Action.DELETE: "deleted"}
_STATES = {
    Action.CREATE: "missing",
    Action.UPDATE: "differs",
    Action.KEEP: "as it should be",
    Action.REFUSE: "refused",
}
_WIDEST = 120


class _WrongUsage(Exception):
    """Something that the command line lacks."""


def main(build: Build, argv: Sequence[str] | None = None) -> int:
    """Run one verb; return the exit code."""
    arguments = _parser(build).parse_args(argv)
    try:
        settings = load_settings(arguments.config)
        # What it costs needs no account, so it can be asked before there is one.
        aws = Aws(settings, account="0" * 12 if arguments.verb == "cost" else None)
        mine, other = build(aws, final_snapshot=not arguments.no_snapshot)
        return _Commands(arguments, settings, aws, mine, other).run()
    except _WrongUsage as error:
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


def _parser(build: Build) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=getattr(build, "__doc__", ""))
    parser.add_argument(
        "verb",
        nargs="?",
        choices=("plan", "apply", "status", "destroy", "cost", "policy"),
        help="default: plan, ask, apply",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings: see docs/aws.md")
    parser.add_argument("--yes", action="store_true", help="apply or destroy without asking")
    parser.add_argument("--json", action="store_true", help="for programs; plan, apply and status")
    parser.add_argument(
        "--detailed-exitcode", action="store_true", help="plan: exit 2 if something would change"
    )
    parser.add_argument("--include-data", action="store_true", help="destroy: all data, too")
    parser.add_argument(
        "--no-snapshot", action="store_true", help="with --include-data: no last database snapshot"
    )
    return parser


class _Commands:
    """One run of a script."""

    def __init__(
        self,
        arguments: argparse.Namespace,
        settings: InfraSettings,
        aws: Aws,
        mine: Stack,
        other: Stack,
    ) -> None:
        self._arguments = arguments
        self._settings = settings
        self._aws = aws
        self._mine = mine
        self._other = other

    def run(self) -> int:
        verb: Callable[[], int] = getattr(self, self._arguments.verb or "apply")
        return verb()

    def plan(self) -> int:
        changes = plan(self._mine.resources)
        if self._arguments.json:
            _print_json({**self._about, "changes": [_as_json(change) for change in changes]})
        else:
            self._show(changes)
        refuse_what_is_refused(changes)
        return 2 if self._arguments.detailed_exitcode and _busy(changes) else 0

    def apply(self) -> int:
        changes = plan(self._mine.resources)
        self._show(changes)
        refuse_what_is_refused(changes)
        if _busy(changes) and not self._agreed("Apply this?"):
            print("Nothing was changed.", file=sys.stderr)
            return 1
        with _progress() as report:
            lives = apply(changes, report)
        outputs = self._mine.outputs(lives)
        if self._arguments.json:
            _print_json({**self._about, "outputs": outputs})
        else:
            _print_outputs(outputs)
        return 0

    def status(self) -> int:
        changes = plan(self._mine.resources)
        lives = {change.resource: change.live for change in changes if change.live}
        outputs = self._mine.outputs(lives)
        if self._arguments.json:
            resources = [
                {**_as_json(change), "state": _STATES[change.action],
                 "notes": list(change.live.notes) if change.live else []}
                for change in changes
            ]  # fmt: skip
            _print_json({**self._about, "resources": resources, "outputs": outputs})
            return 0
        print(self._title)
        for change in changes:
            notes = change.live.notes if change.live else ()
            if notes or not change.resource.only_found:
                print(f"  {_STATES[change.action]:<16}{change.resource}")
            for note in notes:
                print(f"  {'':<16}  {note}")
        _print_outputs(outputs)
        return 0

    def destroy(self) -> int:
        changes = plan_destroy(self._mine, self._other, include_data=self._arguments.include_data)
        self._show(changes)
        if not _busy(changes):
            return 0
        if not self._agreed("Delete this?"):
            print("Nothing was deleted.", file=sys.stderr)
            return 1
        with _progress() as report:
            destroy(changes, report)
        return 0

    def cost(self) -> int:
        lines = cost.monthly(self._mine.resources)
        widest = max(len(line.resource) for line in lines)
        for line in lines:
            print(f"{line.resource:<{widest}}{line.dollars:>9.2f}")
        print(f"{'a month':<{widest}}{sum(line.dollars for line in lines):>9.2f}")
        print(f"By {prices.basis()}; traffic, stored images and logs of a small shop included.")
        return 0

    def policy(self) -> int:
        _print_json(policy.document(self._mine.resources))
        return 0

    @property
    def _about(self) -> dict[str, str]:
        return {
            "stack": self._mine.name,
            "project": self._settings.project,
            "environment": self._settings.environment,
            "region": self._aws.region,
            "account": self._aws.account,
        }

    @property
    def _title(self) -> str:
        about = self._about
        return (
            f"{about['stack']} stack of {about['project']}, {about['environment']}, in "
            f"{about['region']}, account {about['account']}"
        )

    def _show(self, changes: Sequence[Change]) -> None:
        """Print what would be done; beside JSON, on the other channel."""
        out = sys.stderr if self._arguments.json else sys.stdout
        print(self._title, file=out)
        for change in changes:
            for line in _lines(change):
                print(line, file=out)
        counts = {action: sum(item.action is action for item in changes) for action in Action}
        said = [f"{number} to {action}" for action, number in counts.items() if number]
        print(f"Plan: {', '.join(said) or 'nothing there'}.", file=out)

    def _agreed(self, question: str) -> bool:
        if self._arguments.yes:
            return True
        if not sys.stdin.isatty():
            raise _WrongUsage("Nobody to ask here: add --yes to do this without asking.")
        return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}


def _busy(changes: Sequence[Change]) -> bool:
    return any(change.action is not Action.KEEP for change in changes)


def _lines(change: Change) -> Iterator[str]:
    """Yield what to show of a change; nothing for what stays as it is without a reason."""
    if change.action is Action.KEEP:
        if change.reason:
            yield f"  = {change.resource}: stays, {change.reason}"
        return
    yield f"  {_SIGNS[change.action]} {change.resource}"
    if change.action is Action.CREATE:
        for name, value in change.desired.items():
            yield f"        {name}: {_brief(value)}"
        return
    for item in change.differences:
        yield f"        {item.setting}: {_brief(item.old)} -> {_brief(item.new)}"


def _brief(value: Any) -> str:
    """Return a value on one line; what is too long is in the JSON."""
    if value is None or value == "":
        return "none"
    text = str(value) if isinstance(value, str | Within) else json.dumps(value, default=str)
    return text if len(text) <= _WIDEST else f"{text[:_WIDEST]}..."


def _as_json(change: Change) -> dict[str, Any]:
    return {
        "kind": change.resource.kind,
        "name": change.resource.name,
        "action": change.action,
        "id": change.live.id if change.live else None,
        "differences": [
            {"setting": item.setting, "old": item.old, "new": item.new}
            for item in change.differences
        ],
        "reason": change.reason,
    }


def _print_json(content: Mapping[str, Any]) -> None:
    print(json.dumps(content, indent=2, default=str))


def _print_outputs(outputs: Mapping[str, str]) -> None:
    for name, value in outputs.items():
        print(f"{name}: {value}")


@contextmanager
def _progress() -> Iterator[Report]:
    """Give a report that prints each finished resource, and on a terminal shows those under way."""
    console = Console(stderr=True, highlight=False)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    quiet = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=quiet) as bar:
        under_way: dict[Resource, TaskID] = {}

        def report(change: Change, seconds: float | None) -> None:
            if seconds is None:
                text = f"{change.action.removesuffix('e')}ing {change.resource}"
                under_way[change.resource] = bar.add_task(text, total=None)
                return
            bar.remove_task(under_way.pop(change.resource))
            console.print(f"{_DONE[change.action]} {change.resource} ({seconds:.1f} s)")

        yield report

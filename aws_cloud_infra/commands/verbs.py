"""The verbs themselves: plan, apply, status, destroy, cost and policy of one stack.

Takes a command line that was read and both stacks, gives an exit code: 0 done, 1 not agreed to,
2 where `plan --detailed-exitcode` found something to change.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from aws_cloud_infra.account import prices
from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.settings import InfraSettings
from aws_cloud_infra.commands.progress import progress, waiting
from aws_cloud_infra.commands.show import STATES, as_json, lines
from aws_cloud_infra.engine import cost, policy
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.changes import Action, Change, Report
from aws_cloud_infra.engine.destroy import destroy, plan_destroy
from aws_cloud_infra.engine.lease import Lease, LeaseHeld
from aws_cloud_infra.engine.plan import plan_stack, refuse_what_is_refused
from aws_cloud_infra.engine.stack import Stack
from sales_forecast.errors import SettingsError

_Done = TypeVar("_Done")


class WrongUsage(Exception):
    """Something that the command line lacks."""


class Verbs:
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
        """Run the verb that was given, or `apply`; return the exit code."""
        verb: Callable[[], int] = getattr(self, self._arguments.verb or "apply")
        return verb()

    def plan(self) -> int:
        """Show what would change. Raises what `apply` would be refused for."""
        changes = plan_stack(self._mine)
        if self._arguments.json:
            _print_json({**self._about, "changes": [as_json(change) for change in changes]})
        else:
            self._show(changes)
        refuse_what_is_refused(changes)
        return 2 if self._arguments.detailed_exitcode and _busy(changes) else 0

    def apply(self) -> int:
        """Show the plan, ask, carry it out, and show the outputs."""
        changes = plan_stack(self._mine)
        self._show(changes)
        refuse_what_is_refused(changes)
        agreed = self._heeded(changes)
        if not agreed or (_busy(changes) and not self._agreed("Apply this?")):
            print("Nothing was changed.", file=sys.stderr)
            return 1
        if _busy(changes):
            lives = self._carry_out(changes, lambda: plan_stack(self._mine), apply)
        else:
            lives = apply(changes, Report())
        with waiting("Waiting until it answers...") as say:
            self._mine.answers(lives, say)
        outputs = self._mine.outputs(lives)
        if self._arguments.json:
            _print_json({**self._about, "outputs": outputs})
        else:
            _print_outputs(outputs)
        return 0

    def status(self) -> int:
        """Show what there is, how it does, and the outputs."""
        changes = plan_stack(self._mine)
        lives = {change.resource: change.live for change in changes if change.live}
        outputs = self._mine.outputs(lives)
        if self._arguments.json:
            resources = [
                {**as_json(change), "state": STATES[change.action],
                 "notes": list(change.live.notes) if change.live else []}
                for change in changes
            ]  # fmt: skip
            _print_json({**self._about, "resources": resources, "outputs": outputs})
            return 0
        print(self._title)
        for change in changes:
            notes = change.live.notes if change.live else ()
            if notes or not change.resource.only_found:
                print(f"  {STATES[change.action]:<16}{change.resource}")
            for note in notes:
                print(f"  {'':<16}  {note}")
        _print_outputs(outputs)
        return 0

    def destroy(self) -> int:
        """Show what would go and what stays, ask, and delete it."""
        include = self._arguments.include_data
        planned = partial(plan_destroy, self._mine, self._other, include_data=include)
        changes = planned()
        self._show(changes)
        if not _busy(changes):
            return 0
        if not self._agreed("Delete this?"):
            print("Nothing was deleted.", file=sys.stderr)
            return 1
        self._carry_out(changes, planned, destroy)
        return 0

    def cost(self) -> int:
        """Show what the stack costs a month, line by line."""
        lines = cost.monthly(self._mine.resources)
        total, today = sum(line.dollars for line in lines), datetime.now(UTC).date()
        if self._arguments.json:
            _print_json({
                **{name: about for name, about in self._about.items() if name != "account"},
                "lines": [asdict(replace(line, dollars=round(line.dollars, 2))) for line in lines],
                "dollars_a_month": round(total, 2),
                "prices": prices.basis(today),
                "prices_months_old": prices.months_old(today),
            })  # fmt: skip
            return 0
        widest = max(len(line.resource) for line in lines)
        for line in lines:
            print(f"{line.resource:<{widest}}{line.dollars:>9.2f}")
        print(f"{'a month':<{widest}}{total:>9.2f}")
        counted = "traffic, stored images, logs and an hour a job of a small shop included"
        print(f"By {prices.basis(today)}; {counted}.")
        return 0

    def policy(self) -> int:
        """Show the least policy that the verbs need: a line for each part that can be attached."""
        needed = policy.statements(self._mine.resources, self._mine.retired)
        for part in policy.parts([*needed, *self._mine.rights]):
            print(json.dumps(part, separators=(",", ":")))
        return 0

    def _carry_out(
        self,
        shown: Sequence[Change],
        planned: Callable[[], list[Change]],
        do: Callable[[Sequence[Change], Report], _Done],
    ) -> _Done:
        """Carry out what was shown, once nobody else changes anything.

        Raises LeaseHeld if somebody does, or has since a person agreed to the plan.
        """
        lease = Lease(self._aws)
        with lease.hold():
            changes = planned()
            if _told(changes) != _told(shown):
                if not self._arguments.yes:
                    raise LeaseHeld("Somebody has changed something since the plan: run it again.")
                self._show(changes)
            with progress(lease.check) as report:
                return do(changes, report)

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
            for line in lines(change):
                print(line, file=out)
        actions = [change.action for change in changes]
        said = [f"{actions.count(of)} to {of}" for of in Action if of in actions]
        print(f"Plan: {', '.join(said) or 'nothing there'}.", file=out)
        if left := [str(change.resource) for change in changes if change.action is Action.LEAVE]:
            print(
                f"Left as it is: {', '.join(left)}. What gives rights or holds data only a "
                "person may change: run this with your own login.",
                file=out,
            )

    def _heeded(self, changes: Sequence[Change]) -> bool:
        """Ask before something is made that calls for caution; of what is there, only tell."""
        for change in changes:
            if not change.resource.caution:
                continue
            said = f"{change.resource}: {change.resource.caution}"
            if change.action is not Action.CREATE:
                print(said, file=sys.stderr)
            elif self._arguments.yes or not sys.stdin.isatty():
                raise SettingsError(said)
            elif not self._agreed(f"{said}\nMake it all the same?"):
                return False
        return True

    def _agreed(self, question: str) -> bool:
        if self._arguments.yes:
            return True
        if not sys.stdin.isatty():
            raise WrongUsage("Nobody to ask here: add --yes to do this without asking.")
        print(question, end=" [y/N] ", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _told(changes: Sequence[Change]) -> list[Any]:
    return [(change.resource, change.action, change.differences) for change in changes]


def _busy(changes: Sequence[Change]) -> bool:
    return any(change.action not in {Action.KEEP, Action.LEAVE} for change in changes)


def _print_json(content: Mapping[str, Any]) -> None:
    print(json.dumps(content, indent=2, default=str))


def _print_outputs(outputs: Mapping[str, str]) -> None:
    for name, value in outputs.items():
        print(f"{name}: {value}")

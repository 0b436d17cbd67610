"""Progress: what is under way on a terminal, and a line for whatever is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from aws_cloud_infra.engine.changes import Action, Change, Report
from aws_cloud_infra.engine.resource import Resource

_DONE = {Action.CREATE: "created", Action.UPDATE: "updated", Action.DELETE: "deleted"}


class _Shown(Report):
    """Prints each finished resource, and on a terminal shows those under way."""

    def __init__(self, console: Console, bar: Progress, before: Callable[[], None]) -> None:
        self._console = console
        self._bar = bar
        self._before = before
        self._under_way: dict[Resource, TaskID] = {}

    def begins(self, change: Change) -> None:
        self._before()
        self._under_way[change.resource] = self._bar.add_task(_doing(change), total=None)

    def waits(self, change: Change, why: str) -> None:
        if change.resource in self._under_way:
            text = f"{_doing(change)}: waits. {escape(why)}"
            self._bar.update(self._under_way[change.resource], description=text)

    def done(self, change: Change, seconds: float) -> None:
        self._bar.remove_task(self._under_way.pop(change.resource))
        self._console.print(f"{_DONE[change.action]} {change.resource} ({seconds:.1f} s)")


@contextmanager
def progress(before: Callable[[], None]) -> Iterator[Report]:
    """Give a report that shows how changes go along, and calls `before` ahead of each."""
    console = Console(stderr=True, highlight=False)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    quiet = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=quiet) as bar:
        yield _Shown(console, bar, before)


@contextmanager
def waiting(what: str) -> Iterator[Callable[[str], None]]:
    """Show what is waited for, and on a terminal why it is not there yet."""
    console = Console(stderr=True, highlight=False)
    with console.status(what) as status:
        yield lambda why: status.update(f"{what} {escape(why)}")


def _doing(change: Change) -> str:
    return f"{change.action.removesuffix('e')}ing {change.resource}"

"""Progress: what is under way on a terminal, and a line for whatever is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from aws_cloud_infra.engine.changes import Action, Change, Report
from aws_cloud_infra.engine.resource import Resource

_DONE = {Action.CREATE: "created", Action.UPDATE: "updated", Action.DELETE: "deleted"}


@contextmanager
def progress() -> Iterator[Report]:
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

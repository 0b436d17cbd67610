"""A process that dies in the middle of its work, for tests of what the next one finds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa


class _Stop(OSError):
    pass


@contextmanager
def stopped_after(number: int) -> Iterator[None]:
    """Fail after so many statements that change something, as a process that is killed."""
    left = number

    def after(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        nonlocal left
        if statement.lstrip().split()[0].upper() in {"SELECT", "PRAGMA", "SHOW", "BEGIN", "SET"}:
            return
        left -= 1
        if left == 0:
            raise _Stop("killed")

    sa.event.listen(sa.Engine, "after_cursor_execute", after)
    try:
        yield
    finally:
        sa.event.remove(sa.Engine, "after_cursor_execute", after)

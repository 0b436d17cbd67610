"""A process that dies in the middle of its work, for tests of what the next one finds."""

from __future__ import annotations

import faulthandler
import os
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa

_PATIENCE_SECONDS = 300


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


def in_a_fork(work: Callable[[], object]) -> int:
    """Do some work in a copy of this process, which imports nothing anew; the status it ends with.

    Of work that is not killed it is 256, as of work that waits for a thread which the copy does not
    have: after five minutes it says where.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads that sleep do no harm
        child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    try:
        # No watchdog of `faulthandler`: to start one it waits for that of the process copied.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        faulthandler.register(signal.SIGALRM, chain=True)
        signal.alarm(_PATIENCE_SECONDS)
        work()
    finally:
        os._exit(1)

"""What a command says of its work on the standard error, while it works.

Gives a function that takes texts such as "one step: window 3 of 39: fitting arima". Prints nothing
where there is nothing to wait for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from rich.console import Console
from rich.markup import escape

SILENCE = 10.0
"""Seconds after which a stage is told anew, with how far it is.

Six times as many at most, while nothing else is to be told.
"""


@contextmanager
def shown(silence: float = SILENCE) -> Iterator[Callable[[str], None]]:
    """Show the newest text on a terminal; elsewhere each stage as a line, and again after a while.

    A stage is what stands before the first colon.
    """
    console = Console(stderr=True, highlight=False)
    if console.is_terminal:
        with console.status("starting") as status:
            yield lambda text: status.update(escape(text))
        return
    newest, ended = [""], Event()

    def show(text: str) -> None:
        stage = text.partition(":")[0]
        if stage != newest[0].partition(":")[0]:
            console.out(stage)
        newest[0] = text

    def remind() -> None:
        told, pause = "", silence
        while not ended.wait(pause):
            pause = min(2 * pause, 6 * silence) if told == newest[0] else silence
            told = newest[0]
            console.out(told)

    reminder = Thread(target=remind)
    reminder.start()
    try:
        yield show
    finally:
        ended.set()
        reminder.join()

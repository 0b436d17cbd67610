"""Whether the database answers: asked once for all who want to know at the same time.

Takes a question to the database, gives its answer within two seconds or says that there is none. It
is asked beside all other work, by a thread that holds no stop up. Must not know HTTP.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread

from sales_forecast.errors import DatabaseError

_SECONDS_TO_ANSWER = 2.0
_SECONDS_TO_ASK_ANEW = 30.0
"""Drivers give a dead server up before; one that waits for longer may wait for ever."""


class Pulse:
    """What a database answers to a question that is asked again and again."""

    def __init__(self, ask: Callable[[], object]) -> None:
        self._ask = ask
        self._answer: Future[None] | None = None
        self._asked_at = 0.0

    async def check(self) -> None:
        """Return if it answers now. Raises what `ask` raises, DatabaseError where it is silent."""
        now = time.monotonic()
        if (
            self._answer is None
            or self._answer.done()
            or now > self._asked_at + _SECONDS_TO_ASK_ANEW
        ):
            self._answer, self._asked_at = Future(), now
            Thread(target=self._feel, args=[self._answer], name="pulse", daemon=True).start()
        answer = asyncio.wrap_future(self._answer)
        try:
            await asyncio.wait_for(asyncio.shield(answer), _SECONDS_TO_ANSWER)
        except TimeoutError:
            silent = time.monotonic() - self._asked_at
            raise DatabaseError(f"The database has been silent for {silent:.0f} s.") from None

    def _feel(self, answer: Future[None]) -> None:
        try:
            self._ask()
        except BaseException as error:  # noqa: BLE001 - it is raised again by whoever waits
            answer.set_exception(error)
        else:
            answer.set_result(None)

"""PostgreSQL's connections that end where their server is silent, and wait where it works.

Takes the arguments of a connection, gives one. A server that stands still keeps its connections
open, and its driver waits for it without end; one that sorts millions of rows says as little, but
answers whoever comes meanwhile. Must not know what is asked.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, Self

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.waiting import Ready, Wait

from sales_forecast.data.database_address import CONNECT

_SECONDS = 10.0
"""How long a server may say nothing before somebody else asks it."""


class Listening(psycopg.Connection[tuple[Any, ...]]):
    """A connection that is given up once its server says nothing to anybody.

    Attributes:
        arguments: how it was made, and how another one is.
    """

    arguments: dict[str, Any]

    @classmethod
    def to(cls, _: object, __: object, ___: object, arguments: dict[str, Any]) -> Self:
        """Return a connection; the parameters are those of SQLAlchemy's `do_connect`."""
        bounded = {**CONNECT["postgresql+psycopg"], **arguments}
        connection = cls.connect(**bounded)
        connection.arguments = bounded
        return connection

    def wait(self, gen: PQGen[RV], *arguments: Any, **named: Any) -> RV:
        """Wait for an answer, as the driver does. Raises OperationalError for a dead server."""
        return super().wait(self._heard(gen), *arguments, **named)

    def _heard(self, answer: PQGen[RV]) -> Generator[Wait, Ready | int, RV]:
        heard = time.monotonic()
        try:
            awaited = next(answer)
            while True:
                ready = yield awaited
                now = time.monotonic()
                if ready:
                    heard = now
                elif now > heard + _SECONDS:
                    self._ask_beside()
                    heard = time.monotonic()
                awaited = answer.send(ready)
        except StopIteration as end:
            found: RV = end.value
            return found

    def _ask_beside(self) -> None:
        """Close this connection, and raise OperationalError, where no new one is answered."""
        try:
            psycopg.connect(**self.arguments).close()
        except psycopg.errors.ConnectionTimeout as error:
            self.pgconn.finish()
            raise psycopg.OperationalError("it is silent, to whoever else asks as well") from error
        except psycopg.OperationalError:
            pass  # it refuses, so it lives

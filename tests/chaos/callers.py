"""Callers who go on asking whatever happens, and note what became of each question."""

from __future__ import annotations

import http.client
import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

CALLERS = 4
_SECONDS_BETWEEN = 0.02
"""So that faults, and not the load, are what is met."""
_PATIENCE_SECONDS = 30


@dataclass(frozen=True)
class Question:
    """What is posted."""

    path: str
    body: bytes


@dataclass(frozen=True)
class Outcome:
    """What became of a question.

    Attributes:
        status: of the answer; None where there was none.
        said: the body, and the version of the model in the head; what broke the connection.
        kept_as: the id under which it is to be found in the ledger.
        during: what was wrong when it was asked or when it was answered.
    """

    question: Question
    status: int | None
    said: tuple[bytes, str | None]
    kept_as: str | None
    during: frozenset[str]


class Callers:
    """Ask by turns, on connections that last as long as the service lets them."""

    def __init__(self, questions: Sequence[Question], seed: int) -> None:
        self.outcomes: list[Outcome] = []
        self.port = 0
        self.wrong: frozenset[str] = frozenset()
        """What is wrong just now."""
        self._questions = questions
        self._seed = seed
        self._happened = threading.Condition()
        self._stop = threading.Event()

    @contextmanager
    def asking(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._ask, args=[n]) for n in range(CALLERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def wait(self, number: int, seconds: float) -> bool:
        """Wait for so many more answers, but no longer than so many seconds."""
        with self._happened:
            wanted = len(self.outcomes) + number
            return self._happened.wait_for(lambda: len(self.outcomes) >= wanted, seconds)

    def _ask(self, number: int) -> None:
        chance = random.Random(f"{self._seed} {number}")  # noqa: S311 - no secret
        while not self._stop.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self.port, _PATIENCE_SECONDS)
            with closing(connection):
                while not self._stop.wait(_SECONDS_BETWEEN):
                    outcome = self._outcome(connection, chance.choice(self._questions))
                    with self._happened:
                        self.outcomes.append(outcome)
                        self._happened.notify_all()
                    if outcome.status is None:
                        break

    def _outcome(self, connection: http.client.HTTPConnection, asked: Question) -> Outcome:
        before = self.wrong
        try:
            connection.request("POST", asked.path, asked.body)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            broken = repr(error).encode(), None
            return Outcome(asked, None, broken, None, before | self.wrong)
        said = body, answer.headers["X-Model-Version"]
        kept_as = answer.headers["X-Prediction-ID"]
        return Outcome(asked, answer.status, said, kept_as, before | self.wrong)

"""The ledger of answers, for whoever gives them: a row is on disk when `append` returns.

Takes rows as lines of JSON, writes each to a file of this machine and moves the files into the
database by a thread of its own. A database that is away is waited for, and so is, in memory, room
on a full disk; nothing here ever fails an answer: what could not be kept is counted, and said once.
Must not know what is answered. Longer than other modules: what writes and what moves share their
counts and locks.
"""

from __future__ import annotations

import errno
import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Literal, Self

import sqlalchemy as sa

from sales_forecast.data.ledger import store
from sales_forecast.data.ledger.segments import MOST_BYTES, Segment, Segments
from sales_forecast.data.ledger.store import LedgerStore
from sales_forecast.data.ledger.tables import ledger_url
from sales_forecast.errors import DatabaseError
from sales_forecast.settings import Settings

Result = Literal["written", "lost", "moved", "torn"]
"""On disk; neither there nor elsewhere; in the database; cut off on disk, and of no use."""
FOLDER = "ledger"
"""Of the folder of a deployment, where rows wait."""
_SECONDS = 1.0
_SECONDS_WHILE_AWAY = 5.0
_SECONDS_TO_STOP = 8.0
_FULL = frozenset({errno.ENOSPC, errno.EFBIG})
"""Of a disk, and of what this process may write to one file."""
_MOST_HELD = 16 << 20
"""Bytes of rows that wait in memory for room on a full disk."""
_SLICE = 128 << 10
"""Bytes that are moved at once: a database reads them within milliseconds."""
_IDLE = 9.0
"""Where answers came meanwhile, the thread rests so many times as long as a slice took."""
_BEHIND = 0.5
"""The fuller what may wait becomes, the shorter it rests: from this part on not at all."""

logger = logging.getLogger(__name__)


class Ledger:
    """Keeps rows while the context is open. `append` is for one thread.

    Attributes:
        count: is told how many rows came to which `Result`; nobody is, at first.
    """

    count: Callable[[Result, int], object]

    def __init__(self, url: str, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        """Take a URL as `tables.ledger_url` gives it. Raises SettingsError for another."""
        self._store = LedgerStore(url)
        self._segments = Segments(folder, most_bytes)
        self.count = lambda *_: None
        self._stop = Event()
        self._deadline = float("inf")
        self._thread: Thread | None = None
        self._written = self._told = 0
        self._telling = Lock()
        self._losing = False
        self._held: deque[bytes] = deque()
        self._held_bytes = 0
        self._holding = Lock()
        self._problem: str | None = None
        self._behind = False

    @classmethod
    def from_settings(cls, settings: Settings) -> Self | None:
        """Return what a deployment asks for; None if it wants none, or has nowhere to keep it."""
        url = ledger_url(settings.database_url) if settings.prediction_ledger else None
        return None if url is None else cls(url, settings.var_dir / FOLDER)

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._keep_moving, name="ledger", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._deadline = time.monotonic() + _SECONDS_TO_STOP
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_SECONDS_TO_STOP + 1)
            if self._thread.is_alive():  # in a database that keeps silent; its files are left
                return
        self.close()

    def close(self) -> None:
        """Leave what was not moved to the next process."""
        self._write_held()
        if self._held:
            self.count("lost", len(self._held))
            logger.warning("%d answers found no room on the disk; they are lost.", len(self._held))
        self._segments.close()
        self._store.close()

    def append(self, line: bytes) -> None:
        """Keep a row, in the form that `store.COLUMNS` says, with a line break."""
        try:
            self._segments.append(line)
        except OSError as error:
            if error.errno not in _FULL or not self._hold(line):
                self.count("lost", 1)
            if not self._losing:
                self._losing = True
                logger.warning(
                    "Answers are not kept: %s: %s. They go on; the ledger misses them.",
                    self._segments.folder,
                    error.strerror,
                )
        else:
            self._written += 1
            if self._losing:
                self._losing = False
                self._write_held()
                logger.warning("Answers are kept again.")

    def _hold(self, line: bytes) -> bool:
        """Keep a row in memory. Returns whether there is room for it."""
        with self._holding:
            fits = self._held_bytes + len(line) <= _MOST_HELD
            if fits:
                self._held.append(line)
                self._held_bytes += len(line)
        return fits

    def _write_held(self) -> None:
        """Write what is held, as far as there is room again."""
        with self._holding, suppress(OSError):
            while self._held:
                self._segments.append(self._held[0])
                self._held_bytes -= len(self._held.popleft())
                self.count("written", 1)

    def tell(self) -> None:
        """Count what was written since; to do so for each row would take as long as to write it."""
        with self._telling:
            written = self._written
            if written > self._told:
                self.count("written", written - self._told)
                self._told = written

    def move(self) -> bool:
        """Move what waits into the database. Returns whether it answered; raises nothing."""
        self.tell()
        self._write_held()
        try:
            self._move()
        except DatabaseError as error:
            problem = error.message
        except OSError as error:
            problem = f"{error.filename}: {error.strerror}."
        else:
            if self._problem is not None:
                logger.warning("The ledger's database takes rows again.")
            self._problem = None
            if self._behind and self._segments.full < _BEHIND / 2:
                self._behind = False
                logger.warning("The ledger's database keeps up with the answers again.")
            return True
        if problem != self._problem and not self._stop.is_set():
            logger.warning("Rows of the ledger wait in %s: %s", self._segments.folder, problem)
        self._problem = problem
        return False

    def _move(self) -> None:
        segments = self._segments.take(at_once=self._problem is None or self._stop.is_set())
        with suppress(StopIteration):
            first = next(segments)
            with self._store.connection() as connection:
                self._move_one(connection, first)
                for segment in segments:
                    self._move_one(connection, segment)

    def _move_one(self, connection: sa.Connection, segment: Segment) -> None:
        for content in segment.slices(_SLICE):
            *lines, rest = content.split(b"\n")
            if rest:
                self.count("torn", 1)
            if not (lines := [line for line in lines if line]):
                continue
            if time.monotonic() > self._deadline:
                raise OSError(0, "not all were moved in time; the next start does it", "ledger")
            begin, written = time.monotonic(), self._written
            self.count("moved", self._add(connection, lines))
            if self._written != written:
                self._rest(time.monotonic() - begin)
        segment.done()

    def _rest(self, took: float) -> None:
        """Leave the processor to answers, after a slice that took so many seconds."""
        full = self._segments.full
        if full >= _BEHIND and not self._behind:
            self._behind = True
            logger.warning(
                "Answers come faster than the ledger's database takes them: %.0f%% of what may "
                "wait in %s does. Until it keeps up, moving them takes time from answers.",
                100 * full,
                self._segments.folder,
            )
        self._stop.wait(rest_after(took, full))

    def _add(self, connection: sa.Connection, lines: list[bytes]) -> int:
        """Add rows and return how many. Raises sa.exc.SQLAlchemyError."""
        try:
            store.add(connection, lines)
        except (sa.exc.SQLAlchemyError, UnicodeDecodeError):
            good = [line for line in lines if store.is_row(line)]
            if len(good) == len(lines):
                raise
            connection.rollback()
            self.count("torn", len(lines) - len(good))
            lines = good
            store.add(connection, lines)
        return len(lines)

    def _keep_moving(self) -> None:
        while True:
            stopping = self._stop.is_set()
            answers = self._moved_or_logged()
            if stopping:
                return
            self._stop.wait(_SECONDS if answers else _SECONDS_WHILE_AWAY)

    def _moved_or_logged(self) -> bool:
        try:
            return self.move()
        except Exception:  # whatever it is, the thread must live and try again
            logger.exception("Moving rows of the ledger failed.")
            return False


def rest_after(took: float, full: float) -> float:
    """Return for how many seconds to rest after a slice that took some.

    `full`: which part of what may wait does.
    """
    return _IDLE * took * max(0.0, 1 - full / _BEHIND)

"""Rows that wait for a database: files of lines in a folder, which whoever answers appends to.

Takes lines, gives files of them to whoever moves them on. A line is one `write` and no more: it
outlives the process, not the machine. A file belongs to the process that holds its lock; those of
processes that are gone are given to whoever asks first. Must not know what is in a line.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

_SUFFIX = ".jsonl"
MOST_BYTES = 1 << 30
"""So much may wait in a folder: a million answers or two. What comes then is lost, and counted."""
_MOST_OWN_BYTES = 16 << 20
"""Of one file, while nobody takes any: few enough to be read whole."""


@dataclass(frozen=True)
class Segment:
    """A file that nobody appends to any more, and that this process holds the lock of."""

    path: Path
    file: int

    def slices(self, size: int) -> Iterator[bytes]:
        """Yield whole lines, some `size` bytes at a time; then what was cut off. Raises OSError.

        A file grows as long as a slow database takes the one before it: it is never read whole.
        """
        rest = b""
        with self.path.open("rb") as file:
            while part := file.read(size):
                lines, end, after = part.rpartition(b"\n")
                if end:
                    yield rest + lines + end
                    rest = after
                else:
                    rest += part
        if rest:
            yield rest

    def done(self) -> None:
        """Forget it: all of it is where it belongs."""
        self.path.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Leave it to whoever comes next."""
        os.close(self.file)


class Segments:
    """The files of one folder. `append` is for one thread, everything else for another."""

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        """Touch nothing yet."""
        self._folder = folder
        self._most_bytes = most_bytes
        self._room = most_bytes
        self._lock = Lock()
        self._own: Segment | None = None
        self._written = 0
        self._torn = False
        self._waiting: list[Segment] = []

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self._folder

    @property
    def full(self) -> float:
        """Which part of what may wait does wait, as far as this process knows."""
        return 1 - (self._room - self._written) / self._most_bytes

    def append(self, line: bytes) -> None:
        """Write one line, which ends in a line break. Raises OSError where it cannot be."""
        with self._lock:
            if self._own is None:
                self._own = self._new()
            if self._torn:  # what a full disk cut off must not swallow the beginning of the next
                line = b"\n" + line
            size = len(line)
            if self._written + size > self._room:
                raise OSError(errno.EDQUOT, f"{self._most_bytes:,} bytes wait in it")
            written = os.write(self._own.file, line)
            self._written += written
            self._torn = written < size
        if self._torn:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def take(self, *, at_once: bool) -> Iterator[Segment]:
        """Yield what is to be moved, the oldest first: of this process, and of those that are gone.

        What it wrote since is only taken `at_once`, or when it has become long. Raises OSError
        where the folder cannot be read.
        """
        self._measure()
        if self._own is not None and self._written > (0 if at_once else _MOST_OWN_BYTES):
            new = self._new()
            with self._lock:
                self._waiting.append(self._own)
                self._room -= self._written
                self._own, self._written, self._torn = new, 0, False
        self._waiting += self._orphans()
        self._waiting.sort(key=lambda segment: segment.path.name)
        while self._waiting:
            yield self._waiting[0]
            self._waiting.pop(0)

    def close(self) -> None:
        """Leave what is there to the next process."""
        own, self._own = self._own, None
        for segment in self._waiting:
            segment.release()
        self._waiting.clear()
        if own is not None:
            own.release() if self._written else own.done()

    def _measure(self) -> None:
        """Find out how much room the files of all processes leave to the own one."""
        own = None if self._own is None else self._own.path
        waiting = 0
        for path in self._paths():
            if path == own:
                continue
            try:
                waiting += path.stat().st_size
            except FileNotFoundError:  # another process is done with it
                continue
        self._room = self._most_bytes - waiting

    def _paths(self) -> Iterator[Path]:
        return self._folder.glob(f"*{_SUFFIX}") if self._folder.is_dir() else iter(())

    def _new(self) -> Segment:
        """Return an empty file with its lock. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        while True:
            path = self._folder / f"{time.time_ns():020d}-{secrets.token_hex(4)}{_SUFFIX}"
            file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_WRONLY, 0o600)
            if _lock(file) and path.exists():
                return Segment(path, file)
            os.close(file)  # somebody took it for one of a process that is gone

    def _orphans(self) -> Iterator[Segment]:
        ours = {segment.path for segment in self._waiting} | {self._own and self._own.path}
        for path in sorted(self._paths()):
            if path in ours:
                continue
            try:
                file = os.open(path, os.O_RDWR)  # NFS locks nothing that is only read
            except FileNotFoundError:
                continue
            if _lock(file) and path.exists():
                yield Segment(path, file)
            else:
                os.close(file)


def _lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

"""What engines are given to do in tests: functions that other processes find by this name."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def tripled(item: int) -> int:
    return 3 * item


def where(_: int) -> int:
    return os.getpid()


def refused(item: int) -> int:
    if item == 70:
        raise ValueError(f"{item} is refused")
    return item


def killing(item: int, victim: int = 0, once_in: Path | None = None) -> int:
    """Triple an item; at the 50th kill a process, by default the one that works."""
    if item == 50 and not (once_in and once_in.exists()):
        if once_in:
            once_in.touch()
        os.kill(victim or os.getpid(), signal.SIGKILL)
    return 3 * item


def endless(item: int) -> None:
    """Say that the work has begun, and never end."""
    os.write(2, b"begun\n")
    time.sleep(3600 + item)

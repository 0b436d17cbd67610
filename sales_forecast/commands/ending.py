"""How a command ends when nobody reads what it prints (`| head -1`), or when that has no place.

Takes the command, gives its exit code. Must not know what is printed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

UNREAD = 141
"""The exit code of a command whose reader left, as a shell gives it."""


def ended(main: Callable[[], int]) -> int:
    """Run a command until all that it prints is out; return its exit code."""
    try:
        code = main()
        sys.stdout.flush()
    except OSError as error:
        if error.filename is not None:
            raise  # of a file: no matter of what is printed
        # What is still in the buffer would fail once more at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return UNREAD
        door = Path(sys.argv[0]).name
        sys.stderr.write(f"{door}: what it prints cannot be written: {error.strerror}.\n")
        return 1
    return code

"""How a command ends that was refused or stopped, or that nobody reads (`| head -1`).

Takes the command, gives its exit code. Must not know what is printed.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from sales_forecast.errors import FULL, STOPPED, SalesForecastError, is_full

UNREAD = 141
"""The exit code of a command whose reader left, as a shell gives it."""


def heard(command: Callable[[], int], door: str) -> int:
    """Run a command of a door; say in a line why it was refused, or that it was stopped."""
    try:
        return command()
    except SalesForecastError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    except OSError as error:
        if not is_full(error) or error.filename is None:
            raise  # what is printed is `ended`'s matter
        sys.stderr.write(f"{error.filename}: {FULL}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(f"{door}: stopped.\n")
        return STOPPED


def ended(main: Callable[[], int]) -> int:
    """Run a command until all that it prints is out; return its exit code.

    SIGTERM stops it as Ctrl-C does: the processes that work for it end with it, and what it holds
    is given back.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        try:
            code = main()
        except SystemExit as left:  # as argparse does after --help
            code = left.code if isinstance(left.code, int) else 1
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

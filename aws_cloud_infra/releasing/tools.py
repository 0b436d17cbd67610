"""Docker and git, as they are on this machine. Takes a command line, gives what it prints."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from aws_cloud_infra.releasing.gate import Refused


def need(program: str) -> None:
    """Raise Refused if there is no such program."""
    if shutil.which(program) is None:
        raise Refused(f"There is no `{program}` here. Install it, and run it again.")


def run(
    *command: str, given: str | None = None, folder: Path | None = None, heard: bool = False
) -> str:
    """Run a command in a folder, with some text as its input. Raises Refused where it fails.

    Returns what it printed if that is to be `heard`, else "" and leaves it to the terminal.
    """
    need(command[0])
    try:
        done = subprocess.run(  # noqa: S603
            command, cwd=folder, input=given, text=True, check=True,
            stdout=subprocess.PIPE if heard else None,
        )  # fmt: skip
    except subprocess.CalledProcessError as error:
        words = " ".join(command[:2])
        raise Refused(f"`{words}` failed (exit code {error.returncode}).") from None
    return done.stdout or ""

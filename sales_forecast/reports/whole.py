"""A file that is written as a whole, or not at all.

Takes a path, gives one to write to. Must not know what is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(file: Path) -> Iterator[Path]:
    """Give a path beside a file, which takes its place at the end, unless something is raised.

    A pipe or a device, such as /dev/null, is given itself: it must not be replaced.
    """
    if is_stream(file):
        yield file
        return
    aside = file.with_name(f".{file.name}.writing")
    try:
        yield aside
        aside.replace(file)
    finally:
        aside.unlink(missing_ok=True)


def is_stream(file: Path) -> bool:
    """Tell whether something is there that is neither a file nor a folder."""
    return file.exists() and not (file.is_file() or file.is_dir())

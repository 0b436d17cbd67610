"""A bundle on disk, and what it is called there: each appears whole or not at all.

Takes sealed files and folders. Must not know what is in a bundle.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sales_forecast.bundles.bundle import Sealed
from sales_forecast.errors import FULL, SettingsError, is_full


def write_bundle(parent: Path, sealed: Sealed) -> Path:
    """Write a bundle so that `parent / version` either holds all of it or does not exist.

    An existing folder of that name is the same bundle and is kept. Returns the folder. Raises
    SettingsError where nothing can be written.
    """
    folder = parent / sealed.version
    if folder.exists():
        return folder
    with _writing(folder):
        parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".writing-", dir=parent))
        try:
            for name, content in sealed.files.items():
                with (aside / name).open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            aside.chmod(0o755)
            aside.rename(folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return folder


@contextmanager
def _writing(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = FULL if is_full(error) else f"{error.strerror}."
        raise SettingsError(f"{place} cannot be written: {reason}") from error


def set_alias(link: Path, folder: Path) -> None:
    """Make `link` name `folder`, in one step: a reader sees the old bundle or the new one."""
    with _writing(link):
        link.parent.mkdir(parents=True, exist_ok=True)
        aside = link.with_name(f".{link.name}-{os.getpid()}")
        aside.unlink(missing_ok=True)
        aside.symlink_to(os.path.relpath(folder, link.parent))
        aside.replace(link)

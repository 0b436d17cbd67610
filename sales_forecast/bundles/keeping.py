"""Which bundles stay: those that a link names, and for half a year those that one did.

Takes the folder of bundles and the links beside it, removes what is older. A forecast that was
issued names its bundle, and whoever looks into it finds the bundle for 26 weeks.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

_SECONDS_KEPT = 26 * 7 * 86_400


def leave(link: Path) -> None:
    """Take note that a link is about to name another bundle: half a year begins now."""
    if link.is_dir():
        os.utime(link.resolve())


def prune(bundles: Path) -> None:
    """Remove bundles that no link of the folder above has named for 26 weeks."""
    oldest = time.time() - _SECONDS_KEPT
    named = {link.resolve() for link in bundles.parent.iterdir() if link.is_symlink()}
    for folder in sorted(bundles.iterdir()):
        if folder.is_dir() and folder.resolve() not in named and folder.stat().st_mtime < oldest:
            shutil.rmtree(folder, ignore_errors=True)

"""Bundles that came from elsewhere: each in a folder of its own, under the name it must have.

Takes a folder of files that were fetched, gives the folder of the bundle. The registry says in a
tag which version it holds; what arrived must be that. Must not know how files are fetched.
"""

from __future__ import annotations

import re
from pathlib import Path

from sales_forecast.bundles.bundle import version_of
from sales_forecast.errors import BundleRefused, OlderBundle, RegistryError, brief

VERSION_TAG = "bundle_version"
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}")


def place_for(cache: Path, version: object, run_id: object) -> Path:
    """Return where in a cache a version of the registry has its place.

    With the run, because another registry has a version of the same number. Raises RegistryError
    for names that are none, as those that lead out of the cache.
    """
    for name in map(str, (version, run_id)):
        if not _PLAIN.fullmatch(name):
            raise RegistryError(f"The registry calls a version or a run {brief(name)}: no name.")
    return cache / f"{version}-{run_id}"


def move_in(fetched: Path, place: Path) -> None:
    """Make `place` a folder that holds a fetched bundle under its version, in one step.

    Where another process was quicker, what it fetched stays.
    """
    try:
        name = version_of(fetched)
    except OlderBundle:
        name = "older"  # it is read once more, and refused, by whoever wants to serve it
    fetched.chmod(0o755)
    aside = fetched.parent / f".{place.name}"
    aside.mkdir()
    fetched.rename(aside / name)
    aside.chmod(0o755)
    try:
        aside.rename(place)
    except OSError:
        if not place.exists():
            raise


def sealed_as(place: Path, version: str | None) -> Path:
    """Return the folder of the bundle in a place that `move_in` made.

    Raises BundleRefused where it is another version than the registry says.
    """
    folder = next((child for child in place.iterdir() if child.is_dir()), None)
    if folder is None:
        raise BundleRefused(f"{place} holds no bundle. Remove it, and it is fetched anew.")
    if version is not None and folder.name not in {version, "older"}:
        raise BundleRefused(
            f"The registry says that it holds version {brief(version)}, and what it gave is "
            f"{folder.name}: it was changed there. Run `python train.py` again."
        )
    return folder

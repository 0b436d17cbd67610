"""Where the bundle is: MODEL_URI to a folder on this machine.

Takes a folder's path or a registered model, gives a folder. Must not read the bundle.
"""

from __future__ import annotations

import os
from pathlib import Path
from threading import Event
from typing import Protocol

from sales_forecast.bundles.bundle import CHAMPION
from sales_forecast.bundles.registered import SCHEME, RegisteredModel
from sales_forecast.errors import BundleRefused, SettingsError, scheme_of
from sales_forecast.settings import Settings


class ModelLocation(Protocol):
    """Says where the newest bundle is."""

    def find(self, stop: Event) -> Path:
        """Return the folder, links resolved, giving up early where `stop` is set.

        Raises BundleRefused where there is none, RegistryError where it cannot be fetched.
        """
        ...

    def keep(self, folder: Path) -> None:
        """Take note that the bundle in a folder that was found proved itself."""
        ...

    def describe(self) -> dict[str, object] | None:
        """Return what callers may know of the registry behind it; None where there is none."""
        ...


class Folder:
    """A folder, or a link to one that a publisher swaps in one step."""

    def __init__(self, path: Path, published: Path) -> None:
        """`published`: where a training of the same settings puts its champion."""
        self._path = path
        self._published = published

    def find(self, stop: Event) -> Path:  # noqa: ARG002 - looking at a folder takes no time
        """Return what the path points to now. Raises BundleRefused where it is no folder."""
        folder = Path(os.path.realpath(self._path))  # `resolve` raises where links lead in circles
        if not folder.is_dir():
            remedy = "Run `python train.py`, or set MODEL_URI to where the bundle is."
            if folder != Path(os.path.realpath(self._published)):
                remedy = (
                    "MODEL_URI names that place, and `python train.py` puts its champion at "
                    f"{self._published}: set MODEL_URI to where the bundle is, or leave it out."
                )
            raise BundleRefused(
                f"There is no model bundle at {self._path}. {remedy}",
                {"MODEL_URI": str(self._path)},
            )
        return folder

    def keep(self, folder: Path) -> None:
        """Nothing to do: whoever published it keeps it."""

    def describe(self) -> None:
        """There is no registry."""


def locate(settings: Settings) -> ModelLocation:
    """Return where MODEL_URI points. Raises SettingsError where it never can."""
    if "://" in settings.model_uri:
        raise SettingsError(
            f"MODEL_URI: {scheme_of(settings.model_uri)} is neither a folder "
            f"nor of the form {SCHEME}NAME@ALIAS."
        )
    if settings.model_uri.startswith(SCHEME):
        cache = settings.var_dir / "fetched"
        return RegisteredModel(
            settings.model_uri, settings.mlflow_tracking_uri, cache, settings.mlflow_login
        )
    return Folder(Path(settings.model_uri), settings.var_dir / CHAMPION)

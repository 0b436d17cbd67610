"""Where the bundle is: MODEL_URI to a folder on this machine.

Takes a folder's path or a registered model (`models:/Name@alias`), gives a folder. A registered
model is fetched by a short-lived child process, because MLflow's memory must never enter the
service. Must not read the bundle.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from pathlib import Path
from threading import Event
from typing import Protocol

from sales_forecast.errors import BundleRefused, RegistryError

_REGISTERED = "models:/"
_FETCH = (sys.executable, "-m", "sales_forecast.registry", "fetch")
_SECONDS_BETWEEN_FETCHES = 60.0
_SECONDS_TO_THE_NEXT_ATTEMPT = 10.0  # while there is none: MLflow may be about to start
_SECONDS_TO_NOTICE_A_STOP = 0.2

logger = logging.getLogger(__name__)


class ModelLocation(Protocol):
    """Says where the newest bundle is."""

    def find(self, stop: Event) -> Path:
        """Return the folder, links resolved, giving up early where `stop` is set.

        Raises BundleRefused where there is none, RegistryError where it cannot be fetched.
        """
        ...


class Folder:
    """A folder, or a link to one that a publisher swaps in one step."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, stop: Event) -> Path:  # noqa: ARG002 - looking at a folder takes no time
        """Return what the path points to now. Raises BundleRefused where it is no folder."""
        folder = self._path.resolve()
        if not folder.is_dir():
            raise BundleRefused(
                f"There is no model bundle at {self._path}. "
                "Run `python train.py`, or set MODEL_URI to where the bundle is.",
                {"MODEL_URI": str(self._path)},
            )
        return folder


class RegisteredModel:
    """A model of the registry, fetched again once a minute at most."""

    def __init__(self, uri: str, cache: Path, command: tuple[str, ...] = _FETCH) -> None:
        self._uri = uri
        self._command = (*command, uri, str(cache))
        self._folder: Path | None = None
        self._problem = ""
        self._next = 0.0

    def find(self, stop: Event) -> Path:
        """Return the folder of the last fetch that worked. Raises RegistryError before one."""
        if time.monotonic() >= self._next:
            self._try(stop)
        if self._folder is None:
            raise RegistryError(self._problem, {"MODEL_URI": self._uri})
        return self._folder

    def _try(self, stop: Event) -> None:
        try:
            self._folder = self._fetch(stop)
        except RegistryError as error:
            self._problem = error.message
            if self._folder is not None:
                logger.warning("%s The bundle fetched before stays.", error.message)
        pause = _SECONDS_BETWEEN_FETCHES if self._folder else _SECONDS_TO_THE_NEXT_ATTEMPT
        self._next = time.monotonic() + pause

    def _fetch(self, stop: Event) -> Path:
        with subprocess.Popen(  # noqa: S603 - no shell, and the command is our own
            self._command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as child:
            while True:
                try:
                    out, problem = child.communicate(timeout=_SECONDS_TO_NOTICE_A_STOP)
                    break
                except subprocess.TimeoutExpired:
                    if stop.is_set():
                        child.kill()
        if child.returncode != 0 or not out.strip():
            reason = (problem.strip() or "no reason given").splitlines()[-1].rstrip(".")
            raise RegistryError(f"{self._uri} cannot be fetched: {reason}.")
        return Path(out.strip().splitlines()[-1]).resolve()


def locate(model_uri: str, cache: Path) -> ModelLocation:
    """Return where a MODEL_URI points; what is fetched goes to `cache`."""
    if model_uri.startswith(_REGISTERED):
        return RegisteredModel(model_uri, cache)
    return Folder(Path(model_uri))

"""What is served now: one predictor, exchanged as a whole when a better one has proved itself.

Takes a place to look for bundles and a database, gives the current `Predictor`. A thread of its
own looks for a new bundle and for new weeks, lets the bundle prove itself, builds the next
predictor aside and then swaps one reference: no request waits and none sees half of each. A
bundle that fails stays refused, with its reason, until something changes. Nothing here runs in
a request but reading that reference. Must not know HTTP. One class, whose whole is what a service
lives on, and so longer than other modules.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Self

from sales_forecast.bundles.fallback import load_for
from sales_forecast.bundles.location import ModelLocation, locate
from sales_forecast.data.database import Database
from sales_forecast.data.forecasts.stored_forecasts import StoredForecasts
from sales_forecast.data.ledger.stored_predictions import StoredPredictions
from sales_forecast.data.panel import Panel
from sales_forecast.errors import NotReady, SalesForecastError
from sales_forecast.planning.overrides import Overrides
from sales_forecast.planning.value_added import ValueAdded
from sales_forecast.service.api_keys import ApiKeys
from sales_forecast.service.predictor import Predictor
from sales_forecast.service.pulse import Pulse
from sales_forecast.service.watched import Watched
from sales_forecast.settings import Settings

_SECONDS_TO_STOP = 1.0
_SECONDS_TO_BUILD = 9.0
_NOWHERE = "sqlite://"  # which holds nothing

logger = logging.getLogger(__name__)


def load_predictor(folder: Path, panel: Panel, before: Predictor | None = None) -> Predictor:
    """Read a bundle, let it prove itself, and prepare its answers. Raises BundleRefused.

    `before`: what answers now.
    """
    answering = None if before is None else before.bundle
    return Predictor(load_for(panel, folder, answering), panel)


class Live:
    """The predictor that is served, kept up to date while the context is open.

    `model` says where the bundle is, `database` holds the history, `build` makes a verified
    predictor of both; all three are asked every `refresh_seconds`, `build` only after a change.
    `keys` are looked at first, each time. `url`: of the database in which the attributes lie; they
    are read when somebody asks for them, but what is `watched` after each look. `lock_periods`: as
    `Overrides` takes them.

    Attributes:
        keys: who may ask; None where everybody may.
        forecasts: what was forecast before.
        predictions: what was answered.
        watched: what the weekly job found out.
        overrides: what people changed.
        value_added: what came of that.
    """

    def __init__(
        self,
        model: ModelLocation,
        database: Database,
        refresh_seconds: float,
        build: Callable[[Path, Panel, Predictor | None], Predictor] = load_predictor,
        *,
        url: str = _NOWHERE,
        lock_periods: int = 0,
        keys: ApiKeys | None = None,
    ) -> None:
        self.keys = keys
        self.forecasts = StoredForecasts(url)
        self.predictions = StoredPredictions(url)
        self.watched = Watched(url)
        self.overrides = Overrides(url, lock_periods)
        self.value_added = ValueAdded(self.overrides.tables)
        self._model = model
        self._database = database
        self._refresh_seconds = refresh_seconds
        self._build = build
        self._predictor: Predictor | None = None
        self._tried: object = None
        self._verdict: SalesForecastError | None = None
        self._behind: str | None = None
        self._problem: SalesForecastError | None = None
        self._pulse = Pulse(self._ask)
        self._building = Lock()
        self._stop = Event()
        self._looked = Event()
        self._thread: Thread | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return what a deployment asks for. Touches neither the database nor the bundle.

        Raises SettingsError where MODEL_URI can never lead to a bundle, and for a file of keys
        that cannot be used.
        """
        return cls(
            locate(settings),
            Database(settings.database_url),
            settings.refresh_seconds,
            url=settings.database_url,
            lock_periods=settings.override_lock_periods,
            keys=ApiKeys.from_settings(settings),
        )

    def __enter__(self) -> Self:
        self._stop.clear()
        self._thread = Thread(target=self._keep_looking, name="refresh", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            # One that waits for the database ends with the process; one that builds cannot.
            self._thread.join(_SECONDS_TO_STOP)
            self._building.acquire(timeout=_SECONDS_TO_BUILD)
        stored = self.forecasts, self.predictions, self.watched, self.overrides
        for reader in (self._database, *stored):
            reader.close()

    @property
    def predictor(self) -> Predictor:
        """What answers now. Raises NotReady with the reason where there is nothing yet."""
        if self._predictor is None:
            if self._problem is not None:
                raise NotReady(self._problem.message, public=self._problem.public)
            raise NotReady("The model is being loaded. Try again in a second.")
        return self._predictor

    @property
    def problem(self) -> SalesForecastError | None:
        """Why the newest bundle or the newest weeks are not served, if they are not."""
        return self._problem

    @property
    def warning(self) -> str | None:
        """What is said while it is ready: of the model, old tables, and keys that are not used."""
        said = [*self.predictor.warnings, *([self._behind] if self._behind else [])]
        if self.keys is not None and self.keys.problem is not None:
            said.append("The file of API keys cannot be used as it is now; the log says why.")
        return " ".join(said) or None

    def describe(self) -> dict[str, object]:
        """Return what the model is, and where it came from.

        Raises NotReady.
        """
        return {
            **self.predictor.describe(),
            "registry": self._model.describe(),
        }

    def wait(self, seconds: float) -> None:
        """Wait until the first look has ended, well or not, but no longer than `seconds`."""
        self._looked.wait(seconds)

    async def check(self) -> None:
        """Raise NotReady or DatabaseError where a request could not be answered fully."""
        _ = self.predictor
        await self._pulse.check()

    def _ask(self) -> None:
        if not self._database.version():
            raise NotReady(
                "The database holds no sales any more. Bring it back, or load them again: "
                "python database_loader.py"
            )

    def refresh(self) -> None:
        """Look once for a new bundle and new weeks. Raises nothing: see `problem`."""
        problem: SalesForecastError | None
        try:
            problem = self._look()
        except SalesForecastError as error:
            problem = error
        except OSError as error:
            where = f"{error.filename}: {error.strerror}"
            problem = NotReady(f"The model bundle cannot be read: {where}.")
        except Exception:  # whatever it is, the thread must live and look again
            said = "Looking for a new model or new weeks failed"
            logger.exception("%s.", said)
            problem = NotReady(f"{said}; the reason is in the log.")
        before = self._problem and self._problem.message
        if problem is not None and problem.message != before and not self._stop.is_set():
            kept = "nothing" if self._predictor is None else f"model {self._predictor.version}"
            logger.warning("%s Served meanwhile: %s.", problem.message, kept)
        self._problem = problem

    def _look(self) -> SalesForecastError | None:
        """Serve what is new. Returns why it is refused; raises what may soon be over."""
        if self.keys is not None:
            self.keys.refresh()
        folder = self._model.find(self._stop)
        stored = self._database.look()
        found = (folder, _stamp(folder), stored.version)
        if stored.behind and stored.behind != self._behind:
            logger.warning("%s", stored.behind)
        self._behind = stored.behind
        if found != self._tried:
            panel = self._database.read_panel()
            with self._building:
                if self._stop.is_set():
                    return self._verdict
                self._verdict = self._exchange(folder, panel)
            self._tried = found
        return self._verdict

    def _exchange(self, folder: Path, panel: Panel) -> SalesForecastError | None:
        try:
            predictor = self._build(folder, panel, self._predictor)
        except SalesForecastError as error:
            return error
        self._predictor = predictor
        self._model.keep(folder)
        logger.info("Serving model %s with sales until %s.", predictor.version, predictor.origin)
        _give_memory_back()
        return None

    def _keep_looking(self) -> None:
        while True:
            self.refresh()
            self._looked.set()
            served = self._predictor
            self.watched.read(None if served is None else served.spec.frequency)
            if self._stop.wait(self._refresh_seconds):
                return


def _stamp(folder: Path) -> list[tuple[str, int, int]]:
    """Return what changes when a bundle is written anew in the same folder."""
    files = [(file.name, file.stat()) for file in folder.iterdir()]
    return sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in files)


def _give_memory_back() -> None:
    """Return what loading took to the system; what stays is not looked at by the collector."""
    gc.unfreeze()  # what was served before refers to itself: without this it would stay for ever
    gc.collect()
    gc.freeze()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, musl does not
        if trim is not None:
            trim(0)

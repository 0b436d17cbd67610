"""An existing Dask cluster as the engine: series through joblib, XGBoost on rows that stay there.

Takes the address of a scheduler, gives an engine while the connection lasts. It starts no
scheduler and no worker, and installs nothing on them: a cluster whose workers hold other code or
other libraries than this process is refused, for its answers would be others. It is imported only
when it is asked for. Must not know panels or models other than XGBoost's regressor.
"""

from __future__ import annotations

import asyncio
import logging
import operator
import platform
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, TypeVar

import joblib
import numpy as np
from xgboost import XGBRegressor
from xgboost.core import XGBoostError

from sales_forecast.compute.engine import Rows, in_chunks, using
from sales_forecast.compute.source import source_hash
from sales_forecast.errors import EngineError, SettingsError

try:
    import distributed
    from dask import array
    from xgboost.dask import DaskXGBRegressor
except ImportError as error:
    raise SettingsError(
        f"--engine dask needs a package that is not installed: {error.name}. "
        "Install it: pip install distributed"
    ) from error

S = TypeVar("S")
T = TypeVar("T")

_SECONDS = 5.0
"""How long a scheduler, and then its first worker, may take to answer."""
_LIBRARIES = ("numpy", "scipy", "statsmodels", "scikit-learn", "joblib", "distributed")
_PART = 256
"""Series whose rows a worker builds at a time: some hundred megabytes on the way."""


@dataclass(frozen=True)
class Cluster:
    """The workers of one scheduler."""

    client: distributed.Client

    def map(self, function: Callable[[S], T], items: Sequence[S]) -> list[T]:
        """See `engine.Engine.map`. What a lost worker had in hand, others do again.

        A cluster of one thread in all does nothing faster: joblib then works here.
        """
        with self._translated():
            return in_chunks(joblib.Parallel(n_jobs=-1), function, items)

    def boost(
        self, regressor: Any, prepare: Callable[[], S], rows: Callable[[S, slice], Rows], n: int
    ) -> Any | None:
        """See `engine.Engine.boost`. Every worker learns from the series that fall to it.

        Gradients and cuts are added up over the workers, and each draws its own part of the
        rows: the regressor is not bit for bit the one that a single machine would have learned.
        """
        if not isinstance(regressor, XGBRegressor):
            return None
        with self._translated():
            parts = self._parts(prepare, rows, n)
            if not parts:
                return None
            learner = DaskXGBRegressor(**{**regressor.get_params(), "n_jobs": None})
            learner.client = self.client
            learner.fit(
                array.concatenate([X for X, _ in parts]), array.concatenate([y for _, y in parts])
            )
        regressor.load_model(learner.get_booster().save_raw())
        return regressor

    def _parts(
        self, prepare: Callable[[], S], rows: Callable[[S, slice], Rows], n: int
    ) -> list[tuple[array.Array, array.Array]]:
        """Let every worker build the rows of its share of the series; return X and y of each."""
        workers = sorted(self.client.scheduler_info(n_workers=-1)["workers"])
        everywhere = self.client.scatter(prepare, broadcast=True, hash=False)
        built = []
        for worker, share in zip(workers, np.array_split(np.arange(n), len(workers)), strict=True):
            # Other workers may do it where this one is lost; else that would wait forever.
            here = {"workers": [worker], "allow_other_workers": True, "pure": False}
            prepared = self.client.submit(operator.call, everywhere, **here)
            for first in share[::_PART]:
                part = slice(int(first), int(min(first + _PART, share[-1] + 1)))
                made = self.client.submit(rows, prepared, part, **here)
                built.append(
                    [self.client.submit(getattr, made, name, **here) for name in ("X", "y")]
                )
        shapes = self.client.gather([self.client.submit(np.shape, X, pure=False) for X, _ in built])
        return [
            (
                array.from_delayed(X, shape, np.float32),
                array.from_delayed(y, shape[:1], np.float64),
            )
            for (X, y), shape in zip(built, shapes, strict=True)
            if shape[0]
        ]

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Say in a sentence what the cluster itself failed at; errors of the work pass."""
        try:
            yield
        except (distributed.KilledWorker, distributed.CancelledError, XGBoostError) as error:
            raise EngineError(
                f"The Dask cluster did not finish: {_sentence(error)} Run it again; if it fails "
                "again, the logs of the workers know why."
            ) from error


def _sentence(error: BaseException) -> str:
    """Return the first line of what a library says."""
    first, *_ = str(error).strip().splitlines() or [""]
    return f"{first or type(error).__name__}".rstrip(".") + "."


def installed() -> Mapping[str, str]:
    """Return what answers depend on: name -> version; of this package, its source's SHA-256."""
    libraries = {name: version(name) for name in _LIBRARIES}
    return {
        "sales_forecast": source_hash(),
        "python": platform.python_version(),
        **libraries,
    }


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Give all work of this thread to the cluster of a scheduler, `tcp://host:8786` say.

    Raises EngineError, with the address and what to do, where no scheduler or no worker answers
    within seconds, or where a worker would compute something else.
    """
    with warnings.catch_warnings():
        # That versions differ somewhat, that a message is long: what matters is raised.
        warnings.simplefilter("ignore")
        _be_quiet()
        with _client(address) as client:
            _check(client, address)
            # What goes through joblib of itself, the trees of a forest, goes there too.
            with joblib.parallel_config("dask", client=client), using(Cluster(client)):
                yield


def _client(address: str) -> distributed.Client:
    try:
        asyncio.run(_greet(address))
        return distributed.Client(address, timeout=_SECONDS)
    except (OSError, TypeError, ValueError, MemoryError) as error:  # whatever listens there
        raise EngineError(
            f"No Dask scheduler answers at {address}: {_sentence(error)} Start one "
            "(`dask scheduler`), or give --scheduler the address that it prints.",
            {"scheduler": address},
        ) from error


async def _greet(address: str) -> None:
    """Exchange greetings with a scheduler, for a client waits forever for one that is silent."""
    greeting = distributed.comm.connect(address, timeout=_SECONDS)
    (await asyncio.wait_for(greeting, 2 * _SECONDS)).abort()


def _be_quiet() -> None:
    """Let the libraries keep what they log to themselves."""
    for name in [*logging.root.manager.loggerDict]:
        if name.split(".")[0] in {"asyncio", "distributed", "tornado"}:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _check(client: distributed.Client, address: str) -> None:
    """Refuse a cluster without workers, or with one that would compute something else."""
    try:
        client.wait_for_workers(1, timeout=_SECONDS)
    except TimeoutError as error:
        raise EngineError(
            f"The Dask scheduler at {address} has no worker. Start one: dask worker {address}",
            {"scheduler": address},
        ) from error
    try:
        # A task that the scheduler cannot read is one that nobody ever hears of again.
        found = {address: client.run_on_scheduler(installed), **client.run(installed)}
    except (ImportError, AttributeError) as error:
        raise EngineError(
            f"The Dask cluster at {address} cannot run this package: {_sentence(error)} Install "
            "the same code and the same libraries for the scheduler and all workers."
        ) from error
    for name, here in installed().items():
        for place, there in found.items():
            if there[name] != here:
                raise EngineError(
                    f"{place} has {name} {there[name]}, and here is {here}: answers could differ. "
                    "Install the same code and the same libraries for the scheduler and all "
                    "workers."
                )

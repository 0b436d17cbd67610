"""Where the work on many series runs: here, in processes of this machine, or on a cluster.

Takes a function and what to apply it to, gives the answers in order. The work asks `current()`;
who starts it decides with `using(engine)`. The engine is no argument of a model, because no answer
of a series may depend on it. Must not know models, and must not import what only a cluster needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol, TypeVar

import joblib
import numpy as np
import numpy.typing as npt
from joblib.externals.loky.process_executor import TerminatedWorkerError

from sales_forecast.compute.threads import one_thread
from sales_forecast.errors import EngineError

S = TypeVar("S")
T = TypeVar("T")

_CHUNK = 32
"""Series of one task: half a second of estimating, against a millisecond for handing it over."""


class Rows(Protocol):
    """What a regressor learns from."""

    @property
    def X(self) -> npt.NDArray[np.float32]:  # noqa: N802 - the field's notation
        """float32[n, n_features]."""
        ...

    @property
    def y(self) -> npt.NDArray[np.float64]:
        """float64[n]."""
        ...


class Engine(Protocol):
    """Something that works."""

    def map(self, function: Callable[[S], T], items: Sequence[S]) -> list[T]:
        """Return `[function(item) for item in items]`, bit for bit.

        `function` has a name in a module, takes milliseconds, and warns nobody. What it raises is
        raised here. Raises EngineError where the engine itself fails.
        """
        ...

    def boost(
        self, regressor: Any, prepare: Callable[[], S], rows: Callable[[S, slice], Rows], n: int
    ) -> Any | None:
        """Teach a regressor rows that are built, and stay, where the work runs.

        `rows(prepare(), part)`: the rows of some of `n` series. Returns None where this engine,
        or this kind of regressor, needs them all here. Raises EngineError.
        """
        ...


@dataclass(frozen=True)
class Local:
    """This machine: this process, and one for each core where that is worth it.

    Attributes:
        worthwhile: from how many items on. To start processes, and import statsmodels in each,
            takes as long as 200 estimates.
        chunk: items of one task.
    """

    worthwhile: int = 256
    chunk: int = _CHUNK

    def map(self, function: Callable[[S], T], items: Sequence[S]) -> list[T]:
        """See `Engine.map`."""
        if len(items) < self.worthwhile:
            return each(function, items)
        try:
            # Large arguments would be handed over in read-only files; ours are small.
            return in_chunks(
                joblib.Parallel(n_jobs=-1, backend="loky", max_nbytes=None),
                function,
                items,
                self.chunk,
            )
        except TerminatedWorkerError as error:
            raise EngineError(
                "A process that estimated series was killed, most likely for want of memory. "
                "Set LOKY_MAX_CPU_COUNT to fewer processes and run it again."
            ) from error

    def boost(
        self, regressor: Any, prepare: Callable[[], S], rows: Callable[[S, slice], Rows], n: int
    ) -> None:
        """Return None: one machine learns from all rows at once."""


def each(function: Callable[[S], T], items: Sequence[S]) -> list[T]:
    """Apply a function to each item, here."""
    with one_thread():
        return [function(item) for item in items]


def in_chunks(
    parallel: joblib.Parallel, function: Callable[[S], T], items: Sequence[S], chunk: int = _CHUNK
) -> list[T]:
    """Apply a function to each item, wherever `parallel` does such things."""
    starts = range(0, len(items), chunk)
    work = joblib.delayed(each)
    done = parallel(work(function, items[start : start + chunk]) for start in starts)
    return list(chain.from_iterable(done))


LONG_TASKS = Local(worthwhile=2, chunk=1)
"""This machine, for items that take seconds each."""
_CURRENT: ContextVar[Engine] = ContextVar("engine", default=Local())  # noqa: B039 - it is frozen


def current() -> Engine:
    """Return the engine that work is given to."""
    return _CURRENT.get()


@contextmanager
def using(engine: Engine) -> Iterator[None]:
    """Give all work of this thread to an engine."""
    before = _CURRENT.set(engine)
    try:
        yield
    finally:
        _CURRENT.reset(before)

"""Steps that are done once for each state of the world, and taken up where they stopped.

Takes steps and what was done of them before, does what is left, gives what became of each. A step
that fails stops only those that need it. Must not know what the steps do.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from sales_forecast.data.monitor_steps import Done
from sales_forecast.errors import SalesForecastError

Outcome = Mapping[str, Any]
"""Plain JSON; `told` is a sentence, or several."""
Status = Literal["done", "was done", "failed", "not run"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Result:
    """What became of a step, in words; `outcome` is empty where it did not come to its end."""

    step: str
    status: Status
    told: str
    outcome: Outcome

    @property
    def succeeded(self) -> bool:
        """Whether it came to its end, now or before."""
        return self.status in {"done", "was done"}


Results = Mapping[str, Result]
"""Name of a step -> what became of it."""


@dataclass(frozen=True)
class Step:
    """Something to be done, given what became of the steps before it.

    Attributes:
        state: gives what it is done for; where that is as it was, it is not done again.
        do: does it. Killed at any moment, and begun once more, it must come to the same end.
        needs: steps without which it cannot be.
        remedy: what to do where it fails, beside running the job again.
    """

    name: str
    state: Callable[[Results], str]
    do: Callable[[Results], Outcome]
    needs: Sequence[str] = ()
    remedy: str = ""


class Record(Protocol):
    """Remembers, of one week, which steps came to their end."""

    def done(self) -> Mapping[str, Done]:
        """Return step -> how it ended."""
        ...

    def add(self, step: str, state: str, outcome: Outcome) -> None:
        """Remember the end of a step."""
        ...


def run(steps: Sequence[Step], record: Record, progress: Callable[[str], None]) -> list[Result]:
    """Do what is not done yet, in order. Raises DatabaseError where nothing can be remembered."""
    before = record.done()
    results: dict[str, Result] = {}
    for step in steps:
        missing = [name for name in step.needs if not results[name].succeeded]
        if missing:
            told = f"not done: it needs {', '.join(missing)}"
            results[step.name] = Result(step.name, "not run", told, {})
            continue
        progress(step.name)
        results[step.name] = _one(step, results, before.get(step.name), record)
    return [*results.values()]


def _one(step: Step, results: Results, before: Done | None, record: Record) -> Result:
    try:
        state = step.state(results)
        if before is not None and before.state == state:
            told = str(before.outcome.get("told", ""))
            return Result(step.name, "was done", told, before.outcome)
        outcome = step.do(results)
    except SalesForecastError as error:
        return _failed(step, error.message)
    except Exception:
        logger.exception("The step %s failed.", step.name)
        return _failed(step, "an error that nobody foresaw; its trace is above.")
    record.add(step.name, state, outcome)
    return Result(step.name, "done", str(outcome.get("told", "")), outcome)


def _failed(step: Step, reason: str) -> Result:
    ended = reason if reason.endswith(".") else f"{reason}."
    return Result(step.name, "failed", f"{ended} {step.remedy}".rstrip(), {})

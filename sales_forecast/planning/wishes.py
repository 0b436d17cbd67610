"""What people may want of a plan, and what that would make of it.

Gives values: a wish with its reason, the periods that it would change, and the override that was
made of it. Must not read or write rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, NamedTuple, get_args

from sales_forecast.data.forecasts.override_tables import Kind, Override, Scope
from sales_forecast.errors import InvalidRequest

Reason = Literal[
    "promotion",
    "price",
    "event",
    "weather",
    "opening_or_closing",
    "assortment",
    "competition",
    "supply",
    "data_error",
    "other",
]
REASONS: tuple[Reason, ...] = get_args(Reason)
"""Why a forecast is changed; `note` says more."""
LARGEST = 1e12
"""No amount of an override is larger."""
_LEAST_PERCENT = -100.0


@dataclass(frozen=True)
class Wish:
    """An override that somebody wants.

    Attributes:
        scope: which series, by some of their keys; their sum is changed.
        first, last: the days that end the first and the last period.
        amount: sales of each period; or percent, or units of sales, more than are planned.
        version: what they saw, as `Planned.version` said.
    """

    scope: Scope
    first: date
    last: date
    kind: Literal["value", "percent", "units"]
    amount: float
    reason: Reason
    note: str
    version: str


class Cell(NamedTuple):
    """One period of an override: sums over all it is about.

    `baseline` is forecast, `before` was planned and `after` is; `lower`, `upper`: the interval of
    80% of the forecast, None where none is promised.
    """

    target: date
    baseline: float
    before: float
    after: float
    lower: float | None
    upper: float | None

    @property
    def inside_80(self) -> bool | None:
        """Whether what is planned lies in the interval, or no further out than the forecast.

        A mean lies above the interval of what sells at times: above 0 to 0, for example.
        """
        if self.lower is None or self.upper is None:
            return None
        return min(self.lower, self.baseline) <= self.after <= max(self.upper, self.baseline)


@dataclass(frozen=True)
class Made:
    """An override that was made: what it changes, and what to say of that."""

    override: Override
    cells: Sequence[Cell]
    version: str


def check_amount(kind: Kind, amount: float) -> None:
    """Raise InvalidRequest for an amount that no forecast can be changed by."""
    least = {"value": 0.0, "percent": _LEAST_PERCENT}.get(kind, -LARGEST)
    if not least <= amount <= LARGEST:
        raise InvalidRequest(
            f"number must be at least {least:.12g} and at most {LARGEST:.12g} for {kind}, "
            f"not {amount:.12g}.",
            {"number": amount},
        )

"""What the documentation shows of answers about plans. Must not be needed to answer."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from sales_forecast.planning.value_added import Grouping
from sales_forecast.planning.wishes import Reason


class _Row(BaseModel):
    id: UUID
    keys: dict[str, int | str] = Field(description="What it is about; others are summed over.")
    first: date = Field(description="The day that ends the first period.")
    last: date
    kind: Literal["value", "percent", "units", "undo"]
    number: float | None = Field(description="Null of an undo.")
    reason: Reason | None = Field(description="Null of an undo.")
    note: str
    made_by: str = Field(description="The name of the API key, or a number for a person.")
    made_at: datetime
    undoes: UUID | None = Field(description="The override that it takes back.")


class PlannedPeriod(BaseModel):
    """What an override makes of one period: sums over all it is about."""

    target: date = Field(description="The day that ends the period.")
    sales: float = Field(description="What is forecast.")
    before: float = Field(description="What is planned without it.")
    planned: float


class PromisedPeriod(PlannedPeriod):
    """The same, beside what the forecast promises."""

    lower_80: float | None = Field(description="Null where too little was measured.")
    upper_80: float | None
    inside_80: bool | None = Field(
        description="Whether what is planned lies between both, or no further out than `sales`."
    )


class Undone(BaseModel):
    """By which row an override was taken back."""

    id: UUID
    made_by: str
    made_at: datetime


class StoredOverride(_Row):
    """An override, and what has become of it."""

    undone: Undone | None
    expired: bool = Field(description="Its last period has come.")
    baseline_contains: float | None = Field(
        description="How much of its change newer forecasts have made themselves, 1 being all of "
        "it: then it may count twice. Null where there was none since."
    )
    periods: list[PlannedPeriod] = Field(description="Those that are planned by it now.")


class OverridesPage(BaseModel):
    """Some overrides, the newest first."""

    items: list[StoredOverride]
    next: str | None = Field(description="The `cursor` of the page that follows; null: none does.")
    version: str = Field(description="Names what was seen, for whoever changes it; opaque.")


class EarlierChanges(BaseModel):
    """What came of earlier overrides."""

    n: int
    helped: int = Field(description="So many of them brought the plan nearer to what was sold.")
    value_added: float = Field(description="By how much, in money; below 0: they made it worse.")


class MadeOverride(_Row):
    """An override that was made, and what to know about such changes."""

    periods: list[PromisedPeriod]
    record: dict[Literal["reason", "size"], EarlierChanges]
    advice: list[str]
    version: str


class MadeUndo(_Row):
    """The row that takes an override back."""

    version: str


class ValueAddedGroup(EarlierChanges):
    """The record of one group; errors are absolute ones, summed, in money."""

    group: str = Field(description="`all` comes first.")
    sold: float
    naive_error: float = Field(description="Of the growth baseline.")
    model_error: float
    before_error: float = Field(description="Of what was planned without these overrides.")
    after_error: float = Field(description="Of what was planned with them.")


class ForecastValueAdded(BaseModel):
    """How much nearer to what was sold each stage came: naive, model, plan."""

    by: Grouping
    groups: list[ValueAddedGroup]


class ChangePart(BaseModel):
    """How much of a change has one cause."""

    cause: Literal[
        "covariates", "corrected_sales", "new_sales", "new_model", "not_split", "overrides"
    ]
    amount: float


class ForecastChange(BaseModel):
    """Why what is planned changed between two origins."""

    keys: dict[str, int | str]
    start: date = Field(alias="from", description="The earlier origin.")
    end: date = Field(alias="to")
    first: date = Field(description="The first of the periods that are summed.")
    last: date
    before: float
    after: float
    difference: float = Field(description="The sum of all parts, to the cent.")
    parts: list[ChangePart] = Field(
        description="One input after the other exchanged, in this order; `not_split`: what is left "
        "where the bundle of an origin is gone."
    )
    notes: list[str] = Field(description="What could not be told apart.")

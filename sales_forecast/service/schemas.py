"""The bodies of requests and answers, as pydantic models: the one place where a field is named.

Takes JSON, gives typed values; what it cannot read it refuses with the field's name. Types are
strict (no number in quotes, no boolean for a number) and unknown fields are refused, so that a
mistyped name is never silently ignored. Must not know the model behind the service.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

_DAY_FIRST = "(0[1-9]|[12][0-9]|3[01])-(0[1-9]|1[0-2])-([0-9]{4})"
_YEAR_FIRST = "([0-9]{4})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_DAY = re.compile(f"{_DAY_FIRST}|{_YEAR_FIRST}")


def parse_day(value: object) -> date:
    """Read DD-MM-YYYY or YYYY-MM-DD and nothing else; never guesses month first.

    Raises PydanticCustomError, which pydantic reports beside the name of the field.
    """
    match = _DAY.fullmatch(value) if isinstance(value, str) else None
    if match:
        day, month, year = match.group(1, 2, 3) if match[1] else match.group(6, 5, 4)
        try:
            return date(int(year), int(month), int(day))
        except ValueError:
            pass  # such as 31-02-2012: falls through to the same answer
    raise PydanticCustomError(
        "day", "must be a real day written DD-MM-YYYY or YYYY-MM-DD, such as 03-11-2012"
    )


Day = Annotated[
    date,
    BeforeValidator(parse_day),
    WithJsonSchema({"type": "string", "pattern": f"^({_DAY_FIRST}|{_YEAR_FIRST})$"}),
]
StoreNumber = Annotated[int, Field(ge=-(2**31), lt=2**31, examples=[1])]
"""Any 32-bit number: whether the store is known is the model's to say."""


class _Body(BaseModel):
    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True
    )


class PredictRequest(_Body):
    """One store, one week and the conditions expected in it."""

    store: StoreNumber = Field(alias="Store")
    day: Day = Field(
        alias="Date",
        description="DD-MM-YYYY or YYYY-MM-DD. Any day stands for its week, Saturday to Friday.",
        examples=["03-11-2012"],
    )
    holiday_flag: int = Field(
        alias="Holiday_Flag",
        ge=0,
        le=1,
        description="1 if the week holds a holiday, else 0.",
        examples=[0],
    )
    temperature: float = Field(
        alias="Temperature", description="Degrees Fahrenheit.", examples=[75.5]
    )
    fuel_price: float = Field(
        alias="Fuel_Price", description="US dollars a gallon.", examples=[3.45]
    )
    cpi: float = Field(alias="CPI", description="Consumer price index.", examples=[238.2])
    unemployment: float = Field(alias="Unemployment", description="Percent.", examples=[5.8])

    @property
    def conditions(self) -> tuple[float, float, float, float, float]:
        """The conditions in the order of `panel.CONDITIONS`."""
        return (
            self.holiday_flag,
            self.temperature,
            self.fuel_price,
            self.cpi,
            self.unemployment,
        )


class ForecastRequest(_Body):
    """One store and how many weeks after the last known one."""

    store_id: StoreNumber
    steps: int = Field(ge=1, le=52, description="Weeks to forecast.", examples=[5])


class ModelAnswers(BaseModel):
    """What each model answers; null while the growth baseline is what is served."""

    random_forest: float | None
    xgboost: float | None


class PredictResponse(BaseModel):
    """Sales of one store in one week, in US dollars."""

    prediction: float = Field(description="Mean of the models, rounded to cents.")
    week_ending: date = Field(description="The Friday that ends the week.")
    interval_80: tuple[float, float] | None = Field(
        description="Holds the true value 8 times in 10; null where too little was measured."
    )
    interval_95: tuple[float, float] | None = Field(
        description="The same, 19 times in 20; it takes more forecasts to be measured."
    )
    models: ModelAnswers
    model_version: str
    warnings: list[str] = Field(description="Reasons to trust the answer less; mostly empty.")


class ForecastWeek(BaseModel):
    """Sales of one store in one week, in US dollars, with an interval of the level asked for."""

    date: Annotated[date, Field(alias="Date", description="The Friday that ends the week.")]
    sales: float = Field(alias="Sales")
    lower: float | None
    upper: float | None


class Health(BaseModel):
    """The process lives."""

    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """A verified model is loaded and the database answers."""

    status: Literal["ready"] = "ready"
    model_version: str
    forecast_origin: date = Field(description="The last known week; forecasts start after it.")
    refused: str | None = Field(description="Why a newer model or newer data is not served.")


class Error(BaseModel):
    """What was wrong, with the numbers and what to do."""

    code: str = Field(description="Stable, for programs.", examples=["unknown_store"])
    message: str = Field(examples=["Store 99 is not in the model. Known stores: 1-45."])
    fields: dict[str, object] = Field(
        description="What the message is about, by name.", examples=[{"Store": 99}]
    )


class ErrorResponse(BaseModel):
    """The one shape of every answer that is not a success."""

    error: Error

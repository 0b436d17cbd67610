"""The bodies of answers, as pydantic models: what the documentation shows.

Answers are written as JSON directly; tests hold them against these. Must not know the model behind
the service.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field


class StoreModels(BaseModel):
    """What each model answers; null while the growth baseline is what is served."""

    random_forest: float | None
    xgboost: float | None


class _Prediction(BaseModel):
    prediction: float = Field(description="The median, in units of sales, rounded to cents.")
    interval_80: tuple[float, float] | None = Field(
        description="Holds the true value 8 times in 10; null where too little was measured."
    )
    interval_95: tuple[float, float] | None = Field(
        description="The same, 19 times in 20; it takes more forecasts to be measured."
    )
    model_version: str
    warnings: list[str] = Field(description="Reasons to trust the answer less; mostly empty.")


class PredictResponse(_Prediction):
    """Sales of one store in one week, in US dollars: the mean of both models."""

    week_ending: date = Field(description="The Friday that ends the week.")
    models: StoreModels


class UsedCovariate(BaseModel):
    """What a covariate was taken to be."""

    value: float | None
    source: str = Field(
        description="supplied, calendar, same week last year, last known, not known, planned or "
        "not used"
    )


class _AnyPrediction(_Prediction):
    models: dict[str, float] = Field(description="What made the prediction, by model.")
    covariates: dict[str, UsedCovariate]


class WeekPrediction(_AnyPrediction):
    """Sales of one series in one week."""

    week_ending: date = Field(description="The day that ends the week.")


class DayPrediction(_AnyPrediction):
    """Sales of one series on one day."""

    date: Annotated[date, Field(description="The day.")]


class ForecastItem(BaseModel):
    """Sales of one series in one period, with an interval of the level asked for."""

    date: Annotated[date, Field(alias="Date", description="The day, or the one that ends the week")]
    sales: float = Field(alias="Sales", description="The median.")
    lower: float | None
    upper: float | None
    mean: float | None = Field(None, description="What to add up; only with `quantiles`.")
    quantiles: dict[str, float | None] | None = Field(
        None, description="Those that were asked for; null where too little was measured."
    )


class SeriesForecast(BaseModel):
    """One of several series: its keys beside this."""

    forecast: list[ForecastItem]
    warnings: list[str]


class OrderQuantity(BaseModel):
    """What to order of one series for one period."""

    quantity: float
    expected_cost: float = Field(description="Of ordering `quantity`, in the units of the costs.")
    expected_cost_of_forecast: float = Field(description="Of ordering `forecast`.")
    forecast: float = Field(description="The median.")
    quantile: float = Field(description="How often the quantity is enough.")
    date: Annotated[date, Field(alias="Date", description="The day, or the one that ends the week")]
    model: str
    model_version: str
    warnings: list[str]


class _Stored(BaseModel):
    sales: float = Field(description="The mean, rounded to cents; of a sum, the sum of these.")
    planned: float = Field(description="What people made of `sales`; the same where nobody did.")
    median: float | None = Field(description="Null for a sum.")
    lower: float | None = Field(description="Null where too little was measured.")
    upper: float | None
    level: Literal[80, 95]
    quantiles: dict[str, float | None] | None = Field(None, description="Those asked for.")
    origin: Annotated[date, Field(description="The last period that was known.")]
    model: str
    model_version: str
    issued_at: datetime
    version: str = Field(description="Names what was seen, for whoever changes it; opaque.")
    warnings: list[str]


class StoredWeek(_Stored):
    """What was forecast of one week, beside the keys that were given."""

    week: date = Field(description="The day that ends the week.")


class StoredDay(_Stored):
    """What was forecast of one day, beside the keys that were given."""

    date: Annotated[date, Field(description="The day.")]


class StoredPrediction(BaseModel):
    """One answer of the forecasting endpoints, and what made it."""

    id: UUID = Field(description="As in the header X-Prediction-ID; its order is that of time.")
    answered_at: datetime
    request_id: str = Field(description="As in the header X-Request-ID.")
    endpoint: str
    caller: str | None = Field(description="The name of the API key; null where none was asked.")
    model: str
    model_version: str
    bundle_hash: str | None = Field(
        description="SHA-256 of the manifest of the bundle; null where it was never written."
    )
    git_commit: str | None = Field(description="Of the code that trained the model.")
    fingerprint: str = Field(description="Of the sales that the answer starts from.")
    origin: Annotated[date, Field(description="The last period that was known.")]
    covariates: dict[str, UsedCovariate]
    warnings: list[str]
    answer: list[dict[str, object]] = Field(
        description="Per series its keys and, for each target, median, mean and quantiles."
    )
    corrects: UUID | None = Field(description="The id of the answer that this one puts right.")


class PredictionsPage(BaseModel):
    """Some answers, the newest first."""

    items: list[StoredPrediction]
    next: str | None = Field(description="The `cursor` of the page that follows; null: none does.")


class Health(BaseModel):
    """The process lives."""

    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """A verified model is loaded and the database answers."""

    status: Literal["ready"] = "ready"
    model_version: str
    forecast_origin: date = Field(description="The last known week; forecasts start after it.")
    refused: str | None = Field(description="Why a newer model or newer data is not served.")
    warning: str | None = Field(
        None, description="What is said with every answer, such as that a training is due."
    )


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

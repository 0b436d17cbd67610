"""What callers may send for the loaded panel: the forms of both questions, as pydantic models.

Takes the specification of a panel, gives models whose fields are its keys and covariates by the
names that its files have. Types are strict (no number in quotes, no boolean for a number), and what
is no field is refused, so that a mistyped name is never silently ignored. Must not know the model
behind the service.
"""

from __future__ import annotations

from calendar import day_name
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property
from operator import attrgetter
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from sales_forecast.data.calendar import FRIDAY
from sales_forecast.data.frequency import DAILY
from sales_forecast.data.series_names import LONGEST_KEY
from sales_forecast.data.spec import Covariate, Key, PanelSpec
from sales_forecast.service.days import Day

MOST_SERIES = 100
"""So many series may be asked for in one request."""
_LARGEST_COST = 1e12
_BY_CALENDAR = (
    " The models know holidays from the calendar: a value that differs from it makes a warning, and"
    " as a rule no other prediction."
)
_DESCRIBED: Mapping[str, tuple[str, float]] = {
    "Temperature": ("Degrees Fahrenheit.", 75.5),
    "Fuel_Price": ("US dollars a gallon.", 3.45),
    "CPI": ("Consumer price index.", 238.2),
    "Unemployment": ("Percent.", 5.8),
}
_Flag = Annotated[int, Field(ge=0, le=1)]
Named = tuple[int | str, ...]
"""The values of the keys of one series, in the order of the specification."""


class Body(BaseModel):
    """What every body has in common."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True
    )


@dataclass(frozen=True)
class Forms:
    """The forms of both questions for one panel.

    Attributes:
        predict: one series, one day and its covariates.
        forecast: one series and how many periods after the last known one.
        one: one series.
        many: up to `MOST_SERIES` series.
        order: one series, a period after the last known one and two costs.
        series_of: the values of the keys in any of them but `many`.
        covariates_of: the values of `covariates` in the first, None where it is left out.
        covariates: those of the past, then those that are known in advance.
    """

    spec: PanelSpec
    predict: type[BaseModel]
    forecast: type[BaseModel]
    one: type[BaseModel]
    many: type[BaseModel]
    order: type[BaseModel]
    series_of: Callable[[Any], Named]
    covariates_of: Callable[[Any], tuple[float | None, ...]]
    covariates: tuple[Covariate, ...]

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The names of the keys in a request for forecasts."""
        return tuple(key.field for key in self.spec.keys)

    @property
    def most_steps(self) -> int:
        """How far ahead a forecast may be asked for."""
        return self.spec.frequency.a_year


@cache
def forms_of(spec: PanelSpec, weekday: int = FRIDAY) -> Forms:
    """Return the forms of a panel; `weekday`: on which its weeks end, Monday is 0."""
    frequency = spec.frequency
    covariates = (*spec.past, *spec.future)
    by_column = {f"key_{n}": _key(key, key.column) for n, key in enumerate(spec.keys)}
    by_field = {f"key_{n}": _key(key, key.field) for n, key in enumerate(spec.keys)}
    told = {f"covariate_{n}": _covariate(spec, of) for n, of in enumerate(covariates)}
    unit = frequency.unit
    of_week = f" Any day stands for its week, which ends on a {day_name[weekday]}."
    means = "" if frequency == DAILY else of_week
    day = Field(
        alias=spec.date,
        description=f"DD-MM-YYYY or YYYY-MM-DD.{means}",
        examples=["03-11-2012"],
    )
    steps = Field(
        ge=1, le=frequency.a_year, description=f"{unit.capitalize()}s to forecast.", examples=[5]
    )
    predict = _made(
        "PredictRequest",
        f"One series, one {unit} and what is known or assumed of it.",
        by_column | {"day": (Day, day)} | told,
    )
    forecast = _made(
        "ForecastRequest",
        f"One series and how many {unit}s after the last known one.",
        by_field | {"steps": (int, steps)},
    )
    one = _made("Series", "One series.", by_field)
    many = _made(
        "ForecastsRequest",
        f"Some series and how many {unit}s after the last known one.",
        {
            "series": (list[one], Field(min_length=1, max_length=MOST_SERIES)),  # type: ignore[valid-type]
            "steps": (int, steps),
        },
    )
    cost = Annotated[float, Field(gt=0, le=_LARGEST_COST)]
    order = _made(
        "OrderRequest",
        f"One series, one {unit} after the last known one, and what it costs to be wrong.",
        by_field
        | {
            "step": (int, Field(1, ge=1, le=frequency.a_year, description=f"1: the next {unit}.")),
            "too_many": (cost, Field(alias="cost_of_one_too_many", description="Left over.")),
            "too_few": (cost, Field(alias="cost_of_one_too_few", description="Missing.")),
        },
    )
    return Forms(
        spec, predict, forecast, one, many, order, _taking(by_column), _taking(told), covariates
    )


def _made(name: str, says: str, fields: Mapping[str, Any]) -> type[Body]:
    made: type[Body] = create_model(name, __base__=Body, __doc__=says, **fields)
    return made


def _key(key: Key, name: str) -> tuple[Any, Any]:
    if key.kind == "number":
        # Any 32-bit number: whether the series is known is the model's to say.
        return int, Field(alias=name, ge=-(2**31), lt=2**31, examples=[1])
    return str, Field(alias=name, min_length=1, max_length=LONGEST_KEY, examples=["a"])


def _covariate(spec: PanelSpec, of: Covariate) -> tuple[Any, Any]:
    text, example = _described(spec, of)
    kind: Any = _Flag if of.name in {spec.holiday, spec.open} else float
    examples = None if example is None else [example]
    if of.name in spec.required:
        return kind, Field(alias=of.column, description=text, examples=examples)
    left_out = "Left out, what can be expected of it is used."
    if of in spec.future:
        left_out = (
            "Left out, the loaded plan counts. Supplied, it is answered as if that plan was loaded."
        )
    description = f"{text} {left_out}" if text else left_out
    return kind | None, Field(None, alias=of.column, description=description, examples=examples)


def _described(spec: PanelSpec, of: Covariate) -> tuple[str | None, float | None]:
    if of.name == spec.holiday:
        ours = spec.frequency != DAILY and not spec.is_own
        says = f"1 if the {spec.frequency.unit} holds a holiday, else 0."
        return says + (_BY_CALENDAR if ours else ""), 0
    return (None, None) if spec.is_own else _DESCRIBED.get(of.name, (None, None))


def _taking(fields: Mapping[str, object]) -> Callable[[Any], tuple[Any, ...]]:
    """Return what takes fields of a model as a tuple, whatever their number."""
    names = tuple(fields)
    if len(names) > 1:
        return attrgetter(*names)
    return lambda model: tuple(getattr(model, name) for name in names)


def example_of(spec: PanelSpec, series: Named, day: date) -> dict[str, object]:
    """Return a body of `Forms.predict` about a series of the loaded panel."""
    keys = {key.column: value for key, value in zip(spec.keys, series, strict=True)}
    told = {
        of.column: _described(spec, of)[1] or 0
        for of in (*spec.past, *spec.future)
        if of.name in spec.required or of.name == spec.holiday
    }
    return {**keys, spec.date: day.isoformat(), **told}

"""The wish that a form tells: fields for what may be planned otherwise, and what comes of it.

Takes a predictor and what a form sent, gives fields to show and both forecasts, as planned and as
wished. Must not know HTML.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated, Any

from pydantic import Field as Bounds
from pydantic import create_model

from sales_forecast.data.numerals import numeral
from sales_forecast.planning.overrides import Planned
from sales_forecast.service.forms import Named
from sales_forecast.service.measured_effects import Effect
from sales_forecast.service.predictor import Predictor
from sales_forecast.service.what_if import (
    Lever,
    Wished,
    days_ahead,
    levers,
    plannable,
    what_if,
)
from sales_forecast.web.expected import asked_now
from sales_forecast.web.fields import Field, Wrong, read_fields
from sales_forecast.web.outlook import Outlook, Period, outlook_of
from sales_forecast.web.selection import selections_of

_WEEKS_BACK = {"week": 13, "day": 4}
_NO_YES = ("no", "yes")


@dataclass(frozen=True)
class Cell:
    """A covariate in one period: a field where it may be wished, and what it is without that."""

    taken: str
    field: Field | None


@dataclass(frozen=True)
class Measured:
    """What sales did when a covariate changed; `change` in words."""

    column: str
    change: str
    effect: Effect


@dataclass(frozen=True)
class Tried:
    """A wish and what came of it.

    Attributes:
        outlook: as planned, and what is wished in place of people's plans.
        wished: of each period ahead.
        wishes: of each period ahead, in words.
        left_out: what was sent and could not be wished of this series.
    """

    outlook: Outlook
    wished: Sequence[Wished]
    wishes: Sequence[Sequence[str]]
    left_out: Sequence[str]

    @property
    def rows(self) -> Iterator[tuple[Period, Wished, Sequence[str]]]:
        """What stands in a line of the table."""
        return zip(self.outlook.ahead, self.wished, self.wishes, strict=True)

    @property
    def as_planned(self) -> float:
        """Sales of all periods, as planned."""
        return sum(of.expected or 0.0 for of in self.outlook.ahead)

    @property
    def as_wished(self) -> float:
        """The same, as wished."""
        return sum(of.mean for of in self.wished)


def names_of_wishes(predictor: Predictor) -> frozenset[str]:
    """Return the names of all fields that the form has for any series."""
    days = days_ahead(predictor)
    return frozenset(_name(of.column, day) for of in plannable(predictor.spec) for day in days)


def series_of(predictor: Predictor, sent: Mapping[str, str]) -> Named:
    """Return the series that a form names. Raises InvalidRequest, UnknownSeries."""
    one = predictor.forms.one
    told = {name: sent[name] for name in predictor.forms.fields if name in sent}
    series = predictor.forms.series_of(read_fields(predictor, one, told))
    predictor.series.row(series, by_column=False)
    return series


def effects_of(found: Sequence[Lever]) -> Iterator[Measured]:
    """Yield what sales did when plans changed, where that can be told."""
    for of in found:
        if of.effect is not None:
            change = f"{_word(of, of.low)} → {_word(of, of.high)}"
            yield Measured(of.of.column, change, of.effect)


def cells(
    predictor: Predictor, found: Sequence[Lever], values: Mapping[str, str], wrong: Wrong
) -> list[tuple[date, list[Cell]]]:
    """Return a row of the form for each period, with a cell for each lever."""
    return [
        (day, [_cell(lever, n, _name(lever.of.column, day), values, wrong) for lever in found])
        for n, day in enumerate(days_ahead(predictor))
    ]


def _cell(lever: Lever, n: int, name: str, values: Mapping[str, str], wrong: Wrong) -> Cell:
    taken = lever.taken[n]
    by = "as usual" if lever.planned[n] is None else "planned"
    told = by if taken is None else f"{_word(lever, taken)}, {by}"
    if not lever.measured[n]:
        return Cell(told, None)
    choices = None
    if lever.is_flag:
        choices = {"": told, **{str(of): _NO_YES[of] for of in (0, 1) if of != taken}}
    return Cell(
        told,
        Field(
            name,
            "flag" if lever.is_flag else "number",
            required=False,
            value=values.get(name, ""),
            hint=f"{numeral(lever.low)} to {numeral(lever.high)}",
            problem=wrong.get(name),
            choices=choices,
        ),
    )


def wish(predictor: Predictor, sent: Mapping[str, str]) -> Tried:
    """Return what comes of a filled form. Raises InvalidRequest, UnknownSeries."""
    series, days = series_of(predictor, sent), days_ahead(predictor)
    found = levers(predictor, series)
    of_series = predictor.forms.fields
    offered = {
        _name(of.of.column, day): of
        for of in found
        for day, measured in zip(days, of.measured, strict=True)
        if measured
    }
    told = {name: text for name, text in sent.items() if text.strip()}
    read = {name: text for name, text in told.items() if name in {*of_series, *offered}}
    attributes = {f"wish_{n}": name for n, name in enumerate(read.keys() & offered.keys())}
    fields: dict[str, Any] = {at: _bounded(offered[name], name) for at, name in attributes.items()}
    model = create_model("WhatIfRequest", __base__=predictor.forms.one, **fields)
    request = read_fields(predictor, model, read)
    values = {name: getattr(request, at) for at, name in attributes.items()}
    steps = len(days)
    predictor.forecast(series, steps, "best")  # it refuses a series without sales
    wishes = {of.of.name: [values.get(_name(of.of.column, day)) for day in days] for of in found}
    wished = what_if(predictor, series, wishes)
    row = predictor.series.row(series, by_column=False)
    selection = selections_of(predictor).of_row(row)
    said = asked_now(predictor, selection, steps)
    apart = {
        day: round((of.mean - said.expected[day]) * 100)
        for day, of in zip(days, wished, strict=True)
    }
    back = predictor.panel.frequency.periods(_WEEKS_BACK[predictor.panel.frequency.unit])
    said = replace(said, planned=Planned("", apart))
    outlook = outlook_of(predictor, selection, said, back, steps, former={})
    return Tried(
        replace(outlook, changed="as you wish"),
        wished,
        [[*_words(found, values, day)] for day in days],
        [name for name in told if name not in read],
    )


def _words(found: Sequence[Lever], values: Mapping[str, Any], day: date) -> Iterator[str]:
    for of in found:
        value = values.get(_name(of.of.column, day))
        if value is not None:
            yield f"{of.of.column} {_word(of, value)}"


def _word(lever: Lever, value: float) -> str:
    return _NO_YES[int(value)] if lever.is_flag else numeral(value)


def _bounded(lever: Lever, name: str) -> tuple[Any, Any]:
    kind: Any = int if lever.is_flag else float
    return Annotated[kind, Bounds(ge=lever.low, le=lever.high)], Bounds(alias=name)


def _name(column: str, day: date) -> str:
    return f"{column} {day}"

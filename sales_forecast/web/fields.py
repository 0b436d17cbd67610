"""The fields of a form that asks what the API answers, and what a filled one says.

Takes the model of a request's body, gives fields to show and the request. What is wrong is said in
the words of the API, because the API's own model reads it. Must not know HTML, nor what is asked.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar
from urllib.parse import quote

from pydantic import BaseModel

from sales_forecast.errors import SalesForecastError, UnknownSeries
from sales_forecast.service.json_route import read
from sales_forecast.service.predictor import Predictor

Kind = Literal["whole", "number", "text", "day", "choice", "flag"]
Wrong = Mapping[str, str]
"""Name of a field -> what is wrong with it."""
Model = TypeVar("Model", bound=BaseModel)
_NUMBER = re.compile(r"[+-]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)([eE][+-]?[0-9]{1,3})?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,12}")
_MOST_CHOICES = 300


@dataclass(frozen=True)
class Field:
    """One field of the form.

    Attributes:
        value: what was sent, or what the form begins with.
        problem: what is wrong with it.
        choices: value -> what it is called, where there are few.
    """

    name: str
    kind: Kind
    required: bool
    value: str
    hint: str | None
    problem: str | None = None
    choices: Mapping[str, str] | None = None

    @property
    def id(self) -> str:
        """The name without blanks, which an identifier in a page must not have."""
        return quote(self.name, safe="")

    @property
    def wish(self) -> str:
        """What a browser says of a value that is none, as the API would."""
        return {"whole": "must be a valid integer", "number": "must be a valid number"}.get(
            self.kind, ""
        )


def names_of(model: type[BaseModel]) -> frozenset[str]:
    """Return the names of the fields of a model."""
    return frozenset(of.alias or name for name, of in model.model_fields.items())


def example_series(predictor: Predictor) -> dict[str, str]:
    """Return the keys of a series by the names that requests for forecasts have."""
    named = zip(predictor.spec.keys, predictor.example[0], strict=True)
    return {key.field: str(value) for key, value in named}


def fields(
    predictor: Predictor, model: type[BaseModel], values: Mapping[str, str], wrong: Wrong
) -> list[Field]:
    """Return the fields of a model, filled with values."""
    spec, forms = predictor.spec, predictor.forms
    places = {name: n for n, key in enumerate(spec.keys) for name in (key.column, key.field)}
    flags = {of.column for of in forms.covariates if of.name in {spec.holiday, spec.open}}
    made = []
    for attribute, of in model.model_fields.items():
        name = of.alias or attribute
        required = of.is_required()
        kind: Kind = "whole" if of.annotation is int else "number"
        choices = None
        if name in places:
            place = places[name]
            kind = "whole" if spec.keys[place].kind == "number" else "text"
            known = sorted({named[place] for named in predictor.series.named})
            if len(known) <= _MOST_CHOICES:
                kind, choices = "choice", {str(value): str(value) for value in known}
        elif name == spec.date:
            kind = "day"
        elif name in flags:
            kind, choices = "flag", {"0": "no", "1": "yes"}
            if not required:
                choices = {"": "as expected", **choices}
        made.append(
            Field(
                name=name,
                kind=kind,
                required=required,
                value=values.get(name, ""),
                hint=of.description,
                problem=wrong.get(name),
                choices=choices,
            )
        )
    return made


def read_fields(predictor: Predictor, model: type[Model], sent: Mapping[str, str]) -> Model:
    """Return what a filled form asks; a field left empty is left out. Raises InvalidRequest."""
    body = {name: _typed(predictor, name, text.strip()) for name, text in sent.items()}
    told = {name: value for name, value in body.items() if value != ""}
    return read(model, json.dumps(told).encode())


def wrong_of(error: SalesForecastError) -> Wrong:
    """Return what is wrong with single fields; of values that fit no series nothing is."""
    if isinstance(error, UnknownSeries):
        return {}
    told = error.fields.items()
    return {
        name: of for name, of in told if isinstance(of, str) and f"{name} {of}" in error.message
    }


def _typed(predictor: Predictor, name: str, text: str) -> object:
    """Return a text of a form as JSON would have it: what is no number stays a text."""
    texts = (of for of in predictor.spec.keys if of.kind == "text")
    if name == predictor.spec.date or any(name in {of.column, of.field} for of in texts):
        return text
    if _WHOLE.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text):
        value = float(text.replace(",", "."))
        return value if math.isfinite(value) else text
    return text

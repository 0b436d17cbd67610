"""What a panel is: its keys, what is known of each period, and what its series are.

Takes the names that files use, gives one value that can be JSON: stored beside the sales at the
first load, and read by whatever must know the panel's form. Must not hold sales.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from sales_forecast.data.frequency import WEEKLY, Frequency

OWN_LAYOUT = ".toml"
PUBLIC_HOLIDAY = "public_holiday"
"""The future covariate that comes of a country's calendar instead of a column."""
Labels = npt.NDArray[np.generic]
WeekDates = Literal["first", "last"]
NamedFrequency = Annotated[
    Frequency,
    BeforeValidator(Frequency.of),
    PlainSerializer(lambda of: of.name, return_type=str),
]
"""A frequency that JSON and TOML hold as its name."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


_V = TypeVar("_V", bound=_Value)


class Key(_Value):
    """One of the values that together name a series.

    Attributes:
        column: its name in files.
        kind: whole numbers of at most nine digits, or texts.
        field: its name in a request for forecasts.
    """

    column: str
    kind: Literal["number", "text"]
    field: str


class Covariate(_Value):
    """A number that is known of each series and period: `name` in a panel, `column` in files.

    Attributes:
        lead: so many periods before its own it is known; None: whenever there is a plan.
    """

    name: str
    column: str
    lead: Annotated[int | None, Field(exclude_if=lambda lead: lead is None)] = None


class StaticFeature(_Value):
    """What a series is: `name` in a panel, `column` in files.

    Attributes:
        kind: numbers with decimals, whole numbers, or labels.
        vocabulary: the labels that are known, in the order in which they were: a label keeps its
            place when others come.
    """

    name: str
    column: str
    kind: Literal["number", "whole", "label"]
    vocabulary: tuple[str, ...] = ()


Missing = Literal["unknown", "zero"]
"""What it means that a period has no row: nothing is known, or nothing was sold."""


class PanelSpec(_Value):
    """The form of a panel.

    Attributes:
        layout: `stores`, `departments`, `daily`, or the name of a TOML file.
        keys: what names a series, in this order.
        date: the column of the day that names a period.
        dates: which day of a week that is in files, None where nobody said it; the last in panels.
        target: the column of what is forecast.
        future: covariates that are known in advance.
        past: covariates that are known afterwards.
        static: what a series is; one whose column is that of a key repeats that key.
        pool: the static feature within which series are alike, None if all are.
        country: whose public holidays are known in advance, by its two letters.
        holiday: the covariate of 0 and 1 whose periods are scored `holiday_weight` times.
        open: the covariate of 0 and 1 by which a series sells or does not.
        missing: what a period without a row means.
        required: covariates without which one step ahead is not answered.
    """

    layout: str
    keys: tuple[Key, ...]
    frequency: NamedFrequency = WEEKLY
    date: str
    target: str
    future: tuple[Covariate, ...] = ()
    past: tuple[Covariate, ...] = ()
    static: tuple[StaticFeature, ...] = ()
    pool: str | None = None
    country: str | None = None
    holiday: str | None = None
    holiday_weight: float = 5.0
    open: str | None = None
    missing: Missing = "unknown"
    required: tuple[str, ...] = ()
    dates: WeekDates | None = None

    @property
    def is_own(self) -> bool:
        """Whether the names of columns are those of a user, and mean nothing by themselves."""
        return self.layout.endswith(OWN_LAYOUT)

    @property
    def by_calendar(self) -> str | None:
        """The future covariate that comes of the calendar of the country."""
        return PUBLIC_HOLIDAY if self.country else None

    @property
    def of_periods(self) -> tuple[Covariate, ...]:
        """Covariates that have a value of their own for each series, the future ones first."""
        own = (of for of in self.future if of.name != self.by_calendar)
        return (*own, *self.past)

    @property
    def of_series(self) -> tuple[StaticFeature, ...]:
        """Static features that do not repeat a key."""
        keys = {key.column for key in self.keys}
        return tuple(of for of in self.static if of.column not in keys)

    @property
    def leads(self) -> Mapping[str, int]:
        """Future covariate -> how many periods ahead it is known, of those that are not always."""
        return {of.name: of.lead for of in self.future if of.lead is not None}

    def differences(self, other: PanelSpec) -> tuple[str, ...]:
        """Return how the other differs, each in words that name both; nothing if it fits.

        Layouts are compared by what they say and not by their names, and vocabularies grow.
        """
        mine, theirs = _said(self), _said(other)
        return tuple(
            f"{what} {mine[what]} against {theirs[what]}"
            for what in mine
            if mine[what] != theirs[what]
        )

    def read_as(self, stored: PanelSpec) -> PanelSpec:
        """Return this with numbers taken for texts where `stored` has texts in their place.

        A file may hold only such articles as have a number for a name.
        """
        texts = {key.column for key in stored.keys if key.kind == "text"}
        labels = {of.name for of in stored.static if of.kind == "label"}
        keys = tuple(_with(key, kind="text") if key.column in texts else key for key in self.keys)
        static = tuple(
            _with(of, kind="label") if of.name in labels and of.kind == "whole" else of
            for of in self.static
        )
        return _with(self, keys=keys, static=static)

    def extended(self, given: PanelSpec) -> PanelSpec:
        """Return this with what a later file that fits adds: labels, decimals, what dates are."""
        of_name = {of.name: of for of in given.static}
        static = tuple(_extended(of, of_name[of.name]) for of in self.static)
        return _with(self, static=static, dates=given.dates or self.dates)

    def dated(self, dates: WeekDates | None) -> PanelSpec:
        """Return this of files in which the date of a week is its first or its last day."""
        return _with(self, dates=dates)

    def describing(self, static: Mapping[str, Labels]) -> PanelSpec:
        """Return this with the vocabulary of static features, array[n_series] of each name."""
        found = {name: np.unique(values).tolist() for name, values in static.items()}
        return _with(
            self,
            static=tuple(
                _with(of, vocabulary=tuple(found[of.name]) if of.kind == "label" else ())
                for of in self.static
            ),
        )


def covariates(names: Iterable[str]) -> tuple[Covariate, ...]:
    """Return covariates that have one name in files and panels."""
    return tuple(Covariate(name=name, column=name) for name in names)


def kind_of_key(values: Labels) -> Literal["number", "text"]:
    """Say whether a key is numbers or texts, by array[n_series]."""
    return "number" if values.dtype.kind in "iu" else "text"


def kind_of_static(values: Labels) -> Literal["number", "whole", "label"]:
    """Say what a static feature holds, by array[n_series]."""
    if values.dtype.kind == "f":
        return "number"
    return "whole" if values.dtype.kind in "iu" else "label"


def _with(value: _V, **changes: object) -> _V:
    return value.model_copy(update=changes)


def _extended(stored: StaticFeature, given: StaticFeature) -> StaticFeature:
    known = frozenset(stored.vocabulary)
    new = tuple(label for label in given.vocabulary if label not in known)
    kind = "number" if given.kind == "number" else stored.kind
    return _with(stored, kind=kind, vocabulary=stored.vocabulary + new)


def _said(spec: PanelSpec) -> dict[str, str]:
    def listed(words: Sequence[str]) -> str:
        return ", ".join(words) or "none"

    return {
        "keys": listed([f"{key.column} ({key.kind}s)" for key in spec.keys]),
        "frequency": spec.frequency.name,
        "date": spec.date,
        "target": spec.target,
        "known in advance": listed([of.column for of in spec.future]),
        "known afterwards": listed([of.column for of in spec.past]),
        "static features": listed(
            [f"{of.column} ({'label' if of.kind == 'label' else 'number'}s)" for of in spec.static]
        ),
        "pool": spec.pool or "none",
        "country": spec.country or "none",
        "holiday column": spec.holiday or "none",
        "open column": spec.open or "none",
        "missing periods": spec.missing,
        "required": listed(spec.required),
    }

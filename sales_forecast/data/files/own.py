"""One file of one's own, its columns mapped by a small TOML file.

    series = ["shop", "article"]      # together they name a series; leave out if there is one
    date = "week_ending"              # one weekday if weekly
    target = "revenue"                # empty or NA: not known, or yet to come
    missing = "zero"                  # no row, or no number in it: nothing was sold
    frequency = "weekly"              # or "daily"
    pooled_by = "article"             # within which series are alike; leave out if all are
    traits = ["region"]               # what a series is: texts or numbers, one value a series
    known_in_advance = ["promotion"]  # numbers that are also there for what is yet to come
    conditions = ["temperature"]      # numbers that are known afterwards
    holiday = "bank_holiday"          # 0 or 1: scored five times
    open = "open"                     # 0 or 1, daily only: what sells nothing by plan
    country = "DE"                    # its public holidays are known in advance, without a column
    dates = "last"                    # what the date of a week is: its "first" or its "last" day
    sources = ["weather.toml"]        # of the web; see `data.connectors.description`

Only `date` and `target` must be there. Other columns of the file are not read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sales_forecast.data import anchors
from sales_forecast.data.files import cells
from sales_forecast.data.files.csv_table import Table, read_table
from sales_forecast.data.files.plans import with_plan
from sales_forecast.data.frequency import DAILY, WEEKLY
from sales_forecast.data.panel import Labels, Panel
from sales_forecast.data.public_holidays import is_known
from sales_forecast.data.reserved import ANSWERED, RESERVED
from sales_forecast.data.series_names import LONGEST_KEY, ONLY, key_of
from sales_forecast.data.spec import (
    PUBLIC_HOLIDAY,
    Key,
    Missing,
    NamedFrequency,
    PanelSpec,
    StaticFeature,
    WeekDates,
    covariates,
    kind_of_key,
    kind_of_static,
)
from sales_forecast.data.toml_file import read_toml
from sales_forecast.errors import DataRefused, in_words

_Name = Annotated[str, Field(min_length=1)]
_Names = tuple[_Name, ...]


class OwnLayout(BaseModel):
    """Which column of a file means what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    series: _Names = ()
    date: _Name
    target: _Name
    frequency: NamedFrequency = WEEKLY
    pooled_by: _Name | None = None
    traits: _Names = ()
    known_in_advance: _Names = ()
    conditions: _Names = ()
    holiday: _Name | None = None
    open: _Name | None = None
    country: _Name | None = None
    dates: WeekDates | None = None
    missing: Missing = "unknown"
    sources: _Names = ()
    _name: str = ""

    @classmethod
    def read(cls, file: Path, dates: WeekDates | None = None) -> Self:
        """Read the TOML file; `dates` stands above what it says. Raises DataRefused."""
        try:
            described = read_toml(file, file)
            told = described | ({"dates": dates} if dates else {})
            return cls.model_validate(told, context=file.name)
        except OSError as error:
            raise DataRefused(file, f"cannot be read: {error.strerror}") from None
        except ValidationError as error:
            first = error.errors()[0]
            unknown = first["type"] == "extra_forbidden"
            known = f" (known: {', '.join(cls.model_fields)})" if unknown else ""
            raise DataRefused(file, f"describes no layout: {in_words(first)}{known}") from None

    def model_post_init(self, context: object) -> None:
        """Keep the name of the file as that of the layout."""
        self._name = str(context)

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        columns = self._columns()
        if twice := sorted({name for name in columns if columns.count(name) > 1}):
            raise ValueError(f"column {twice[0]!r} is named twice")
        if self.pooled_by not in (None, *self.series, *self.traits):
            raise ValueError(f"pooled_by {self.pooled_by!r} is neither in series nor in traits")
        if self.dates and self.frequency == DAILY:
            raise ValueError("dates is for weekly sales")
        if self.open and self.frequency != DAILY:
            raise ValueError("open is for daily sales")
        if self.country and not is_known(self.country):
            raise ValueError(f"country {self.country!r} is no code of a known country, such as DE")
        others = (
            *self.known_in_advance,
            *self.conditions,
            *filter(None, (self.holiday, self.open)),
        )
        if self.country and PUBLIC_HOLIDAY in others:
            raise ValueError(f"with country, {PUBLIC_HOLIDAY!r} is no name of a column")
        for name in (*self.series, *others):
            if name.casefold() in RESERVED or (name in self.series and name.casefold() in ANSWERED):
                raise ValueError(
                    f"column {name!r} has a name that the service uses; rename it, "
                    f"to 'my_{name}' for example"
                )
        return self

    def _columns(self) -> tuple[str, ...]:
        flags = (name for name in (self.holiday, self.open) if name)
        named = (*self.series, self.date, self.target, *self.traits)
        return (*named, *self.known_in_advance, *self.conditions, *flags)

    def panel(self, file: Path) -> Panel:
        """See `layouts.Layout.panel`."""
        table = read_table(file, self._columns(), others=True)
        keys = [_key(table, name) for name in self.series]
        periods = (
            cells.days(table, self.date)
            if self.frequency == DAILY
            else cells.weeks(table, self.dates, self.date, anchors.LAST_DAYS_OF_OWN)
        )
        names = list(zip(*(key.tolist() for key in keys), strict=True))
        names = names or [(ONLY,)] * len(table.lines)
        unit = self.frequency.unit
        cells.refuse_duplicates(
            table,
            self.date,
            names,
            periods,
            what="series",
            unit=unit,
            otherwise=f"what tells series apart is to be named by series in {self._name}",
        )
        measured = (self.target, *self.known_in_advance, *self.conditions)
        numbers = cells.numbers(table, measured, missing=measured)
        planned = {name: numbers[name] for name in self.known_in_advance}
        observed = {name: numbers[name] for name in self.conditions}
        if self.open:
            planned[self.open] = cells.flags(table, self.open)
        if self.holiday:
            observed[self.holiday] = cells.flags(table, self.holiday, missing=True)
        sales = numbers[self.target]
        if self.open:
            # Nothing is sold, as planned: there is nothing to forecast.
            sales[planned[self.open] == 0] = np.nan
        if np.isnan(sales).all():
            ahead = "; a plan of what is to come stands in one file with the newest sales"
            problem = f"no row has sales{ahead if self.known_in_advance else ''}"
            raise DataRefused(file, problem, column=self.target)
        conditions = {**planned, **observed}
        by_column = dict(zip(self.series, keys, strict=True))
        whole = Panel.from_rows(by_column, periods, sales, conditions, self.frequency)
        traits = self._traits(table, keys, names)
        return replace(
            with_plan(whole, planned, self.country),
            traits=traits,
            pooled_by=self.pooled_by,
            spec=self._spec(whole.keys, traits),
        )

    def _spec(self, keys: Mapping[str, Labels], traits: Mapping[str, Labels]) -> PanelSpec:
        """Say what a panel of this layout is, by the keys and traits of its series."""
        opened, flagged = ((of,) if of else () for of in (self.open, self.holiday))
        by_country = (PUBLIC_HOLIDAY,) if self.country else ()
        return PanelSpec(
            layout=self._name,
            keys=tuple(
                Key(column=column, kind=kind_of_key(of), field=column)
                for column, of in keys.items()
            ),
            frequency=self.frequency,
            date=self.date,
            target=self.target,
            future=covariates((*self.known_in_advance, *opened, *by_country)),
            past=covariates((*self.conditions, *flagged)),
            static=tuple(
                StaticFeature(name=name, column=name, kind=kind_of_static(of))
                for name, of in traits.items()
            ),
            pool=self.pooled_by,
            country=self.country,
            holiday=self.holiday,
            open=self.open,
            dates=self.dates,
            missing=self.missing,
        ).describing(traits)

    def _traits(
        self,
        table: Table,
        keys: Sequence[npt.NDArray[np.generic]],
        names: Sequence[tuple[object, ...]],
    ) -> dict[str, npt.NDArray[np.generic]]:
        """Return the traits of each series; its keys are traits too, if there are several."""
        rows: dict[tuple[object, ...], int] = {}
        for row, name in enumerate(names):
            rows.setdefault(name, row)
        first = [rows[name] for name in sorted(rows)]  # the order of a panel
        own = {name: key[first] for name, key in zip(self.series, keys, strict=True)}
        found: dict[str, npt.NDArray[np.generic]] = own if len(keys) > 1 or self.pooled_by else {}
        for trait in self.traits:
            values = _trait(table, trait)
            expected = values[[rows[name] for name in names]]
            if (other := np.flatnonzero(values != expected)).size:
                row = int(other[0])
                named = "-".join(map(str, names[row]))
                problem = f"series {named} was {expected[row]} before and is {values[row]} here"
                raise table.refusal(other.tolist(), trait, problem)
            found[trait] = values[first]
        return found


def _key(table: Table, column: str) -> npt.NDArray[np.generic]:
    """Return the cells of a column as whole numbers if all are, else as texts."""
    texts = np.array(table.parse(column, key_of, f"a name of up to {LONGEST_KEY} characters"))
    try:
        numbers = np.array(table.parse(column, cells.store, "a number"), dtype=np.int64)
    except DataRefused:
        return texts
    # 007 and 7 are two articles.
    return numbers if (numbers.astype(str) == texts).all() else texts


def _trait(table: Table, column: str) -> npt.NDArray[np.generic]:
    """Return what a series is: numbers if all cells are, some with decimals; else as a key."""
    if any("." in cell or "," in cell for cell in table.cells[column]):
        with suppress(DataRefused):
            return cells.numbers(table, [column])[column]
    return _key(table, column)

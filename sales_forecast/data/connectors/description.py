"""A source of the web, described by a small TOML file: what to ask, and where its answer has what.

    name = "My weather"
    licence = "CC BY 4.0"
    url = "https://example.org/days?lat={lat}&from={first}&to={last}&key={key}"
    key = "my_weather"          # the name in SOURCE_KEYS of what stands for {key}
    dates = "daily.time[]"      # where the dates are: names, dots between, [] for each of a list
    combine = "mean"            # what the days, or hours, of a period become: mean, sum, min or max
    known = 7                   # so many days before; or "afterwards", or "always"
    at_once = 366               # days that one request may ask for
    a_minute = 60               # requests
    timeout = 20                # seconds

    [places]                    # what differs by series: name in the url -> trait of the series
    lat = "latitude"

    [values]                    # covariate -> where its values are, or what each date counts
    temperature = "daily.temperature[]"

    [only]                      # of a list, the items that have these values
    "holidays[].kind" = "public"

Besides {first} and {last}, days, a url may name {year}: it is asked once a year then.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from string import Formatter
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sales_forecast.data.toml_file import read_toml
from sales_forecast.errors import DataRefused, in_words

_OURS = {"first", "last", "year", "key"}
Count = Annotated[int, Field(ge=1, le=100_000)]


class Description(BaseModel):
    """What the file says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1)]
    licence: Annotated[str, Field(min_length=1)]
    url: Annotated[str, Field(pattern=r"^https?://")]
    key: str | None = None
    dates: str
    values: Annotated[Mapping[str, str | float], Field(min_length=1)]
    places: Mapping[str, str] = {}
    only: Mapping[str, str | float | bool] = {}
    combine: Literal["mean", "sum", "min", "max"] = "mean"
    known: Annotated[int, Field(ge=1, le=366)] | Literal["afterwards", "always"]
    at_once: Count = 366
    a_minute: Count = 60
    timeout: Annotated[float, Field(gt=0, le=300)] = 20

    @classmethod
    def read(cls, name: str, beside: Path) -> Self:
        """Read a file beside another, or one that comes with us by its name. Raises DataRefused."""
        folder = resources.files(__package__) / "descriptions"
        ours = {one.name.removesuffix(".toml"): one for one in folder.iterdir()}
        file = beside / name
        try:
            return cls.model_validate(read_toml(ours.get(name, file), file))
        except OSError as error:
            known = f"those that come with us: {', '.join(sorted(ours))}"
            raise DataRefused(file, f"cannot be read: {error.strerror} ({known})") from None
        except ValidationError as error:
            first = error.errors()[0]
            known = f" (known: {', '.join(cls.model_fields)})"
            unknown = known if first["type"] == "extra_forbidden" else ""
            raise DataRefused(file, f"describes no source: {in_words(first)}{unknown}") from None

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        named = {name for _, name, _, _ in Formatter().parse(self.url) if name is not None}
        if unknown := sorted(named - _OURS - {*self.places}):
            raise ValueError(f"the url names {{{unknown[0]}}}, which is neither ours nor in places")
        if ("key" in named) != (self.key is not None):
            raise ValueError("a url with {key} and the name of a key need each other")
        return self

    @property
    def by_year(self) -> bool:
        """Whether it is asked for years, and not for days."""
        return "{year}" in self.url

"""Which series a page is about: all of them, those with some keys in common, or one.

Takes the series of a predictor and what was asked for, gives their rows, names and addresses,
what is above and below them, and what a few typed letters find. Must not know sales.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from itertools import accumulate
from urllib.parse import urlencode

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, create_model

from sales_forecast.data.rows import STORES
from sales_forecast.data.spec import PanelSpec
from sales_forecast.service.json_route import read_query
from sales_forecast.service.predictor import Predictor
from sales_forecast.service.queries import by_field, given, keys_of
from sales_forecast.service.stored import texts_of

_MOST_FOUND = 30
Keys = Mapping[int, int | str]
"""Place in the specification -> value."""


@dataclass(frozen=True, eq=False)
class Selection:
    """Some series of a panel.

    Attributes:
        keys: what they have in common; nothing: all series.
        rows: theirs, int[n].
        title: what they are called.
    """

    spec: PanelSpec
    keys: Keys
    rows: npt.NDArray[np.intp]
    title: str

    @property
    def is_one(self) -> bool:
        """Whether it is a single series."""
        return len(self.keys) == len(self.spec.keys)

    @property
    def scope(self) -> Mapping[str, str]:
        """The keys as the tables have them."""
        return texts_of(self.keys)

    @property
    def fields(self) -> Mapping[str, int | str]:
        """The keys as requests name them."""
        return by_field(self.spec, self.keys)

    def address(self, path: str = "/series", **more: object) -> str:
        """Return a path about these series."""
        query = urlencode({**self.fields, **more})
        return f"{path}?{query}" if query else path


@dataclass(frozen=True)
class Found:
    """A name and its address, and how many series it stands for."""

    title: str
    address: str
    n: int = 1


@cache
def series_query(spec: PanelSpec) -> type[BaseModel]:
    """Return the form of a query that names series by any of their keys."""
    made: type[BaseModel] = create_model(
        "SeriesQuery", __config__=ConfigDict(extra="ignore"), **keys_of(spec, "All.")
    )
    return made


class Selections:
    """What can be selected of one predictor."""

    def __init__(self, predictor: Predictor) -> None:
        self._series = predictor.series
        self.spec = predictor.spec
        self._columns = [*map(np.array, zip(*self._series.named, strict=True))]

    def read(self, pairs: Sequence[tuple[str, str]]) -> Selection:
        """Return what a query names. Raises InvalidRequest, UnknownSeries."""
        fields = {key.field for key in self.spec.keys}
        told = [(name, value) for name, value in pairs if name in fields and value]
        query = read_query(series_query(self.spec), told)
        return self.of(given(self.spec, query))

    def of(self, keys: Keys) -> Selection:
        """Return the series with some keys. Raises UnknownSeries."""
        self._series.check(keys)
        inside = np.ones(len(self._series.named), dtype=np.bool_)
        for place, value in keys.items():
            inside &= self._columns[place] == value
        return Selection(self.spec, keys, np.flatnonzero(inside), self._title(keys))

    def of_row(self, row: int) -> Selection:
        """Return one series."""
        keys = dict(enumerate(self._series.named[row]))
        return Selection(self.spec, keys, np.array([row]), self._title(keys))

    def above(self, of: Selection) -> list[Found]:
        """Return what a selection is a part of, all series first."""
        places = [*of.keys]
        parts = [{place: of.keys[place] for place in places[:n]} for n in range(len(places))]
        return [self._found(self.of(keys)) for keys in parts]

    def below(self, of: Selection) -> list[Found]:
        """Return the parts of a selection by the next key."""
        left = [place for place in range(len(self.spec.keys)) if place not in of.keys]
        if not left:
            return []
        column = self._columns[left[0]][of.rows]
        values, counts = np.unique(column, return_counts=True)
        return [
            Found(self._title(keys), Selection(self.spec, keys, of.rows, "").address(), n)
            for value, n in zip(values.tolist(), counts.tolist(), strict=True)
            for keys in ({**of.keys, left[0]: value},)
        ]

    def search(self, text: str) -> list[Found]:
        """Return what has all words of a text in its name, sums before single series."""
        words = [f" {word}" for word in text.lower().replace(",", " ").split()]
        if not words:
            return []
        whole, begins = self._text
        rarest = min(words, key=whole.count)
        found: list[Found] = []
        at = whole.find(rarest)
        while at >= 0 and len(found) < _MOST_FOUND:
            place = bisect_right(begins, at) - 1
            name, keys = self._names[place]
            if all(word in name for word in words):
                found.append(self._found(self.of(keys)))
            at = whole.find(rarest, begins[place] + len(name))
        return found

    @cached_property
    def _text(self) -> tuple[str, list[int]]:
        """All names as one text, in which a word is found at once, and where each begins."""
        lengths = [len(name) + 1 for name, _ in self._names]
        return "\n".join(name for name, _ in self._names), [0, *accumulate(lengths)][:-1]

    @cached_property
    def _names(self) -> list[tuple[str, Keys]]:
        return [(f" {self._series.words(keys).lower()}", keys) for keys in self._all()]

    def _all(self) -> Iterator[Keys]:
        """Yield the keys of all that has a name: of the first key alone, and of every series."""
        if len(self.spec.keys) > 1:
            yield from ({0: value} for value in np.unique(self._columns[0]).tolist())
        yield from (dict(enumerate(named)) for named in self._series.named)

    def _found(self, of: Selection) -> Found:
        return Found(of.title, of.address(), len(of.rows))

    def _title(self, keys: Keys) -> str:
        if keys:
            return self._series.words(keys)
        n = len(self._series.named)
        if n == 1:
            return "All sales"
        return f"All {n:,} {'stores' if self.spec.layout == STORES.layout else 'series'}"


@lru_cache(1)
def selections_of(predictor: Predictor) -> Selections:
    """Return what can be selected; made once for each predictor."""
    return Selections(predictor)

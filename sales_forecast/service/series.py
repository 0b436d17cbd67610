"""The series of a panel by the values of their keys, as callers name them.

Takes a panel and its specification, gives the row of a series, or says which part of a name is not
known, be it the name of one series or of a sum over some keys. Must not know models.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from sales_forecast.data.panel import Panel
from sales_forecast.data.spec import PanelSpec
from sales_forecast.errors import UnknownSeries, UnknownStore
from sales_forecast.service.forms import Named

_MOST_NAMED = 20


class SeriesIndex:
    """Rows of a panel by the values of their keys."""

    def __init__(self, panel: Panel, spec: PanelSpec) -> None:
        self._spec = spec
        columns = [panel.keys[key.column].tolist() for key in spec.keys]
        self.named: tuple[Named, ...] = tuple(zip(*columns, strict=True)) or ((),)
        self._rows = {named: row for row, named in enumerate(self.named)}
        self._sums: dict[tuple[int, ...], frozenset[Named]] = {}

    def row(self, series: Named, *, by_column: bool) -> int:
        """Return the row of a series.

        `by_column`: whether the caller named keys by their columns, or by their fields. Raises
        UnknownSeries, or UnknownStore for weekly stores.
        """
        row = self._rows.get(series)
        if row is None:
            keys = dict(enumerate(series))
            raise self._unknown(keys, by_column=by_column)
        return row

    def out_of_a_spreadsheet(self, series: Named) -> Named:
        """Return the series that is meant where a spreadsheet took zeros from a key: 007 by 7.

        One that is known, or may be several, is returned as it is.
        """
        alike = [] if series in self._rows else self._bare.get(_bare(series), [])
        return alike[0] if len(alike) == 1 else series

    @cached_property
    def _bare(self) -> Mapping[Named, Sequence[Named]]:
        found: dict[Named, list[Named]] = defaultdict(list)
        for named in self.named:
            found[_bare(named)].append(named)
        return found

    def check(self, keys: Mapping[int, int | str]) -> None:
        """Return if there is a series of which some keys, by their places, have these values.

        Raises as `row` does.
        """
        places = tuple(keys)
        if places not in self._sums:
            self._sums[places] = frozenset(self._at(places))
        if tuple(keys.values()) not in self._sums[places]:
            raise self._unknown(keys, by_column=False)

    def _at(self, places: Sequence[int]) -> Iterator[Named]:
        return (tuple(of[place] for place in places) for of in self.named)

    def shown(self, row: int) -> str:
        """Return a series in words: `store 1`, or `Store 1, Dept 3`."""
        if self._spec.layout == "stores":
            return f"store {self.named[row][0]}"
        return self.words(dict(enumerate(self.named[row]))) or "the series"

    def words(self, keys: Mapping[int, int | str]) -> str:
        """Return some keys, by their places, in words: `Store 1, Dept 3`."""
        return ", ".join(
            f"{self._spec.keys[place].column} {value}" for place, value in keys.items()
        )

    def _unknown(self, keys: Mapping[int, int | str], *, by_column: bool) -> UnknownSeries:
        asked = {place: self._spec.keys[place] for place in keys}
        fields = {
            key.column if by_column else key.field: keys[place] for place, key in asked.items()
        }
        known, within = list(self._at(tuple(keys))), {}
        for number, (place, value) in enumerate(keys.items()):
            values = {of[number] for of in known}
            known = [of for of in known if of[number] == value]
            if not known:
                break
            within[place] = value
        shown = _listed(sorted(values))
        if self._spec.layout == "stores":
            return UnknownStore(
                f"Store {value} is not in the model. Known stores: {shown}.", fields
            )
        of = f" of {self.words(within)}" if within else ""
        return UnknownSeries(
            f"{self.words(keys)} is not in the model. Known{of}: {asked[place].column} {shown}.",
            fields,
        )


def _bare(series: Named) -> Named:
    return tuple(key.lstrip("0") if isinstance(key, str) else key for key in series)


def _listed(values: Sequence[int | str]) -> str:
    numbers = [value for value in values if isinstance(value, int)]
    if len(numbers) == len(values):
        return _ranges(numbers)
    more = len(values) - _MOST_NAMED
    return ", ".join(map(str, values[:_MOST_NAMED])) + (f" and {more} more" if more > 0 else "")


def _ranges(numbers: Sequence[int]) -> str:
    """Write sorted numbers briefly: 1-3, 7."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ", ".join("-".join(str(end) for end in part) for part in parts)

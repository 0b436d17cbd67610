"""The parts of a panel in which forecasts are judged apart.

Takes a panel and one of its periods, gives slices: all series, holidays, thirds by size, groups,
and how old series were at an origin. Must not know forecasts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from sales_forecast.data.forecasts.score_tables import ALL
from sales_forecast.data.panel import Labels, Panel
from sales_forecast.evaluation.sizes import SIZES, thirds
from sales_forecast.models.ages import age_numbers, weeks_known_then
from sales_forecast.models.asked import Index

AGES = ("old", "young", "new")
"""A year known, less, nothing: in the order of `models.ages.AGES`."""
_MOST_GROUPS = 200
"""More than that are no groups but articles."""
_LONGEST = 64


@dataclass(frozen=True, eq=False)
class Slice:
    """A way to part series.

    Attributes:
        labels: of its parts.
        place: intp[n_series] or intp[n_issues, n_series], the part of each; -1 for none.
        keys: places of the keys whose values a part is all series of; None if it is other series.
        summed: whether the sums of its parts are judged, too.
    """

    name: str
    labels: Sequence[str]
    place: Index
    keys: tuple[int, ...] | None = None
    summed: bool = False


@dataclass(frozen=True, eq=False)
class Slices:
    """What can be told of all periods of a panel at once."""

    panel: Panel

    def of(self, column: int, origins: Sequence[int]) -> Iterator[Slice]:
        """Yield the slices of one period; `origins` are the places of those of issues."""
        panel = self.panel
        yield Slice(ALL, (ALL,), np.zeros(panel.n_series, np.intp), (), summed=True)
        if panel.holiday in panel.conditions:
            flags = panel.holidays[:, column] > 0
            alike = () if (flags == flags[0]).all() else None
            yield Slice("holiday", ("no", "yes"), flags.astype(np.intp), alike, summed=True)
        yield Slice("size", SIZES, self._sizes(column))
        if self._group is not None:
            yield self._group
        ages = age_numbers(self._weeks_known[:, list(origins)].T).astype(np.intp)
        yield Slice("age", AGES, ages)

    def _sizes(self, column: int) -> Index:
        """Return the thirds by the mean sales of the year before a period."""
        season = self.panel.frequency.season
        before = self.panel.y[:, max(column - season, 0) : column]
        known = ~np.isnan(before)
        sold = known.any(axis=1)
        mean = np.nan_to_num(before).sum(axis=1)[sold] / known.sum(axis=1)[sold]
        found = np.full(self.panel.n_series, -1, dtype=np.intp)
        found[sold] = thirds(mean)
        return found

    @cached_property
    def _weeks_known(self) -> npt.NDArray[np.int16]:
        return weeks_known_then(self.panel)

    @cached_property
    def _group(self) -> Slice | None:
        """Return the first of second key, pool and labels that parts series into groups."""
        panel = self.panel
        keys: list[Labels] = [*panel.keys.values()][1:2]
        pool = [panel.pooled_by] if panel.pooled_by is not None else []
        traits = [panel.traits[name] for name in [*pool, *panel.traits]]
        named = [values for values in traits if values.dtype.kind not in "iuf"]
        for place, values in enumerate([*keys, *named]):
            cut = np.array([label[:_LONGEST].rstrip() for label in values.astype(str).tolist()])
            labels, parts = np.unique(cut, return_inverse=True)
            if 1 < len(labels) <= _MOST_GROUPS:
                of_key = (1,) if place < len(keys) else None
                return Slice("group", labels.tolist(), parts.ravel(), of_key, summed=True)
        return None


def stores(panel: Panel) -> tuple[Sequence[str], Index] | None:
    """Return the values of the first key and the place of each series; None for a single key."""
    if len(panel.keys) <= 1:
        return None
    labels, place = np.unique(next(iter(panel.keys.values())).astype(str), return_inverse=True)
    return labels.tolist(), place.ravel()

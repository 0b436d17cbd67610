"""A panel with what sources of the web say of its periods.

Takes a panel and descriptions, gives the panel with covariates, and a note on each of them: from
whom, since when, on which terms, of how much. A source that fails leaves its covariates unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from math import fsum
from statistics import fmean
from typing import Any
from urllib.parse import quote

import numpy as np

from sales_forecast.data.connectors.description import Description
from sales_forecast.data.connectors.web import SourceFailed, Web
from sales_forecast.data.panel import Array, Panel
from sales_forecast.data.public_holidays import SEASONS_AHEAD
from sales_forecast.data.spec import Covariate
from sales_forecast.errors import DataRefused

_SETTLED_DAYS = 10
"""Archives are corrected for so many days."""
_COMBINE: Mapping[str, Callable[[list[float]], float]] = {
    "mean": fmean,
    "sum": fsum,
    "min": min,
    "max": max,
}
Days = dict[date, list[float]]


@dataclass(frozen=True)
class _Said:
    """Covariate -> day -> values, and when the oldest of the answers was given."""

    values: Mapping[str, Days]
    at: datetime


def with_outside(panel: Panel, sources: Sequence[Description], web: Web) -> Panel:
    """Return a panel with the covariates of sources.

    Raises DataRefused where a source needs a trait that series do not have, or a name is taken.
    """
    for source in sources:
        panel = _with(panel, source, web)
    return panel


def _with(panel: Panel, source: Description, web: Web) -> Panel:
    taken = {*panel.plan, *panel.conditions, *panel.traits, *panel.keys}
    if twice := sorted(taken & {*source.values}):
        raise DataRefused(source.name, f"the sales have a column {twice[0]} of their own")
    if missing := [trait for trait in source.places.values() if trait not in panel.traits]:
        raise DataRefused(
            source.name,
            f"it asks by {missing[0]}, which is no trait of the series. "
            f"Known: {', '.join(panel.traits) or 'none'}",
        )
    ahead = _periods_ahead(panel, source)
    ends = np.concatenate([panel.periods, panel.after(ahead)]) if ahead else panel.periods
    first = ends[0].item() - timedelta(days=panel.frequency.days - 1)
    tables = {name: np.full((panel.n_series, len(ends)), np.nan) for name in source.values}
    notes, oldest = [], None
    for place, rows in _places(panel, source).items():
        try:
            said = _ask(source, dict(place), first, ends[-1].item(), web)
        except SourceFailed as error:
            notes.append(f"{error}; {', '.join(source.values)} is unknown there.")
            continue
        oldest = min(oldest or said.at, said.at)
        for name, days in said.values.items():
            tables[name][rows] = _by_period(days, ends, panel.frequency.days, source, name)
    if oldest is not None:
        notes.append(_note(source, tables, panel.n_periods, oldest))
    return _joined(panel, source, tables, [*dict.fromkeys(notes)])


def _periods_ahead(panel: Panel, source: Description) -> int:
    if source.known == "always":
        return SEASONS_AHEAD * panel.frequency.season
    return 0 if source.known == "afterwards" else _lead(panel, source.known)


def _lead(panel: Panel, days: int) -> int:
    """Return for how many periods ahead all days of a period are known; at least one."""
    return max(days // panel.frequency.days, 1)


def _places(panel: Panel, source: Description) -> dict[tuple[tuple[str, str], ...], list[int]]:
    """Return what the url is told of a place -> the rows of its series."""
    found: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for row in range(panel.n_series):
        told = ((name, str(panel.traits[of][row])) for name, of in source.places.items())
        found.setdefault(tuple(told), []).append(row)
    return found


def _ask(source: Description, place: Mapping[str, str], first: date, last: date, web: Web) -> _Said:
    values: dict[str, Days] = {name: {} for name in source.values}
    at = None
    for begin, end in _requests(source, first, last):
        told = {**place, "first": str(begin), "last": str(end), "year": str(begin.year)}
        url = source.url
        for name, text in told.items():
            url = url.replace(f"{{{name}}}", quote(text, safe=""))
        settled = end < web.now().date() - timedelta(days=_SETTLED_DAYS)
        said, when = web.get(
            url,
            source.name,
            key=source.key,
            a_minute=source.a_minute,
            timeout=source.timeout,
            settled=settled,
        )
        at = min(at or when, when)
        for name, path in source.values.items():
            for day, value in _read(source, said, path):
                values[name].setdefault(day, []).append(value)
    if at is None:
        raise SourceFailed(f"{source.name} was asked for no days")
    return _Said(values, at)


def _requests(source: Description, first: date, last: date) -> Iterator[tuple[date, date]]:
    if source.by_year:
        for year in range(first.year, last.year + 1):
            yield date(year, 1, 1), date(year, 12, 31)
        return
    while first <= last:
        end = min(first + timedelta(days=source.at_once - 1), last)
        yield first, end
        first = end + timedelta(days=1)


def _read(source: Description, said: Any, path: str | float) -> Iterator[tuple[date, float]]:
    dates = _at(said, source.dates, source.name)
    numbers = [path] * len(dates) if isinstance(path, int | float) else _at(said, path, source.name)
    wanted = [(_at(said, where, source.name), value) for where, value in source.only.items()]
    if len(numbers) != len(dates) or any(len(found) != len(dates) for found, _ in wanted):
        raise SourceFailed(f"{source.name} failed: it has not one value for each date")
    for place, (day, value) in enumerate(zip(dates, numbers, strict=True)):
        if value is None or any(found[place] != should for found, should in wanted):
            continue
        try:
            # Of a moment the day counts.
            yield date.fromisoformat(str(day)[:10]), float(value)
        except (TypeError, ValueError):
            raise SourceFailed(f"{source.name} failed: it says {value!r} of {day!r}") from None


def _at(said: Any, path: str, source: str) -> list[Any]:
    """Return everything at a path of an answer."""
    found = [said]
    for step in path.split("."):
        name, each = step.removesuffix("[]"), step.endswith("[]")
        try:
            found = [one[name] for one in found]
            if each:
                found = [one for many in found for one in many]
        except (KeyError, TypeError):
            raise SourceFailed(f"{source} failed: its answer has no {path}") from None
    return found


def _by_period(days: Days, ends: Any, length: int, source: Description, name: str) -> Array:
    """Return float64[n]: what the days of each period become; NaN if one of them is unknown."""
    counts = not isinstance(source.values[name], str)
    found = np.full(len(ends), np.nan)
    for place, end in enumerate(ends.tolist()):
        of = [days.get(end - timedelta(days=back)) for back in range(length)]
        known = [value for one in of if one for value in one]
        if counts:
            found[place] = sum(known)
        elif all(of):
            found[place] = _COMBINE[source.combine](known)
    return found


def _note(
    source: Description, tables: Mapping[str, Array], n_periods: int, oldest: datetime
) -> str:
    known = np.mean([~np.isnan(values[:, :n_periods]) for values in tables.values()])
    when = source.known if isinstance(source.known, str) else f"{source.known} days before"
    return (
        f"{', '.join(tables)}: from {source.name} ({source.licence}), fetched {oldest:%Y-%m-%d}, "
        f"known {when}, there for {known:.1%} of the past."
    )


def _joined(
    panel: Panel, source: Description, tables: dict[str, Array], notes: Sequence[str]
) -> Panel:
    spec = panel.spec
    if spec is None:
        raise DataRefused(source.name, "sales that say nothing of themselves take no source")
    of_past = source.known == "afterwards"
    lead = None if isinstance(source.known, str) else _lead(panel, source.known)
    new = tuple(Covariate(name=name, column=name, lead=lead) for name in tables)
    told = {"past": (*spec.past, *new)} if of_past else {"future": (*spec.future, *new)}
    return replace(
        panel,
        conditions={**panel.conditions, **(tables if of_past else {})},
        plan={**panel.plan, **({} if of_past else tables)},
        spec=spec.model_copy(update=told),
        notes=(*panel.notes, *notes),
    )

"""What repeats in sales, and what stands out: seasons, holidays, outliers.

Takes a panel, gives shares and single periods. All of it within series, in logarithms, so that a
large store counts like a small one. Must not fit a model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from sales_forecast.data import calendar
from sales_forecast.data.frequency import DAILY
from sales_forecast.data.panel import Array, Panel
from sales_forecast.features.decomposition import log_sales

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MOST_OF_A_YEAR = 0.9
_NEIGHBOURS = (-2, -1, 1, 2)
_AROUND = 4
_MOST_OUTLIERS = 20
"""Weeks before and after that say what is usual of a period."""
_FAR, _LEAST_FACTOR = 8.0, 1.5
"""An outlier is so many times as far off as usual for its series, and by this factor at least."""
_FEW_SERIES = 5
_MAD = 1.4826  # of a normal distribution: the standard deviation over the median deviation
_THURSDAY_EPOCH = 3  # 1970-01-01 was a Thursday


@dataclass(frozen=True)
class Lift:
    """How far the periods of a holiday lie above those around them, a share; NaN if none are."""

    name: str
    periods: int
    lift: float


@dataclass(frozen=True)
class Outlier:
    """One row that is far from what its series sells around it, and others sold then."""

    series: str
    period: date
    sold: float
    usual: float


def by_month(panel: Panel) -> Array:
    """Return float64[12]: how far the months lie from the year they are in, as shares.

    Of years that are known nearly whole; of all, if none is.
    """
    months = panel.periods.astype("datetime64[M]").astype(int) % 12
    years = panel.periods.astype("datetime64[Y]").astype(int)
    a_year = 365 / panel.frequency.days
    whole = [year for year in np.unique(years) if (years == year).sum() >= _MOST_OF_A_YEAR * a_year]
    logs = log_sales(panel.y)
    beyond = np.full_like(logs, np.nan)
    for year in whole or np.unique(years):
        own = years == year
        beyond[:, own] = logs[:, own] - _mean(logs[:, own], axis=1)[:, None]
    return _by(beyond, months, len(MONTHS))


def by_weekday(panel: Panel) -> Array | None:
    """Return float64[7]: how far weekdays lie from the week around them; None of weekly sales."""
    if panel.frequency != DAILY:
        return None
    logs = log_sales(panel.y)
    weekdays = (panel.periods.astype("datetime64[D]").astype(int) + _THURSDAY_EPOCH) % 7
    return _by(logs - _mean(_moved(logs, range(-3, 4)), axis=0), weekdays, len(WEEKDAYS))


def _by(beyond: Array, place: npt.NDArray[np.int64], n: int) -> Array:
    each = [_mean(beyond[:, place == number].ravel(), axis=0) for number in range(n)]
    found: Array = np.expm1(np.array(each))
    return found


def like_last_year(panel: Panel) -> float:
    """Return the correlation of sales within series with those of the same period a year before.

    NaN where less than a year is known.
    """
    season = panel.frequency.season
    logs = log_sales(panel.y)
    now, then = logs[:, season:], logs[:, : max(panel.n_periods - season, 0)]
    return within(now, then)


def within(one: Array, other: Array) -> float:
    """Return the correlation of two tables within series, float64[n_series, n]; NaN if none."""
    known = ~np.isnan(one) & ~np.isnan(other)
    a, b = (np.where(known, of, np.nan) for of in (one, other))
    a, b = (np.where(known, of - _mean(of, axis=1)[:, None], 0.0) for of in (a, b))
    size = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / size if size > 0 else float("nan")


def lifts(panel: Panel) -> Sequence[Lift]:
    """Return what holidays do: those that the sales say, and the large ones of weekly US sales."""
    found = []
    logs = log_sales(panel.y)
    for name, flags in _holidays(panel):
        logs_beside = np.where(flags > 0, np.nan, logs)
        step = panel.frequency.a_week
        usual = _mean(_moved(logs_beside, [step * of for of in _NEIGHBOURS]), axis=0)
        change = np.where(flags > 0, logs - usual, np.nan)
        periods = int((flags > 0).any(axis=0).sum())
        found.append(Lift(name, periods, float(np.expm1(_mean(change.ravel(), axis=0)))))
    return found


def _holidays(panel: Panel) -> Iterator[tuple[str, Array]]:
    if panel.holiday in panel.conditions:
        yield f"{panel.holiday} = 1", panel.holidays
    for name, values in panel.plan.items():
        if "holiday" in name.lower():
            yield f"{name} > 0", np.nan_to_num(values[:, : panel.n_periods])
    ours = panel.spec is None or not panel.spec.is_own
    if ours and panel.frequency != DAILY:
        ends = panel.periods.astype("datetime64[D]")
        for day in calendar.HOLIDAYS:
            years = range(panel.first.year, panel.last.year + 1)
            days = np.array([day(year) for year in years], dtype="datetime64[D]")
            since = (ends[:, None] - days[None, :]).astype(int)
            inside = ((since >= 0) & (since < calendar.DAYS_PER_WEEK)).any(axis=1)
            flags = np.broadcast_to(inside.astype(np.float64), panel.y.shape)
            yield f"week of {day.__name__.replace('_', ' ').title()}", flags


def outliers(panel: Panel) -> tuple[int, Sequence[Outlier]]:
    """Return how many rows stand out, and those that do so most.

    A row is compared with the same weekday of the four weeks before and after it, and with how far
    off all others are in that period, so that Christmas is none.
    """
    logs = log_sales(panel.y)
    steps = [panel.frequency.a_week * of for of in range(-_AROUND, _AROUND + 1)]
    usual = _median(np.moveaxis(_moved(logs, steps), 0, -1))
    off = logs - usual
    if panel.n_series >= _FEW_SERIES:
        common = _median(off.T)
        off, usual = off - common, usual + common
    scale = _MAD * _median(np.abs(off))
    limit = np.maximum(_FAR * scale[:, None], np.log(_LEAST_FACTOR))
    # Of a series that hardly ever changes by itself nothing can be said.
    far = np.where(np.isnan(off) | (scale[:, None] == 0), 0.0, np.abs(off) / limit)
    rows, columns = np.nonzero(far > 1)
    order = np.argsort(-far[rows, columns], kind="stable")[:_MOST_OUTLIERS]
    return len(rows), [
        Outlier(
            panel.series[row],
            panel.periods[column].item(),
            float(panel.y[row, column]),
            float(np.exp(usual[row, column])),
        )
        for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True)
    ]


def changes(values: Array, season: int) -> Array:
    """Return values minus those of the same period a year before; NaN in the first year."""
    moved = np.full_like(values, np.nan)
    moved[:, season:] = values[:, season:] - values[:, : max(values.shape[1] - season, 0)]
    return moved


def _moved(values: Array, steps: Sequence[int] | range) -> Array:
    """Return float64[n_steps, n_series, n]: the values so many periods away, NaN outside."""
    found = np.full((len(steps), *values.shape), np.nan)
    n = values.shape[1]
    for number, step in enumerate(steps):
        if abs(step) < n:
            found[number, :, max(-step, 0) : n - max(step, 0)] = values[
                :, max(step, 0) : n - max(-step, 0)
            ]
    return found


def _mean(values: Array, axis: int) -> Array:
    """Return the mean of what is known; NaN where nothing is."""
    known = ~np.isnan(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _median(values: Array) -> Array:
    """Return the median of what is known along the last axis; NaN where nothing is."""
    ordered = np.sort(values, axis=-1)  # what is unknown comes last
    count = (~np.isnan(values)).sum(axis=-1)
    places = [np.maximum(count - 1, 0) // 2, np.maximum(count // 2, 0)]
    both = [np.take_along_axis(ordered, at[..., None], axis=-1)[..., 0] for at in places]
    middle: Array = np.where(count % 2 == 1, both[0], (both[0] + both[1]) / 2)
    return np.where(count > 0, middle, np.nan)

"""A Gaussian process over weeks: what is expected of a week before it comes.

Takes weeks and the hyperparameters of one process, gives covariances and, of values in order,
what was expected of every week as values became known. numpy only, so that the service can run
it; `models.pooled` estimates the hyperparameters. Must not know stores or sales.
Longer than other modules: what weeks are, how they go together and what values tell is one process.

Source of the algebra: Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006,
chapters 2 and 4; MacKay, Introduction to Gaussian Processes, 1998, for the periodic kernel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from sales_forecast.data import calendar
from sales_forecast.data.panel import Array, Days

_DAYS_PER_YEAR = 365.2425
_WEEKS_PER_YEAR = _DAYS_PER_YEAR / 7
_MONTH_ORDERS = 5
_LEVEL = 0.1**2
"""Variance of the level: values are given without their mean, which two years tell well."""
_JITTER = 1e-8
_FURTHEST = 3.0
"""A value further off than so many standard deviations counts as one that is just so far off."""
_REMEMBERED = 8
"""Sets of weeks, and pairs of them: every pool and every model asks for the same ones again."""


@dataclass(frozen=True)
class Hyperparameters:
    """Of one process, all positive: variances of log sales, lengths in years.

    The two drifts are Ornstein-Uhlenbeck processes; the season repeats with the date. The cycle
    comes again every `cycle_weeks` weeks, as where every fourth week has a promotion: it follows
    the weeks seen last. A bundle from before it knows none.
    """

    trend: float
    fast_drift: float
    fast_length: float
    slow_drift: float
    slow_length: float
    season: float
    season_length: float
    month: float
    large_events: float
    small_events: float
    noise: float
    cycle: float = 0.0
    cycle_length: float = 1.0
    cycle_weeks: int = 2

    def from_logs(self, logs: Array) -> Hyperparameters:
        """Return those whose logarithms are given, in the order of `names`; weeks are the same."""
        numbers: dict[str, Any] = dict(zip(self.names(), np.exp(logs).tolist(), strict=True))
        return replace(self, **numbers)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the names of all that are positive numbers, in the order of the fields."""
        return tuple(field.name for field in fields(cls) if field.name != "cycle_weeks")

    @classmethod
    def variances(cls) -> tuple[str, ...]:
        """Return the names of those that are variances."""
        return tuple(name for name in cls.names() if not name.endswith("_length"))

    def logs(self) -> Array:
        """Return float64[13], the logarithms in the order of `names`."""
        return np.log([getattr(self, name) for name in self.names()])


@dataclass(frozen=True, eq=False)
class Weeks:
    """Weeks as a process sees them.

    Attributes:
        years: float64[n], since a day that is the same for all.
        month: float64[n, 2 * orders], harmonics of the day of month.
        large_events, small_events: float64[n, k], counts of event days.
    """

    years: Array
    month: Array
    large_events: Array
    small_events: Array

    @classmethod
    def of(cls, periods: Days, pivot: np.datetime64) -> Weeks:
        """Describe weeks ending on `periods`, time counted from `pivot`; the last ones stay."""
        return _weeks(periods.astype("datetime64[D]").tobytes(), pivot)


@lru_cache(maxsize=_REMEMBERED)
def _weeks(periods: bytes, pivot: np.datetime64) -> Weeks:
    ends = np.frombuffer(periods, dtype="datetime64[D]")
    days = (ends - pivot).astype("timedelta64[D]").astype(np.float64)
    return Weeks(
        days / _DAYS_PER_YEAR,
        calendar.month_harmonics(ends, _MONTH_ORDERS),
        calendar.event_days(ends, calendar.LARGE_EVENTS),
        calendar.event_days(ends, calendar.SMALL_EVENTS),
    )


@dataclass(frozen=True, eq=False)
class Between:
    """What covariances of two sets of weeks are made of, whatever the hyperparameters.

    float64[n, m] each: `apart` in years, `waves` the sine of half the turns of the year between
    them; the others are products of what `Weeks` says of them. `weeks`: int64[n, m].
    """

    apart: Array
    waves: Array
    weeks: npt.NDArray[np.int64]
    years: Array
    month: Array
    large_events: Array
    small_events: Array

    @classmethod
    def of(cls, rows: Weeks, columns: Weeks) -> Between:
        """Describe two sets of weeks; the last pairs are remembered."""
        return _between(rows, columns)

    def turns(self, season_length: float) -> Array:
        """Return float64[n, m]: how far apart the dates in their years are."""
        squared: Array = (self.waves / season_length) ** 2
        return squared

    def rounds(self, cycle_weeks: int) -> Array:
        """Return float64[n, m]: 1 between the same weeks of a cycle; all of them sum to nothing."""
        return np.where(self.weeks % cycle_weeks == 0, 1.0, -1 / (cycle_weeks - 1))


@lru_cache(maxsize=_REMEMBERED)
def _between(rows: Weeks, columns: Weeks) -> Between:
    apart = np.abs(rows.years[:, None] - columns.years)
    return Between(
        apart,
        np.sin(np.pi * apart),
        np.rint(_WEEKS_PER_YEAR * apart).astype(np.int64),
        np.outer(rows.years, columns.years),
        rows.month @ columns.month.T,
        rows.large_events @ columns.large_events.T,
        rows.small_events @ columns.small_events.T,
    )


def components(of: Hyperparameters, between: Between) -> dict[str, Array]:
    """Return the prior covariance of two sets of weeks, float64[n, m] by name of its variance."""
    return {
        "trend": of.trend * between.years,
        "fast_drift": of.fast_drift * np.exp(-between.apart / of.fast_length),
        "slow_drift": of.slow_drift * np.exp(-between.apart / of.slow_length),
        **_of_dates(of, between),
    }


def _of_dates(of: Hyperparameters, between: Between) -> dict[str, Array]:
    """Return those of `components` that dates alone make."""
    return {
        "season": of.season * np.exp(-2 * between.turns(of.season_length)),
        "month": of.month * between.month,
        "large_events": of.large_events * between.large_events,
        "small_events": of.small_events * between.small_events,
        "cycle": of.cycle
        * between.rounds(of.cycle_weeks)
        * np.exp(-between.apart / of.cycle_length),
    }


def calendar_covariance(of: Hyperparameters, between: Between) -> Array:
    """Return float64[n, m]: of the part that dates alone make."""
    return np.sum([*_of_dates(of, between).values()], axis=0)


def covariance(of: Hyperparameters, between: Between) -> Array:
    """Return float64[n, m]: of all but what each week has of its own."""
    return united(components(of, between))


def united(parts: Mapping[str, Array]) -> Array:
    """Return float64[n, m], the `covariance` of these components."""
    all_of_them: Array = _LEVEL + np.sum([*parts.values()], axis=0)
    return all_of_them


def observed(shared: Array, noise: float) -> Array:
    """Return float64[n, n], the covariance of values: of their `covariance`, and their own noise.

    `noise`: its variance.
    """
    return shared + (noise + _JITTER) * np.eye(len(shared))


@dataclass(frozen=True, eq=False)
class Seen:
    """A process that has seen values of some weeks.

    Attributes:
        whitening: float64[n, n], makes of values how far each is off what those before it let one
            expect, in standard deviations: the inverse of the Cholesky factor of their covariance.
        inverse: float64[n, n], of that covariance.
        believed: float64[n, k], the values, those far from all others drawn in, by series.
    """

    whitening: Array
    inverse: Array
    believed: Array

    @classmethod
    def values(cls, both: Array, values: Array) -> Seen:
        """Let it see values, float64[n, k] without gaps. `both`: their covariance, `observed`."""
        whitening: Array = np.tril(np.linalg.inv(np.linalg.cholesky(both)))
        return cls(whitening, whitening.T @ whitening, values).instead(values)

    def instead(self, values: Array) -> Seen:
        """Return what it were if it had seen these values of the same weeks, float64[n, k]."""
        sound = _drawn_in_order(values, self.whitening)
        return replace(self, believed=_winsorised(values, sound, self.inverse))

    @property
    def weights(self) -> Array:
        """How the values weigh in what is expected of others, float64[n, k]."""
        return self.inverse @ self.believed

    def expected(self, between: Array) -> Array:
        """Return float64[m, k]: what is expected of other weeks, all values known.

        `between`: float64[m, n], their `covariance` with the weeks that it has seen.
        """
        return between @ self.weights


def _drawn_in_order(values: Array, whitening: Array) -> Array:
    """Return the values, each drawn in to where those before it let one expect it."""
    drawn, surprises = values.copy(), whitening @ values
    spreads = (1 / np.diag(whitening)).tolist()
    for series in np.flatnonzero((np.abs(surprises) > _FURTHEST).any(axis=0)):
        errors = surprises[:, series].copy()
        for week, spread in enumerate(spreads):
            if abs(error := errors[week]) > _FURTHEST:
                too_far = spread * (error - np.copysign(_FURTHEST, error))
                drawn[week, series] -= too_far
                errors -= too_far * whitening[:, week]  # of those after it
    return drawn


def _winsorised(values: Array, sound: Array, inverse: Array) -> Array:
    """Return the values, each drawn in to where `sound` ones of all other weeks let one expect it.

    An accident is drawn in to its neighbours, but a lasting change of level, which those after it
    confirm, is not. Source of the leave-one-out errors: Rasmussen and Williams, section 5.4.2.
    """
    variance = 1 / np.diag(inverse)[:, None]
    others_say = sound - variance * (inverse @ sound)
    furthest = _FURTHEST * np.sqrt(variance)
    return np.clip(values, others_say - furthest, others_say + furthest)

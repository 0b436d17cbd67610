"""The generated sample: made-up sales for someone who has no data at all.

Takes a seed, gives rows of the shape and calendar of the well-known public data of 45 stores:
the same weeks, columns, units and holidays, but no value of it. Log sales are a sum of what
retail sales are made of: the size of the store, growth, season, day of the month, days
around events, a little weather, noise. Magnitudes are round numbers chosen by hand. Good
for trying everything out; says nothing about any real store. Must not read files.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sales_forecast.data.calendar import (
    EventWindow,
    christmas,
    easter,
    event_days,
    holiday_flags,
    labor_day,
    season_harmonics,
    super_bowl,
    thanksgiving,
)
from sales_forecast.data.frequency import DAYS_PER_PERIOD
from sales_forecast.data.panel import Array, Days
from sales_forecast.data.rows import SalesRows

SAMPLE_SEED = 45
N_STORES = 45
_DAY = np.timedelta64(1, "D")
FIRST_WEEK, LAST_WEEK = np.datetime64("2010-02-05"), np.datetime64("2012-10-26")

_WEEKS_PER_YEAR = 365.25 / 7
_SMALLEST, _LARGEST = 260_000.0, 2_050_000.0  # dollars a week

# Log sales that one day of an event adds to its week; windows of its own, not the models'.
_EVENT_EFFECTS = {
    EventWindow("early advent", christmas, -18, -12): 0.030,
    EventWindow("advent", christmas, -11, -5): 0.060,
    EventWindow("last days", christmas, -4, -1): 0.115,
    EventWindow("after christmas", christmas, 0, 6): -0.010,
    EventWindow("thanksgiving", thanksgiving, -4, 0): 0.060,
    EventWindow("black friday", thanksgiving, 1, 3): 0.090,
    EventWindow("before easter", easter, -8, -1): 0.013,
    EventWindow("easter", easter, 0, 2): -0.015,
    EventWindow("super bowl", super_bowl, -4, 0): 0.010,
    EventWindow("labor day", labor_day, -4, 0): 0.008,
}
# Wages and benefits come at the start and in the middle of a month: from a day of the month on,
# what a day adds. Steps and not waves, so that no model is handed the very terms it fits.
_PAYDAY_STEPS = {1: 0.06, 8: 0.01, 15: 0.02, 19: -0.03, 25: -0.06}
# Sines, then cosines, of one, two and three waves a year: lowest in January, high in June.
_SEASON = (0.015, -0.005, 0.012, -0.040, -0.020, -0.008)
_WARMTH_EFFECT = 0.0006  # of a degree more than is usual for the date
_ACCIDENT_RATE = 0.003  # of the weeks of a store: a flood, a neighbour closed


class _Region(NamedTuple):
    """What the stores of a region have in common."""

    temperature: float  # mean of the year, degrees Fahrenheit
    swing: float  # from that mean to midsummer
    fuel_premium: float  # dollars a gallon above the chain
    cpi: float  # in the first week
    inflation: float  # a year
    unemployment: float  # percent, before the first quarter


_REGIONS = (
    _Region(46, 27, 0.08, 132.0, 0.021, 8.2),  # north
    _Region(52, 24, 0.02, 189.0, 0.026, 7.6),  # middle
    _Region(58, 20, -0.06, 211.0, 0.024, 5.9),  # plains
    _Region(66, 17, -0.10, 214.0, 0.023, 7.9),  # south
    _Region(74, 12, -0.02, 131.0, 0.019, 12.4),  # gulf
    _Region(63, 14, 0.28, 127.0, 0.020, 12.4),  # west
)


def sample_rows(seed: int = SAMPLE_SEED) -> SalesRows:
    """Return the sample: 45 stores x 143 weeks, ordered by store, then week, without gaps.

    Equal seeds give equal rows (rounding hides the last bit in which platforms may differ).
    Sales in dollars, rounded to cents; conditions in the units and decimals of the public
    data (degrees Fahrenheit, dollars a gallon, index points, percent).
    """
    weeks = np.arange(FIRST_WEEK, LAST_WEEK + _DAY, DAYS_PER_PERIOD * _DAY)
    region = np.arange(N_STORES) % len(_REGIONS)
    # A stream for each part: a change of one part leaves the others as they are.
    streams = np.random.default_rng(seed).spawn(5)
    warmth = streams[0].normal(0.0, 4.0, (len(_REGIONS), len(weeks)))
    conditions = _conditions(weeks, warmth, streams[1])
    log_sales = (
        _level(len(weeks), streams[2])
        + _calendar_effect(weeks, streams[3])
        + _WARMTH_EFFECT * warmth[region]
        + _noise(len(weeks), streams[4])
    )
    return SalesRows(
        store=np.repeat(np.arange(1, N_STORES + 1), len(weeks)),
        week=np.tile(weeks, N_STORES),
        sales=np.exp(log_sales).round(2).ravel(),
        conditions={name: values[region].ravel() for name, values in conditions.items()},
    )


def _level(n_weeks: int, rng: np.random.Generator) -> Array:
    """Return size and growth, [n_stores, n_weeks]: a course of the chain and one of each store."""
    sizes = np.linspace(_SMALLEST**0.5, _LARGEST**0.5, N_STORES) ** 2
    years = np.arange(n_weeks) / _WEEKS_PER_YEAR
    chain = 0.015 * years + _walk(0.002, (1, n_weeks), rng)
    store = _walk(0.005, (N_STORES, n_weeks), rng)
    level: Array = np.log(rng.permutation(sizes))[:, None] + chain + store
    return level


def _calendar_effect(weeks: Days, rng: np.random.Generator) -> Array:
    """Return what the dates do, [n_stores, n_weeks]; each store feels them a little differently."""
    season = _SEASON + rng.normal(0.0, 0.012, (N_STORES, len(_SEASON)))
    events = np.array([*_EVENT_EFFECTS.values()])
    events = events * rng.normal(1.0, 0.2, (N_STORES, len(events)))
    payday = rng.normal(1.0, 0.25, (N_STORES, 1))
    return (
        season @ season_harmonics(weeks, len(_SEASON) // 2).T
        + events @ event_days(weeks, tuple(_EVENT_EFFECTS)).T
        + payday * _payday_effect(weeks)
    )


def _payday_effect(weeks: Days) -> Array:
    """Return the effect of the days of the month, [n_weeks], mean over the days of each week."""
    days = weeks[:, None] - np.arange(DAYS_PER_PERIOD) * _DAY
    day_of_month = (days - days.astype("datetime64[M]")).astype(np.int64) + 1
    step = np.searchsorted(list(_PAYDAY_STEPS), day_of_month, side="right") - 1
    return np.array(list(_PAYDAY_STEPS.values()))[step].mean(axis=1)


def _noise(n_weeks: int, rng: np.random.Generator) -> Array:
    """Return noise of the chain and of each store, [n_stores, n_weeks], and rare accidents."""
    shape = (N_STORES, n_weeks)
    chain = rng.normal(0.0, 0.011, (1, n_weeks))
    store = rng.uniform(0.012, 0.028, (N_STORES, 1)) * rng.normal(0.0, 1.0, shape)
    accident = np.where(rng.random(shape) < _ACCIDENT_RATE, rng.normal(0.0, 0.15, shape), 0.0)
    return chain + store + accident


def _conditions(weeks: Days, warmth: Array, rng: np.random.Generator) -> dict[str, Array]:
    """Return each condition, [n_regions, n_weeks]."""
    temperature, swing, premium, cpi, inflation, unemployment = np.array(_REGIONS).T[:, :, None]
    years = np.arange(len(weeks)) / _WEEKS_PER_YEAR
    day_of_year = (weeks - weeks.astype("datetime64[Y]")).astype(np.float64)
    summer = -np.cos(2 * np.pi * (day_of_year - 20) / 365.25)  # coldest near 20 January

    chain_fuel = 2.65 + 0.4 * years + _walk(0.04, (1, len(weeks)), rng)
    prices = cpi * (1 + inflation) ** years + _walk(0.08, warmth.shape, rng)
    quarter = weeks.astype("datetime64[M]").astype(np.int64) // 3
    quarter -= quarter[0]
    jobless = unemployment + np.cumsum(
        rng.normal(-0.12, 0.15, (len(_REGIONS), quarter[-1] + 1)), axis=1
    )
    return {
        "Holiday_Flag": np.tile(holiday_flags(weeks), (len(_REGIONS), 1)),
        "Temperature": (temperature + swing * summer + warmth).round(2),
        "Fuel_Price": (chain_fuel + premium).round(3),
        "CPI": prices.round(7),
        "Unemployment": jobless[:, quarter].round(3),
    }


def _walk(step: float, shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """Return random walks along the last axis, `step` the standard deviation of one move."""
    return np.cumsum(rng.normal(0.0, step, shape), axis=1)

"""Features: one vectorised function for 300,000 training rows and for one request.

Takes a `History` (a panel seen through the calendar profile) and rows of (series, origin,
target), gives float32 features and the log reference that a prediction starts from. For a
row, only weeks at or before its origin are read; what is *known in advance* (the calendar)
is computed from dates, and *conditions* (weather, prices) come in as arguments. Needs numpy
only, so that training and serving run the same code. Longer than other modules, so that every
feature is found in one place.

Periods are counted from the first one of the panel; targets may lie after the last one. What is
said of weeks here holds for the periods of any panel; windows are the same length of time.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np
import numpy.typing as npt

from sales_forecast.data import calendar
from sales_forecast.data.panel import CONDITIONS, Array, Days, Panel
from sales_forecast.features.calendar_effects import Profile
from sales_forecast.features.conditions import (
    FROM_CALENDAR,
    LAST_KNOWN,
    SAME_WEEK_LAST_YEAR,
    condition_changes,
    outlook,
)
from sales_forecast.features.decomposition import log_sales
from sales_forecast.features.rolling_mean import RollingMean
from sales_forecast.features.vocabulary import Vocabulary, codes_of, vocabulary_of

Index = npt.NDArray[np.int64]

# A week 2.7 times above or below its own year-ago level is an accident of one store (a
# closure, a flood): beyond that it must not pull the others.
LARGEST_CHANGE = 1.0
_GROWTH_WINDOWS = (1, 4, 8, 13, 26)
_CHAIN_WINDOWS = (1, 4, 8, 26)
_BLOCK = 16_384

KNOWN_IN_ADVANCE_NAMES = (
    "step",
    *(f"growth_{weeks}" for weeks in _GROWTH_WINDOWS),
    *(f"chain_growth_{weeks}" for weeks in _CHAIN_WINDOWS),
    "reference_position",
    *(f"{event}_change" for event in calendar.EVENT_NAMES),
    "season_sin",
    "season_cos",
)
CONDITION_NAMES = tuple(f"{name.lower()}_change" for name in CONDITIONS)
FEATURE_NAMES = KNOWN_IN_ADVANCE_NAMES + CONDITION_NAMES
"""Those of a panel of store weeks, which the service knows."""


def feature_names(panel: Panel) -> tuple[str, ...]:
    """Return the names of the features of a panel, in order; conditions are the last."""
    return (
        *KNOWN_IN_ADVANCE_NAMES,
        *(name.lower() for name in panel.traits),
        *(f"{name.lower()}_change" for name in (*panel.plan, *panel.conditions)),
    )


class History:
    """A panel as the models see it: log sales without their calendar part, and their growth.

    Attributes:
        adjusted: float64[n_series, n_periods], log sales minus the calendar profile.
        growth: float64[n_series, n_periods], `adjusted` minus itself 52 weeks before, clipped;
            NaN where either week is unknown.
    """

    def __init__(
        self, panel: Panel, profile: Profile, vocabulary: Vocabulary | None = None
    ) -> None:
        """Look at a panel. `vocabulary`: that of the panel a model learned from; else its own."""
        self.panel = panel
        self.profile = profile.seeing(panel)
        self.adjusted = log_sales(panel.y) - self.profile.at(panel.series, panel.periods)
        self.growth = np.full_like(self.adjusted, np.nan)
        self._season = season = panel.frequency.season
        change = self.adjusted[:, season:] - self.adjusted[:, :-season]
        self.growth[:, season:] = np.clip(change, -LARGEST_CHANGE, LARGEST_CHANGE)
        weeks = np.arange(panel.n_periods)
        seen = np.where(np.isnan(self.adjusted), -1, weeks)
        self._last_known = np.maximum.accumulate(seen, axis=1)
        words = vocabulary_of(panel) if vocabulary is None else vocabulary
        codes = (codes_of(values, words.get(name)) for name, values in panel.traits.items())
        self._traits = np.column_stack([np.zeros((panel.n_series, 0)), *codes])

    @cached_property
    def _mean_growth(self) -> RollingMean:
        return RollingMean(self.growth)

    @cached_property
    def _mean_level(self) -> RollingMean:
        return RollingMean(self.adjusted)

    @cached_property
    def _mean_chain_growth(self) -> RollingMean:
        known = ~np.isnan(self.growth)
        stores = known.sum(axis=0)
        total = np.where(known, self.growth, 0.0).sum(axis=0)
        chain = np.where(stores > 0, total / np.maximum(stores, 1), np.nan)
        return RollingMean(chain[None, :])

    def weeks(self, index: Index) -> Days:
        """Return the days that end the weeks of these numbers."""
        step = np.timedelta64(self.panel.frequency.days, "D")
        days: Days = self.panel.periods[0] + index * step
        return days

    def ahead(self, horizon: int) -> tuple[Index, Index, Index]:
        """Return (series, origin, target) of the `horizon` weeks after the last, by series."""
        n, last = self.panel.n_series, self.panel.n_periods - 1
        target = np.tile(last + 1 + np.arange(horizon), n)
        return np.repeat(np.arange(n), horizon), np.full(len(target), last), target

    def observed_conditions(self, series: Index, week: Index) -> Array:
        """Return float64[n, n_conditions] of known weeks, NaN where there is no row."""
        return _columns(self.panel.conditions.values(), series, week)

    def reference_week(self, series: Index, origin: Index, target: Index) -> Index:
        """Return the week that a target is compared with: -1 where nothing is known.

        The same week of the last year known at the origin; where the store has no sales
        there, its last known week.
        """
        last = self._last_known[series, origin]
        year_ago = self._year_ago(origin, target)
        return np.where(self.year_ago_known(series, origin, target), year_ago, last)

    def year_ago_known(self, series: Index, origin: Index, target: Index) -> npt.NDArray[np.bool_]:
        """Return bool[n]: whether the store has sales in the same week of the last known year."""
        week = self._year_ago(origin, target)
        return (week >= 0) & ~np.isnan(self.adjusted[series, np.maximum(week, 0)])

    def log_reference(self, series: Index, origin: Index, target: Index) -> Array:
        """Return the log sales expected if nothing but the calendar changed since the reference."""
        return self.reference_level(series, origin, target) + self.calendar(series, target)

    def reference_level(self, series: Index, origin: Index, target: Index) -> Array:
        """Return the log sales of the reference without their calendar part."""
        week = self.reference_week(series, origin, target)
        return np.where(week >= 0, self.adjusted[series, np.maximum(week, 0)], np.nan)

    def calendar(self, series: Index, target: Index) -> Array:
        """Return float64[n]: the calendar part of log sales."""
        weeks, back = np.unique(target, return_inverse=True)
        parts = self.profile.at(self.panel.series, self.weeks(weeks))
        return parts[series, back]

    def reference_conditions(self, series: Index, origin: Index, target: Index) -> Array:
        """Return float64[n, n_conditions] of the reference week, NaN where unknown."""
        return self.observed_conditions(series, self.reference_week(series, origin, target))

    def expected_conditions(self, series: Index, origin: Index, target: Index) -> Array:
        """Return float64[n, n_conditions]: what one at the origin would expect of the target."""
        weeks, back = np.unique(target, return_inverse=True)
        last = np.maximum(self._last_known[series, origin], 0)
        guesses = {
            FROM_CALENDAR: calendar.holiday_flags(self.weeks(weeks))[back][:, None],
            SAME_WEEK_LAST_YEAR: self.reference_conditions(series, origin, target),
            LAST_KNOWN: self.observed_conditions(series, last),
        }
        names = tuple(self.panel.conditions)
        shape = (len(target), len(names))
        columns = [
            np.broadcast_to(guesses[outlook(self.panel, name)], shape)[:, position]
            for position, name in enumerate(names)
        ]
        return np.column_stack([np.zeros((len(target), 0)), *columns])

    def _year_ago(self, origin: Index, target: Index) -> Index:
        """Return the latest week at or before the origin, whole years before the target.

        Of the 365th day the week before that of last year: two years ago the level was another.
        """
        step, every = target - origin, self.panel.frequency
        years = -(-step // every.season)
        last_day = (every.season < step) & (step <= every.a_year)
        return target - np.where(last_day, every.season + every.a_week, every.season * years)

    def known_in_advance(self, series: Index, origin: Index, target: Index) -> Array:
        """Return float64[n, n_features - n_conditions]: all features but the conditions."""
        reference = self.reference_week(series, origin, target)
        chain = np.zeros_like(series)
        year = self._mean_level(series, origin, self._season)
        position = self.adjusted[series, np.maximum(reference, 0)] - year
        weeks, back = np.unique(np.concatenate([target, reference]), return_inverse=True)
        days = self.weeks(weeks)
        events = calendar.event_days(days)[back]
        season = calendar.season_harmonics(days, 1)[back]
        n = len(target)
        long = self.panel.frequency.periods
        return np.column_stack(
            [
                np.minimum(target - origin, self._season),
                *(self._mean_growth(series, origin, long(weeks)) for weeks in _GROWTH_WINDOWS),
                *(self._mean_chain_growth(chain, origin, long(weeks)) for weeks in _CHAIN_WINDOWS),
                np.nan_to_num(position),
                events[:n] - events[n:],
                season[:n],
                self._traits[series],
                condition_changes(
                    self._known_of(series, origin, target), self._planned(series, reference)
                ),
            ]
        )

    def _known_of(self, series: Index, origin: Index, target: Index) -> Array:
        """Return float64[n, n_plans] of targets: NaN where there is no plan at the origin."""
        planned = self._planned(series, target)
        leads = self.panel.spec.leads if self.panel.spec else {}
        for place, name in enumerate(self.panel.plan):
            if name in leads:
                planned[target - origin > leads[name], place] = np.nan
        return planned

    def _planned(self, series: Index, week: Index) -> Array:
        """Return float64[n, n_plans], NaN where there is no plan."""
        return _columns(self.panel.plan.values(), series, week)


def _columns(tables: Iterable[Array], series: Index, week: Index) -> Array:
    """Return float64[n, n_tables]: cells of tables of series by weeks, NaN outside of them."""
    columns = [np.zeros((len(series), 0))]
    for values in tables:
        inside = (week >= 0) & (week < values.shape[1])
        cells = values[series, np.where(inside, week, 0)]
        columns.append(np.where(inside, cells, np.nan)[:, None])
    return np.hstack(columns)


def features(
    history: History, series: Index, origin: Index, target: Index, conditions: Array | None = None
) -> npt.NDArray[np.float32]:
    """Return float32[n, len(feature_names(panel))] for rows of (series, origin, target).

    `series`, `origin`, `target`: int64[n], target > origin. `conditions`: float64[n,
    n_conditions] of the target weeks as the caller knows them; without them what can be
    expected at the origin is taken.
    """
    X = np.empty((len(series), len(feature_names(history.panel))), dtype=np.float32)
    for start in range(0, len(series), _BLOCK):
        rows = slice(start, start + _BLOCK)
        told = None if conditions is None else conditions[rows]
        X[rows] = _block(history, series[rows], origin[rows], target[rows], told)
    return X


def _block(
    history: History, series: Index, origin: Index, target: Index, conditions: Array | None
) -> Array:
    """Return the features of some rows: of no more at once than a processor has at hand."""
    if conditions is None:
        conditions = history.expected_conditions(series, origin, target)
    reference = history.reference_conditions(series, origin, target)
    known = history.known_in_advance(series, origin, target)
    return np.hstack([known, condition_changes(conditions, reference)])

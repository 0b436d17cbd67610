"""Random Forest and XGBoost, global and direct: one model for all stores and all steps.

Takes panels, gives sales. What is learned is the change against the reference week beyond
what the calendar explains, so that a tree, which cannot extrapolate, never has to. `step`
is a feature: no recursion, no invented lags.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import RandomForestRegressor
from xgboost import XGBRegressor

from sales_forecast.compute import engine
from sales_forecast.compute.uninterrupted import uninterrupted
from sales_forecast.data.frequency import SEASON_LENGTH
from sales_forecast.data.panel import Array, Panel
from sales_forecast.errors import NotEnoughData
from sales_forecast.features.calendar_effects import Profile
from sales_forecast.features.decomposition import log_sales
from sales_forecast.features.features import LARGEST_CHANGE, History, Index, features
from sales_forecast.features.vocabulary import vocabulary_of
from sales_forecast.models.arima import ARIMA
from sales_forecast.models.base import too_short
from sales_forecast.models.fit_cache import fit_once
from sales_forecast.models.fitted.regressor import FittedRegressor
from sales_forecast.models.fitted.smoothing import FittedArima
from sales_forecast.models.pooled import fit_profile
from sales_forecast.params import DEFAULTS, Trees

# Every step 1..52 can be asked; these are enough for the trees to learn how step matters.
_TRAINING_STEPS = (1, 2, 4, 8, 13, 26, 39, 52)
# A year for the reference, and some changes against it to learn from.
MIN_WEEKS = SEASON_LENGTH + 4
MOST_ROWS = 400_000
"""Rows of one week are alike in all series: more cost time and tell little."""


class Regressor(Protocol):
    """What this module needs of an estimator."""

    def fit(self, X: npt.NDArray[np.float32], y: Array) -> object:
        """Fit to float32[n, n_features] and float32[n]; in a cluster to float64[n]."""
        ...

    def predict(self, X: npt.NDArray[np.float32]) -> Array:
        """Predict float[n]."""
        ...

    def set_params(self, *, n_jobs: int) -> object:
        """Choose the number of threads."""
        ...


def training_rows(panel: Panel, part: slice = slice(None)) -> tuple[Index, Index, Index]:
    """Return (series, origin, target) of the rows that a panel can teach, three int64[n].

    A row needs a year of history at its origin, and a known target. Of each step at most its share
    of `MOST_ROWS`, drawn at random, the same each time. `part`: of which series.
    """
    known = panel.y[part] > 0
    season = panel.frequency.season
    rows = []
    for step in map(panel.frequency.periods, _TRAINING_STEPS):
        series, target = np.nonzero(known[:, season + step :])
        target = target + season + step
        some = _some(len(series), step)
        rows.append(np.stack([series[some], target[some] - step, target[some]]))
    series, origin, target = np.concatenate(rows, axis=1)
    return series + (part.start or 0), origin, target


def _some(n: int, seed: int) -> Index | slice:
    """Return the places of n rows of a step that are enough to learn from."""
    enough = MOST_ROWS // len(_TRAINING_STEPS)
    if n <= enough:
        return slice(None)
    places: Index = np.sort(np.random.default_rng(seed).choice(n, enough, replace=False))
    return places


@dataclass(frozen=True)
class TrainingSet:
    """Features and what is to be learned from them, one row per (series, origin, target)."""

    X: npt.NDArray[np.float32]
    y: Array
    """Log sales over the log reference: the change that the calendar does not explain."""


_GIVEN: ContextVar[tuple[Panel, TrainingSet] | None] = ContextVar("training set", default=None)


@contextmanager
def learning_from(panel: Panel, rows: TrainingSet) -> Iterator[None]:
    """Let whoever learns from all of a panel learn from rows that were built before."""
    before = _GIVEN.set((panel, rows))
    try:
        yield
    finally:
        _GIVEN.reset(before)


def training_set(panel: Panel, profile: Profile) -> TrainingSet:
    """Build the training set of a panel. Raises NotEnoughData below `MIN_WEEKS` weeks."""
    given = _GIVEN.get()
    if given is not None and given[0] == panel:
        return given[1]
    rows = training_part(History(panel, profile))
    if not len(rows.y):
        raise too_short(panel, "A regression", MIN_WEEKS)
    return rows


def training_part(history: History, part: slice = slice(None)) -> TrainingSet:
    """Build the training set of some series of a panel: no rows below `MIN_WEEKS` weeks."""
    series, origin, target = training_rows(history.panel, part)
    sold = log_sales(history.panel.y)[series, target]
    change = sold - history.log_reference(series, origin, target)
    enough = history.panel.n_periods >= history.panel.frequency.periods(MIN_WEEKS)
    usable = ~np.isnan(change) & enough
    conditions = history.observed_conditions(series, target)
    X = features(history, series, origin, target, conditions)
    return TrainingSet(X[usable], np.clip(change[usable], -LARGEST_CHANGE, LARGEST_CHANGE))


Parameters = Mapping[str, float]
"""Name of a hyperparameter -> value."""


@dataclass(frozen=True, eq=False)
class TreeForecaster:
    """A tree model of a name.

    Attributes:
        estimator: makes a regressor of hyperparameters.
        parameters: the hyperparameters.
        space: name of a hyperparameter -> the values that a search may try (`tune`).
    """

    name: str
    estimator: Callable[..., Regressor]
    parameters: Parameters = field(default_factory=dict)
    space: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def make(self) -> Regressor:
        """Return a regressor that has learned nothing yet."""
        return self.estimator(**self.parameters)

    def learn(self, rows: TrainingSet) -> Regressor:
        """Return a regressor that has learned from rows."""
        regressor = self.make()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a tree is drawn few rows, where there are few
            # Beyond single precision processors differ, and trees would break ties by that.
            # XGBoost calls back into Python for its rows, and ends the process where that fails.
            with uninterrupted() if isinstance(regressor, XGBRegressor) else nullcontext():
                regressor.fit(rows.X, rows.y.astype(np.float32))
        # Threads add the trees up in any order; one of them gives equal bits each time.
        regressor.set_params(n_jobs=1)
        return regressor

    def fit(self, panel: Panel) -> FittedRegressor:
        """Learn from all of `panel`. Raises NotEnoughData below `MIN_WEEKS` weeks."""
        profile = fit_profile(panel)
        regressor = engine.current().boost(
            self.make(), partial(History, panel, profile), training_part, panel.n_series
        )
        if regressor is None:
            regressor = self.learn(training_set(panel, profile))
        vocabulary = vocabulary_of(panel)
        return FittedRegressor(self.name, regressor, profile, vocabulary, _smoothing(panel))


def _smoothing(panel: Panel) -> FittedArima | None:
    """Return what the answers are drawn to; None where no series is long enough for it."""
    try:
        return cast("FittedArima", fit_once(ARIMA, panel))
    except NotEnoughData:
        return None


RANDOM_FOREST = TreeForecaster(
    "random_forest",
    partial(RandomForestRegressor, n_jobs=-1, random_state=0),
    DEFAULTS.trees.random_forest.model_dump(),
    {
        "max_depth": (6, 8, 10, 14),
        "min_samples_leaf": (2, 3, 5, 8, 12, 20),
        # Below 1 / 4 too many splits are shown no growth, and such a store is held back more.
        "max_features": (1 / 4, 1 / 3, 1 / 2, 3 / 4),
    },
)
XGBOOST = TreeForecaster(
    "xgboost",
    # Threads that wait for a busy core cost thirty times what they save.
    partial(XGBRegressor, n_jobs=1, random_state=0),
    DEFAULTS.trees.xgboost.model_dump(),
    {
        "n_estimators": (50, 100, 200, 400),
        "max_depth": (2, 3, 4, 6),
        "learning_rate": (0.03, 0.06, 0.1),
        "subsample": (0.5, 0.7, 0.9),
        "colsample_bytree": (0.15, 0.25, 0.5, 0.8),
        "min_child_weight": (3, 10, 30, 100),
        "reg_lambda": (1, 10, 100),
    },
)
TREES: Sequence[TreeForecaster] = (RANDOM_FOREST, XGBOOST)


def trees_of(chosen: Trees) -> Sequence[TreeForecaster]:
    """Return both trees with the hyperparameters that were chosen."""
    if chosen == DEFAULTS.trees:
        return TREES  # and whatever was fitted with them before
    chose = chosen.model_dump()
    return tuple(replace(tree, parameters=chose[tree.name]) for tree in TREES)

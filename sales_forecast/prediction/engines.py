"""What computes the answers: the trained models, or the growth baseline.

Takes a bundle and a panel, gives numbers in units of sales. All that does not depend on the
request (features of every store and week, references, forecasts) is computed beforehand, by
the same functions that training uses; a request only adds its conditions and runs the trees.
Must not know stores by number, dates, warnings or HTTP.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime

from sales_forecast.bundles.bundle import Bundle
from sales_forecast.data.panel import CONDITIONS, SEASON_LENGTH, Array, Panel
from sales_forecast.errors import BundleRefused
from sales_forecast.features.features import FEATURE_NAMES, History, condition_changes, features
from sales_forecast.models import smoothing
from sales_forecast.models.base import weeks_sold
from sales_forecast.models.naive import GROWTH

MAX_STEPS = SEASON_LENGTH
YOUNG_WEEKS = SEASON_LENGTH
"""With fewer known weeks, a store is answered for by what all stores do."""


@dataclass(frozen=True)
class Estimate:
    """The answer for one week, in units of sales; NaN where the store has no sales before it."""

    prediction: float
    random_forest: float | None = None
    xgboost: float | None = None
    year_ago_known: bool = True


class Engine(Protocol):
    """Answers for rows of a panel and weeks counted from its first."""

    def answer(self, row: int, week: int, conditions: Sequence[float]) -> Estimate:
        """Estimate week `week` >= 1, as known the week before or at the end of the history."""
        ...

    def forecasts(self) -> Mapping[str, Array]:
        """Return model -> float64[n_series, MAX_STEPS]: the weeks after the history."""
        ...

    def widening(self) -> Array:
        """Return float64[n_series, MAX_STEPS]: how much wider intervals are than those measured.

        1 for a store of a year or more; NaN where nothing says how much.
        """
        ...


@dataclass(frozen=True, eq=False)
class _Questions:
    """Questions before their conditions come in, one row each."""

    features: npt.NDArray[np.float32]
    """Their last columns, one per condition, are still to be filled in."""
    reference_conditions: Array
    # Python's own numbers: one at a time they are several times faster than numpy's.
    log_reference: list[float]
    year_ago_known: list[bool]


class ModelEngine:
    """Random Forest and XGBoost for one week, ARIMA or the pooled process for the weeks ahead."""

    def __init__(self, bundle: Bundle, panel: Panel) -> None:
        """Prepare every question that a store and a week can make. Raises BundleRefused."""
        manifest = bundle.manifest
        if manifest.feature_names != FEATURE_NAMES or manifest.calendar is None:
            raise BundleRefused(
                f"bundle {manifest.version} was made for other features than this version of the "
                "code builds. Run `python train.py` again."
            )
        self._session = _session(bundle.trees)
        profile = manifest.calendar.profile()
        self._process = profile.process
        self._history = History(panel, profile)
        self._theta = manifest.theta
        self._forecasting = set(manifest.answered_by.forecasts.values())
        self._last = panel.n_periods - 1
        # Week 0 has no week before it; its row is that of week 1 and never asked for.
        self._n_weeks = panel.n_periods + MAX_STEPS
        weeks = np.maximum(np.arange(self._n_weeks), 1)
        series = np.repeat(np.arange(panel.n_series), self._n_weeks)
        self._prepared = self._questions(series, np.tile(weeks, panel.n_series))

    def _questions(self, series: npt.NDArray[np.int64], week: npt.NDArray[np.int64]) -> _Questions:
        history = self._history
        rows = series, np.minimum(week - 1, self._last), week
        return _Questions(
            features(history, *rows),
            history.reference_conditions(*rows),
            history.log_reference(*rows).tolist(),
            history.year_ago_known(*rows).tolist(),
        )

    def answer(self, row: int, week: int, conditions: Sequence[float]) -> Estimate:
        """See `Engine.answer`."""
        if week < self._n_weeks:
            questions, position = self._prepared, row * self._n_weeks + week
        else:
            questions, position = self._questions(np.array([row]), np.array([week])), 0
        X = questions.features[position : position + 1].copy()
        X[0, -len(CONDITIONS) :] = condition_changes(
            np.array(conditions), questions.reference_conditions[position]
        )
        log_reference = questions.log_reference[position]
        random_forest, xgboost = (
            math.exp(log_reference + change.item()) for change in self._session.run(None, {"X": X})
        )
        return Estimate(
            (random_forest + xgboost) / 2,
            random_forest,
            xgboost,
            questions.year_ago_known[position],
        )

    def forecasts(self) -> Mapping[str, Array]:
        """See `Engine.forecasts`."""
        models = {"arima": self._arima, "pooled": self._pooled}
        return {model: models[model]() for model in self._forecasting}

    def widening(self) -> Array:
        """See `Engine.widening`. By as much as the process is less sure of a young store."""
        panel = self._history.panel
        few = young(panel)[:, None]
        if not few.any():
            return np.ones((panel.n_series, MAX_STEPS))
        spread = self._process.spread(panel, MAX_STEPS)
        return np.where(few, np.maximum(spread / np.median(spread, axis=0), 1.0), 1.0)

    def _arima(self) -> Array:
        return smoothing.forecast(self._history, self._theta, MAX_STEPS)

    def _pooled(self) -> Array:
        return np.exp(self._process.ahead(self._history.panel, MAX_STEPS))


def young(panel: Panel) -> npt.NDArray[np.bool_]:
    """Return bool[n_series]: whether fewer than `YOUNG_WEEKS` weeks of a store are known."""
    return weeks_sold(panel) < YOUNG_WEEKS


def _session(trees: bytes) -> onnxruntime.InferenceSession:
    # The work is tens of microseconds: threads would only cost.
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(trees, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no base of their own
        raise BundleRefused(f"trees.onnx cannot be loaded: {error}") from error


class BaselineEngine:
    """Seasonal naive x growth, for every store and week as known the week before."""

    def __init__(self, panel: Panel) -> None:
        n = panel.n_periods
        self._panel = panel
        past = [GROWTH.predict(panel.until(panel.periods[week - 1]), 1) for week in range(1, n)]
        self._n_periods = n
        self._ahead = GROWTH.predict(panel, MAX_STEPS)
        self._table = np.hstack([panel.y[:, :1], *past, self._ahead])

    def answer(self, row: int, week: int, conditions: Sequence[float]) -> Estimate:
        """See `Engine.answer`. A week beyond a year is that of the same season."""
        del conditions
        beyond = max(week - self._n_periods, 0) // SEASON_LENGTH
        return Estimate(float(self._table[row, week - beyond * SEASON_LENGTH]))

    def forecasts(self) -> Mapping[str, Array]:
        """See `Engine.forecasts`."""
        return {GROWTH.name: self._ahead}

    def widening(self) -> Array:
        """See `Engine.widening`."""
        wider = np.where(young(self._panel), np.nan, 1.0)
        return np.repeat(wider[:, None], MAX_STEPS, axis=1)

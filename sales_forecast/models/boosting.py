"""LightGBM and CatBoost beside the trees of `trees`: the same rows, the same change to learn.

Each comes with a library of its own, in the extra `boosting`, and imports it when it makes a
regressor: who does not name the model neither needs that library nor waits for it. Both are
silent, leave no files and keep to one thread, so that a fit gives equal bits each time. Only
backtests, audits and searches know them: no bundle holds one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from sales_forecast.data.panel import Array
from sales_forecast.errors import SettingsError
from sales_forecast.models.trees import Regressor, TreeForecaster


@contextmanager
def _asked_for(library: str) -> Iterator[None]:
    """Refuse in a sentence what is not installed, or lacks a library of the system (OSError)."""
    try:
        yield
    except (ImportError, OSError) as error:
        raise SettingsError(
            f"{library} cannot be imported: {error}. To install it: pip install '.[boosting]'"
        ) from error


def _lightgbm(**parameters: object) -> Regressor:
    with _asked_for("lightgbm"):
        from lightgbm import LGBMRegressor
    regressor: Regressor = LGBMRegressor(**parameters)
    return regressor


def _catboost(**parameters: object) -> Regressor:
    with _asked_for("catboost"):
        from catboost import CatBoostRegressor
    return _OneThread(CatBoostRegressor(**parameters))


@dataclass(frozen=True)
class _OneThread:
    """A CatBoost regressor: it predicts on all cores unless each call says otherwise."""

    regressor: Any

    def fit(self, X: npt.NDArray[np.float32], y: Array) -> object:
        return self.regressor.fit(X, y)

    def predict(self, X: npt.NDArray[np.float32]) -> Array:
        predicted: Array = self.regressor.predict(X, thread_count=1)
        return predicted

    def set_params(self, *, n_jobs: int) -> object:
        """Change nothing: it has one thread from the start, and once fitted it takes no other."""
        del n_jobs
        return self


# LightGBM has XGBoost's settings in its own words, and `train.py tune` found nothing better;
# CatBoost's are what it found. docs/tuning.md has the figures.
LIGHTGBM = TreeForecaster(
    "lightgbm",
    partial(
        _lightgbm,
        n_jobs=1,
        random_state=0,
        subsample_freq=1,  # without it no rows are drawn, whatever `subsample` says
        deterministic=True,
        force_row_wise=True,
        verbosity=-1,
    ),
    {
        "n_estimators": 100,
        "num_leaves": 8,
        "learning_rate": 0.06,
        "subsample": 0.9,
        "colsample_bytree": 0.25,
        "min_child_samples": 30,
        "reg_lambda": 1,
    },
    {
        "n_estimators": (50, 100, 200, 400),
        "num_leaves": (4, 8, 16, 32),
        "learning_rate": (0.03, 0.06, 0.1),
        "subsample": (0.5, 0.7, 0.9),
        "colsample_bytree": (0.15, 0.25, 0.5, 0.8),
        "min_child_samples": (10, 30, 100, 300),
        "reg_lambda": (1, 10, 100),
    },
)
CATBOOST = TreeForecaster(
    "catboost",
    partial(
        _catboost,
        thread_count=1,
        random_state=0,
        bootstrap_type="Bernoulli",  # it has others that know no `subsample`
        allow_const_label=True,  # else sales that never change are refused
        allow_writing_files=False,
        logging_level="Silent",
    ),
    {
        "iterations": 200,
        "depth": 4,
        "learning_rate": 0.03,
        "subsample": 0.9,
        "rsm": 0.15,
        "l2_leaf_reg": 1,
    },
    {
        "iterations": (50, 100, 200, 400),
        "depth": (2, 3, 4, 6),
        "learning_rate": (0.03, 0.06, 0.1),
        "subsample": (0.5, 0.7, 0.9),
        "rsm": (0.15, 0.25, 0.5, 0.8),
        "l2_leaf_reg": (1, 3, 10, 30, 100),
    },
)
BOOSTED: Sequence[TreeForecaster] = (LIGHTGBM, CATBOOST)

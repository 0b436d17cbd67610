"""Features of every question that is likely to be asked, computed before anyone asks.

Takes regressors that look at a panel alike, gives the features of one series and period at a time;
a request only adds its conditions. By the same functions that training uses. Must not know what
becomes of a prediction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnxruntime

from sales_forecast.data.panel import Array, Panel
from sales_forecast.features.conditions import condition_changes
from sales_forecast.features.features import Index, features
from sales_forecast.features.passing import usual
from sales_forecast.models.fitted.onnx_trees import INPUT, OnnxRegressor
from sales_forecast.models.fitted.regressor import FittedRegressor

Row = npt.NDArray[np.float32]
_Prepared = tuple[Row, Array, Array, list[list[float]], list[bool]]
"""Features, conditions of the reference, those expected, what each regressor's change is added to,
is a year ago known."""
_MOST_BYTES = 48_000_000
"""What is prepared may take so much memory; the past of a larger panel is computed when asked."""


class Rows:
    """The features of one panel for some regressors.

    `ahead`: the periods after the last known one that are prepared; `past`: whether those before
    it are, too, if they are few enough. What had not passed yet at an origin is known since
    (`features.passing`): where anything has, rows of the past want a panel that ends there.
    """

    def __init__(
        self, models: Sequence[FittedRegressor], panel: Panel, ahead: int, *, past: bool
    ) -> None:
        self._models = tuple(models)
        panel = usual(panel)
        self._past = seen = models[0].sees(panel)
        # The trees of a bundle are drawn to one ARIMA: its levels are worked out once.
        alike = {id(of.smoothing): of for of in self._models}
        levels = {smoothing: of.levels(seen) for smoothing, of in alike.items()}
        self._levels = [levels[id(of.smoothing)] for of in self._models]
        self._shares = [(of.name, of.share) for of in self._models]
        self._last = panel.n_periods - 1
        self._n_conditions = len(panel.conditions)
        n_features = features(seen, *seen.ahead(1)).shape[1]
        row_bytes = 4 * n_features + 8 * (2 * self._n_conditions + 1)
        whole = panel.n_series * (panel.n_periods + ahead) * row_bytes <= _MOST_BYTES
        # Period 0 has none before it: it is prepared as if it were 1 and never asked for.
        self._first = 0 if past and whole else panel.n_periods
        self._width = panel.n_periods + ahead - self._first
        periods = np.maximum(self._first + np.arange(self._width), 1)
        series = np.repeat(np.arange(panel.n_series), self._width)
        self._prepared = self._of(series, np.tile(periods, panel.n_series))
        self._one_graph = _one_graph(self._models)

    def _of(self, series: npt.NDArray[np.int64], period: npt.NDArray[np.int64]) -> _Prepared:
        past = self._past
        rows = series, np.minimum(period - 1, self._last), period
        return (
            features(past, *rows),
            past.reference_conditions(*rows),
            past.expected_conditions(*rows),
            # Python's own numbers: one at a time they are several times faster than numpy's.
            self._expected(rows),
            past.year_ago_known(*rows).tolist(),
        )

    def _expected(self, rows: tuple[Index, Index, Index]) -> list[list[float]]:
        found: dict[int, list[float]] = {}
        for of, levels in zip(self._models, self._levels, strict=True):
            if id(levels) not in found:
                found[id(levels)] = of.expected(self._past, levels, *rows).tolist()
        return [found[id(levels)] for levels in self._levels]

    def expected(self, row: int, period: int) -> list[float]:
        """Return what one at the origin would expect of the conditions of a period."""
        prepared, at = self._at(row, period)
        expected: list[float] = prepared[2][at].tolist()
        return expected

    def year_ago_known(self, row: int, period: int) -> bool:
        """Return whether a period is compared with the one a year before, or with the last."""
        prepared, at = self._at(row, period)
        return prepared[4][at]

    def _at(self, row: int, period: int) -> tuple[_Prepared, int]:
        if 0 <= period - self._first < self._width:
            return self._prepared, row * self._width + period - self._first
        return self._of(np.array([row]), np.array([period])), 0

    def answer(self, row: int, period: int, conditions: Sequence[float] | None) -> dict[str, float]:
        """Return the prediction of each regressor.

        `period` >= 1, counted from the first of the panel. `conditions`: in the order of the panel,
        NaN for those to be expected as one would at the origin.
        """
        prepared, at = self._at(row, period)
        X, reference, expected, before, _ = prepared
        asked = X[at : at + 1]
        if conditions is not None and self._n_conditions:
            told = np.array(conditions)
            if math.isnan(sum(conditions)):
                told = np.where(np.isnan(told), expected[at], told)
            asked = asked.copy()
            asked[0, -self._n_conditions :] = condition_changes(told, reference[at])
        said = zip(self._shares, before, self._changes(asked), strict=True)
        try:
            return {
                name: math.exp(start[at] + share * change.item())
                for (name, share), start, change in said
            }
        except OverflowError:  # the plan is beyond all bounds
            return {name: math.inf for name, _ in self._shares}

    def _changes(self, X: Row) -> Sequence[Array]:
        if self._one_graph is not None:
            session, names = self._one_graph
            found: Sequence[Array] = session.run(names, {INPUT: X})
            return found
        return [of.regressor.predict(X) for of in self._models]


def _one_graph(
    models: Sequence[FittedRegressor],
) -> tuple[onnxruntime.InferenceSession, list[str]] | None:
    """Return the graph that computes all regressors at once, if one does."""
    trees = [of.regressor for of in models if isinstance(of.regressor, OnnxRegressor)]
    if len(trees) < len(models) or len({id(of.trees) for of in trees}) != 1:
        return None
    return trees[0].trees.session, [of.name for of in trees]

"""Golden rows: what the trained models answer, for a bundle to reproduce wherever it is served.

Takes a panel and the models fitted to it, gives questions with answers and the small history
that they were asked on. `prediction.conformance` asks a bundle the same. Must not know how a
bundle is kept or served.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from sales_forecast.bundles.manifest import (
    AnsweredBy,
    ForecastModel,
    Golden,
    GoldenForecast,
    GoldenRow,
    StoredPanel,
)
from sales_forecast.data.panel import CONDITIONS, SEASON_LENGTH, Panel
from sales_forecast.models.base import FittedForecaster
from sales_forecast.models.pooled import POOLED
from sales_forecast.training.training import Models

_STEPS = (1, 5, 30, 60)
_SERIES = 3


def golden_rows(panel: Panel, models: Models, answered_by: AnsweredBy) -> Golden:
    """Ask the trained models, small history in hand, what the bundle must answer later."""
    sold = np.where(panel.y > 0, panel.y, 0.0)
    # A store that sold nothing before the last two weeks has no answers to write down.
    usable = np.flatnonzero(sold[:, :-2].any(axis=1))
    by_size = usable[np.argsort(sold[usable].sum(axis=1))]
    picks = np.linspace(0, len(usable) - 1, min(_SERIES, len(usable))).astype(int)
    history = panel.select([panel.series[row] for row in np.sort(by_size[picks])])
    before = history.until(history.periods[-2])
    return Golden(
        history=StoredPanel.of(history),
        rows=(
            *_predictions(models, before, (1,)),
            *_predictions(models, history, _STEPS),
        ),
        forecasts=tuple(_forecasts(models, history, answered_by)),
    )


def _forecasts(models: Models, history: Panel, answered_by: AnsweredBy) -> Iterator[GoldenForecast]:
    fitted: Mapping[ForecastModel, FittedForecaster] = {
        "arima": models.arima,
        "pooled": POOLED.fit(models.panel),
    }
    for choice, model in answered_by.forecasts.items():
        weeks = fitted[model].predict(history, SEASON_LENGTH)
        for series, sales in zip(history.series, weeks, strict=True):
            yield GoldenForecast(series=series, choice=choice, sales=tuple(sales.tolist()))


def _predictions(models: Models, history: Panel, steps: Sequence[int]) -> list[GoldenRow]:
    horizon = max(steps)
    latest = np.nan_to_num([history.conditions[name][:, -1] for name in CONDITIONS])
    conditions = {
        name: np.repeat(values[:, None], horizon, axis=1)
        for name, values in zip(CONDITIONS, latest, strict=True)
    }
    random_forest = models.random_forest.predict(history, horizon, conditions)
    xgboost = models.xgboost.predict(history, horizon, conditions)
    weeks = history.after(horizon)
    return [
        GoldenRow(
            series=series,
            week_ending=weeks[step - 1].item(),
            conditions=tuple(latest[:, row].tolist()),
            random_forest=random_forest[row, step - 1],
            xgboost=xgboost[row, step - 1],
        )
        for row, series in enumerate(history.series)
        for step in steps
    ]

"""Golden rows: a bundle proves itself before it may answer anyone.

Takes a bundle, asks it the questions whose answers were written down at its training, and
raises if it answers otherwise. The whole path of a request is on trial: features, calendar,
trees and forecasts, on a small history that travels with the bundle.
"""

from __future__ import annotations

from pathlib import Path

from sales_forecast.bundles.bundle import Bundle, read_bundle
from sales_forecast.data.panel import Panel
from sales_forecast.errors import BundleRefused
from sales_forecast.prediction.predictor import Predictor

_TOLERANCE = 1e-4
_CENT = 0.01  # answers are rounded


def load_predictor(folder: Path, panel: Panel) -> Predictor:
    """Read a bundle and let it prove itself. Raises BundleRefused."""
    bundle = read_bundle(folder)
    verify(bundle)
    return Predictor(bundle, panel)


def verify(bundle: Bundle) -> None:
    """Raise BundleRefused if a bundle does not answer as it was trained to."""
    golden = bundle.manifest.golden
    if golden is None:  # the baseline has no parameters that could be wrong
        return
    predictor = Predictor(bundle, golden.history.panel())
    for row in golden.rows:
        answer = predictor.predict(int(row.series), row.week_ending, row.conditions)
        where = f"store {row.series}, week ending {row.week_ending}"
        _compare(bundle, f"random_forest, {where}", row.random_forest, answer.random_forest)
        _compare(bundle, f"xgboost, {where}", row.xgboost, answer.xgboost)
    for forecast in golden.forecasts:
        weeks = predictor.forecast(int(forecast.series), len(forecast.sales), forecast.choice)
        whose = f"{predictor.forecasting[forecast.choice]}, store {forecast.series}"
        for sales, week in zip(forecast.sales, weeks, strict=True):
            _compare(bundle, f"{whose}, week ending {week.week_ending}", sales, week.sales)


def _compare(bundle: Bundle, where: str, expected: float, actual: float | None) -> None:
    # Written so that a NaN fails.
    if actual is not None and abs(actual - expected) <= _TOLERANCE * abs(expected) + _CENT:
        return
    raise BundleRefused(
        f"bundle {bundle.manifest.version} fails its golden rows: {where}: {actual} instead of "
        f"{expected:.2f}. It was damaged, or made by other code."
    )

"""A bundle proves itself before it may answer anyone.

Takes a panel and fitted models, gives a small history with the answers of the models as they were
trained; takes a bundle, asks it the same by the one way to a forecast, and raises if it answers
otherwise. Must not know how a bundle is kept or served.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sales_forecast.bundles.bundle import Bundle, read_bundle
from sales_forecast.bundles.panel_state import panel_of, state_of
from sales_forecast.bundles.states import State
from sales_forecast.data.panel import Array, Panel
from sales_forecast.errors import BundleRefused
from sales_forecast.models.base import FittedForecaster
from sales_forecast.prediction.forecast import Expected, forecast

_SERIES, _HORIZON = 3, 60
_TOLERANCE = 1e-4
"""Trees are computed in single precision; all else agrees to far more."""
_CENT = 0.01


def load_bundle(folder: Path) -> Bundle:
    """Read a bundle and let it prove itself. Raises BundleRefused."""
    bundle = read_bundle(folder)
    verify(bundle)
    return bundle


def questions(panel: Panel, models: Mapping[str, FittedForecaster]) -> State:
    """Return a small history of a panel and what models answer to it."""
    sold = np.where(panel.y > 0, panel.y, 0.0)
    # A series that sold nothing before the last two periods has no answers to write down.
    usable = np.flatnonzero(sold[:, :-2].any(axis=1))
    by_size = usable[np.argsort(sold[usable].sum(axis=1))]
    picks = np.linspace(0, len(usable) - 1, min(_SERIES, len(usable))).astype(int)
    history = panel.select([panel.series[row] for row in np.sort(by_size[picks])])
    return {"history": state_of(history), "answers": _answers(history, models)}


def verify(bundle: Bundle) -> None:
    """Raise BundleRefused if a bundle does not answer as it was trained to, or cannot be asked."""
    if bundle.conformance is None:
        # Rules have no parameters that could be wrong.
        if any(model.state["kind"] != "baseline" for model in bundle.models.values()):
            raise BundleRefused(f"bundle {bundle.version} has models and nothing to prove them by.")
        return
    try:
        history = panel_of(bundle.conformance["history"])
        expected = bundle.conformance["answers"]
        for question, answers in _answers(history, bundle.models).items():
            for model, actual in answers.items():
                where = f"{model}, {question}"
                _compare(bundle.version, where, expected[question][model], actual, history)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise BundleRefused(
            f"bundle {bundle.version} holds nothing that its models can be asked: {error!r}."
        ) from error


def _answers(history: Panel, models: Mapping[str, FittedForecaster]) -> dict[str, dict[str, Array]]:
    """Ask for the weeks ahead under given conditions, and for the last known week without."""
    latest = {name: values[:, -1:] for name, values in history.conditions.items()}
    told = {name: np.repeat(values, _HORIZON, axis=1) for name, values in latest.items()}
    return {
        "ahead": _if_sold(forecast(models, history, _HORIZON, told)),
        "last week": _if_sold(forecast(models, history.until(history.periods[-2]), 1)),
    }


def _if_sold(expected: Mapping[str, Expected]) -> dict[str, Array]:
    return {name: of.if_sold for name, of in expected.items()}


def _compare(version: str, where: str, expected: Array, actual: Array, history: Panel) -> None:
    if not actual.size or actual.shape != expected.shape:
        raise ValueError(f"{where}: {actual.shape} answers, {expected.shape} expected")
    # Written so that a NaN fails where none was expected.
    near = np.abs(actual - expected) <= _TOLERANCE * np.abs(expected) + _CENT
    wrong = np.argwhere(~(near | (np.isnan(expected) & np.isnan(actual))))
    if len(wrong):
        row, step = wrong[0]
        raise BundleRefused(
            f"bundle {version} does not answer as it was trained to: {where}, series "
            f"{history.series[row]}, step {step + 1}: {actual[row, step]:.2f} instead of "
            f"{expected[row, step]:.2f}. It was damaged, or made by other code."
        )

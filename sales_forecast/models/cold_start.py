"""What to answer for a series of which too little is known for any model.

Takes a prediction and the history that it was made from, gives a prediction of every series. Knows
no model: the peers of a series sell by whatever model was asked. Must not read sales after the
history.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sales_forecast.data.panel import Array, Panel
from sales_forecast.data.traits import Index, Likeness
from sales_forecast.features.decomposition import log_sales
from sales_forecast.models.fit_cache import once
from sales_forecast.models.naive import or_last_value

_OLD_WEEKS = 4
"""Who sold within the first weeks of a history did not begin in it."""
_FIRST_WEEKS = 8
_FEWEST_BEGINNERS = 10


def peers(history: Panel) -> Mapping[int, Index]:
    """Return row of a series of which a history holds nothing -> rows of its peers.

    See `traits.Likeness.peers`; none where nothing sold.
    """
    return _peers(history.past)


@once
def _peers(history: Panel) -> Mapping[int, Index]:
    nothing = np.flatnonzero(np.isnan(history.y).all(axis=1))
    among = np.flatnonzero((history.y > 0).any(axis=1))
    return Likeness.of(history).peers(nothing, among) if len(nothing) and len(among) else {}


@once
def beginners_share(history: Panel) -> float:
    """Return what series sell when they begin, as a share of what their peers do meanwhile.

    The median of those that began in the history, over their first eight weeks; 1 where they are
    fewer than ten.
    """
    logs, long = log_sales(history.y), history.frequency.periods
    sold = ~np.isnan(logs)
    first = np.argmax(sold, axis=1)
    old = sold[:, : long(_OLD_WEEKS)].any(axis=1)
    began = np.flatnonzero(sold.any(axis=1) & ~old)
    if len(began) < _FEWEST_BEGINNERS or not old.any():
        return 1.0
    apart = []
    for row, alike in Likeness.of(history).peers(began, np.flatnonzero(old)).items():
        weeks = slice(first[row], first[row] + long(_FIRST_WEEKS))
        if sold[alike, weeks].any():
            apart.append(np.nanmean(logs[row, weeks]) - np.nanmean(logs[alike, weeks]))
    return float(np.exp(np.median(apart))) if len(apart) >= _FEWEST_BEGINNERS else 1.0


def for_all(prediction: Array, history: Panel) -> Array:
    """Return a prediction of every series, float64[n_series, horizon].

    A series that never sold anything (returns alone have no logarithm) is expected to go on with
    its last known value, where a model says nothing of it. One of which nothing is known is
    expected to sell the share that beginners do of what its peers are expected to: of their
    geometric mean, as they differ by factors. NaN stays where a model says nothing of any peer.
    """
    never = ~(history.y > 0).any(axis=1, keepdims=True)
    if not never.any():
        return prediction
    answered = np.where(never, or_last_value(prediction, history), prediction)
    for row, alike in peers(history).items():
        answered[row] = beginners_share(history.past) * _usual(prediction[alike])
    return answered


def _usual(predictions: Array) -> Array:
    """Return float64[horizon]: the geometric mean of those that sell, 0 where none does.

    NaN where nothing is said.
    """
    selling = predictions > 0
    logs = np.log(predictions, out=np.zeros_like(predictions), where=selling)
    sellers = selling.sum(axis=0)
    nothing = np.where(np.isnan(predictions).all(axis=0), np.nan, 0.0)
    usual: Array = np.where(sellers > 0, np.exp(logs.sum(axis=0) / np.maximum(sellers, 1)), nothing)
    return usual

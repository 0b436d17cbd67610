"""What makes the sums of a model right: sales over what was expected of them, added up.

Takes past forecasts and what was sold, gives one number. Must not know quantiles.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from sales_forecast.models.asked import Forecasts

_LEAST_MEAN, _LARGEST_MEAN = 0.5, 4.0
_DOUBT = 2.0
"""How much the scatter of windows weighs against what they say of the mean together."""
_FEWEST_AFTER_AN_END, _UNLIKELY, _SURE = 3, 0.01, 0.99
"""Periods of a window in which a series that has ended sold nothing, and how likely that was."""


def mean_factor(of: Forecasts) -> float:
    """Return sales over what was expected of them, drawn to 1 as far as windows disagree.

    That a series ends is an accident of it: it says nothing of what the others will sell.
    """
    of = of.only(~_ended(of))
    _, back = np.unique(of.window, return_inverse=True)
    said = of.if_sold * of.chance
    sold, expected = np.bincount(back, of.y), np.bincount(back, said)
    sound = (sold > 0) & (expected > 0)
    if sound.sum() < 2:  # noqa: PLR2004 - one tells nothing of how far it can be trusted
        return 1.0
    together = math.log(sold[sound].sum() / expected[sound].sum())
    doubt = float(np.var(np.log(sold[sound] / expected[sound]), ddof=1)) / int(sound.sum())
    trust = together**2 / (together**2 + _DOUBT * doubt) if together else 0.0
    return min(max(math.exp(together * trust), _LEAST_MEAN), _LARGEST_MEAN)


def _ended(of: Forecasts) -> npt.NDArray[np.bool_]:
    """Return bool[n]: forecasts of a series after its last sale, if it was sure to sell there."""
    rows = np.lexsort((of.step, of.window, of.series))
    series = of.series[rows]
    sold = np.where(of.y[rows] != 0, np.arange(len(rows)), -1)
    last = np.full(len(of.names), -1)
    np.maximum.at(last, series, sold)
    after = np.arange(len(rows)) > last[series]
    group = np.unique(np.stack([series, of.window[rows]]), axis=1, return_inverse=True)[1].ravel()
    sure = np.bincount(group, after * -np.log1p(-np.minimum(of.chance[rows], _SURE)))
    ended = after & (np.bincount(group, after) >= _FEWEST_AFTER_AN_END)[group]
    found: npt.NDArray[np.bool_] = np.zeros(len(rows), bool)
    found[rows] = ended & (sure[group] > -math.log(_UNLIKELY))
    return found

"""How likely a series sells anything at all in the periods ahead: the one place that knows zeros.

Takes a history, gives chances. Models learn from sales and say what is sold if anything is; a
recorded 0 tells of the chance alone. A missing row tells nothing, nor does a period before the
first sale, nor one of returns. The chance follows from shares of periods with a sale (of late, on
that weekday, in that season) by a logistic regression of each pool on its own past. numpy only.
Must not know any model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from sales_forecast.data.panel import Array, Panel
from sales_forecast.models import cold_start

Flags = npt.NDArray[np.bool_]
Steps = npt.NDArray[np.int64]

_LONG, _SHORT = 26.0, 1.5
"""Weeks after which a period counts half: for what is usual, and for what is so of late."""
_PRIOR = 2.0
"""So many periods of what is expected are added to those that are counted."""
_NEAR = 2
"""Weeks before and after the same week of earlier years that tell of a season."""
_LEAST = 0.001
_BEFORE = np.array([0.0, 1.0, 0.8, 1.0, 1.0])
_PRECISION = np.array([60.0, 4.0, 12.0, 4.0, 4.0])
"""What the coefficients are expected to be, and how firmly: shares are right on average, and some
months out of season must not tell that pauses last for ever."""
_ORIGINS, _APART, _STEPS = 13, 4, (1, 2, 4, 8)
"""The coefficients are fitted to so many origins, so many weeks apart, and these weeks ahead."""
_MOST_SERIES, _ROUNDS = 500, 20
_LONGER = 4
"""Weeks that a pause may last beyond the longest one that ended, before an end is more likely."""


def chance_of_sale(history: Panel, horizon: int) -> Array:
    """Return float64[n_series, horizon]: how likely each series sells something after a history.

    1 for a series that sold in every known period since its first sale. Of a series of which
    nothing is known: the mean of its peers.
    """
    chance = np.ones((history.n_series, horizon))
    if not (history.y == 0).any():
        return chance
    for _, rows, pool in history.pools():
        chance[rows] = _of_pool(pool, horizon)
    for row, alike in cold_start.peers(history).items():
        chance[row] = chance[alike].mean(axis=0)
    return chance


def _of_pool(pool: Panel, horizon: int) -> Array:
    chance = np.ones((pool.n_series, horizon))
    past = _Past.of(pool)
    rows = np.flatnonzero((past.known & ~past.sold).any(axis=1))
    if len(rows):
        some = rows[:: -(-len(rows) // _MOST_SERIES)]
        logit = past.shares(rows, pool.n_periods, np.arange(horizon)) @ _coefficients(past, some)
        going_on = _going_on((pool.y == 0)[rows], past.sold[rows], past.a_week)
        chance[rows] = going_on[:, None] / (1 + np.exp(-logit))
    return chance


@dataclass(frozen=True, eq=False)
class _Past:
    """Which series sold in which periods, bool[n_series, n_periods], and where that is known."""

    sold: Flags
    known: Flags
    a_week: int
    season: int

    @classmethod
    def of(cls, pool: Panel) -> Self:
        sold = pool.y > 0
        known = (pool.y >= 0) & np.logical_or.accumulate(sold, axis=1)
        return cls(sold, known, pool.frequency.a_week, pool.frequency.season)

    def shares(self, rows: npt.NDArray[np.intp], origin: int, steps: Steps) -> Array:
        """Return float64[n, n_steps, 5]: 1 and the logits of shares before an origin.

        `steps`: periods after `origin`, the first one being 0.
        """
        of_all = self.sold[:, :origin].sum(axis=0), self.known[:, :origin].sum(axis=0)
        sold, known = self.sold[rows, :origin], self.known[rows, :origin]
        weeks = np.arange(origin - 1, -1, -1) / self.a_week
        long, short = 0.5 ** (weeks / _LONG), 0.5 ** (weeks / _SHORT)
        alike = _share(of_all[0] @ long, of_all[1] @ long, 0.5)
        usual = _share(sold @ long, known @ long, alike)
        lately = _logit(_share(sold @ short, known @ short, usual)) - _logit(usual)
        weekday = np.zeros((len(rows), len(steps)))
        if self.a_week > 1:
            for day in np.unique(steps % self.a_week):
                weight = long * ((np.arange(origin) - origin - day) % self.a_week == 0)
                pool = _logit(_share(of_all[0] @ weight, of_all[1] @ weight, alike)) - _logit(alike)
                own = _share(sold @ weight, known @ weight, _chance(_logit(usual) + pool))
                weekday[:, steps % self.a_week == day] = (_logit(own) - _logit(usual))[:, None]
        near = [self._same_season(flags, origin + steps) / self.a_week for flags in (sold, known)]
        season = _logit(_share(near[0], near[1], usual[:, None])) - _logit(usual)[:, None]
        each = (np.float64(1), _logit(usual)[:, None], lately[:, None], weekday, season)
        return np.stack([np.broadcast_to(of, weekday.shape) for of in each], axis=2)

    def _same_season(self, flags: Flags, target: Steps) -> Array:
        """Return float64[n, n_targets]: periods about the same one of earlier years that count."""
        so_far = np.pad(flags.cumsum(axis=1), ((0, 0), (1, 0)))
        found, last = np.zeros((len(flags), len(target))), flags.shape[1]
        near = _NEAR * self.a_week
        for years in range(1, (int(target.max()) + near) // self.season + 1):
            middle = target - years * self.season
            ends = (np.clip(of, 0, last) for of in (middle + near + 1, middle - near))
            until, since = (so_far[:, end] for end in ends)
            found += until - since
        return found


def _coefficients(past: _Past, rows: npt.NDArray[np.intp]) -> Array:
    """Return float64[5] of highest posterior density, by Newton's method."""
    n, a_week = past.sold.shape[1], past.a_week
    ahead = np.array(_STEPS) * a_week - 1
    last = n - ahead[-1] - 1
    X, z = [], []
    # Where last year tells of the season, only those origins are asked of which it does, too.
    first = past.season if n > past.season else 0
    for origin in range(last, max(last - _ORIGINS * _APART * a_week, first), -_APART * a_week):
        begun = np.any(past.sold[rows, :origin], axis=1)[:, None]
        known = past.known[np.ix_(rows, origin + ahead)] & begun
        X.append(past.shares(rows, origin, ahead)[known])
        z.append(past.sold[np.ix_(rows, origin + ahead)][known])
    found = _BEFORE
    if X:
        shares, sold = np.concatenate(X), np.concatenate(z)
        for _ in range(_ROUNDS):
            chance = _chance(shares @ found)
            # Steps of one origin are alike: together they count as one.
            slope = (sold - chance) @ shares / len(_STEPS) - _PRECISION * (found - _BEFORE)
            weight = (chance * (1 - chance))[:, None] / len(_STEPS)
            curve = (shares * weight).T @ shares + np.diag(_PRECISION)
            # A whole step may leap past the top, where all chances are 0 or 1.
            found = found + np.clip(np.linalg.solve(curve, slope), -1, 1)
    return found


def _share(sold: Array, known: Array, expected: Array | float) -> Array:
    share: Array = (sold + _PRIOR * expected) / (known + _PRIOR)
    return share


def _logit(share: Array) -> Array:
    inside = np.clip(share, _LEAST, 1 - _LEAST)
    logit: Array = np.log(inside / (1 - inside))
    return logit


def _chance(logit: Array) -> Array:
    chance: Array = 1 / (1 + np.exp(-logit))
    return chance


def _going_on(nothing: Flags, sold: Flags, a_week: int) -> Array:
    """Return float64[n]: how likely a series has not ended, by how long it sells nothing."""
    run, longest = np.zeros((2, len(sold)))
    for is_nothing, is_sold in zip(nothing.T, sold.T, strict=True):
        longest = np.where(is_sold, np.maximum(longest, run), longest)
        run = np.where(is_sold, 0.0, run + is_nothing)
    going_on: Array = np.minimum(1.0, (longest / a_week + _LONGER) / np.maximum(run / a_week, 1.0))
    return going_on

"""How likely a series sells anything at all in the periods ahead: the one place that knows zeros.

Takes a history, gives chances. Models learn from sales and say what is sold if anything is; a
recorded 0 tells of the chance alone. A missing row tells nothing, nor does a period before the
first sale, nor one of returns. The chance follows from shares of periods with a sale (of late, on
that weekday, in that season) and plans by a logistic regression of each pool on its own past. numpy
only.
Must not know any model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from sales_forecast.data.frequency import DAILY
from sales_forecast.data.panel import Array, Panel
from sales_forecast.features.plan_effects import plans_of
from sales_forecast.features.planned_numbers import PlannedNumber
from sales_forecast.features.weekday_breaks import outdated
from sales_forecast.models import cold_start
from sales_forecast.models.logistic import likeliest, logit, probability

Flags = npt.NDArray[np.bool_]
Steps = npt.NDArray[np.int64]

_LONG, _SHORT = 26.0, 1.5
"""Weeks after which a period counts half: for what is usual, and for what is so of late."""
_PRIOR = 2.0
"""So many periods of what is expected are added to those that are counted."""
_NEAR = 3
"""Weeks before and after the same week of earlier years from which on they tell of no season; of
those between, the further away one is, the less it counts."""
_PRIOR_OF_SEASON = 1.0
_BEFORE = np.array([0.0, 1.0, 0.8, 1.0, 1.0, 1.0])
_PRECISION = np.array([60.0, 4.0, 12.0, 4.0, 4.0, 4.0])
"""What the coefficients are expected to be, and how firmly: shares are right on average, and some
months out of season must not tell that pauses last for ever."""
_PRECISION_OF_PLANS = 0.5
"""Plans are expected to change nothing."""
_ORIGINS, _APART, _STEPS = 13, 4, (1, 2, 4, 8)
"""The coefficients are fitted to so many origins, so many weeks apart, and these weeks ahead."""
_MOST_SERIES = 500
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
    past = _Past.of(pool, horizon)
    rows = np.flatnonzero((past.known & ~past.sold).any(axis=1))
    if len(rows):
        some = rows[:: -(-len(rows) // _MOST_SERIES)]
        ahead = np.arange(horizon)
        plans = _plan_coefficients(past, some)
        log_odds = past.shares(rows, pool.n_periods, ahead) @ _coefficients(past, some, plans)
        log_odds += past.planned[np.ix_(rows, pool.n_periods + ahead)] @ plans
        chance[rows] = past.going_on(rows)[:, None] * probability(log_odds)
    return chance


@dataclass(frozen=True, eq=False)
class _Past:
    """Which series sold in which periods, bool[n_series, n_periods], and where that is known.

    What was `recorded` before the first sale may be a season or come before a launch: it tells
    nothing of what is sold, but a pause like it is no end. `planned`: float64[n_series, n_periods +
    horizon, n_plans], beyond what is usual.
    """

    sold: Flags
    known: Flags
    recorded: Flags
    planned: Array
    a_week: int
    season: int

    @classmethod
    def of(cls, pool: Panel, horizon: int) -> Self:
        sold = pool.y > 0
        recorded = pool.y >= 0
        known = recorded & np.logical_or.accumulate(sold, axis=1)
        if pool.frequency == DAILY:
            old = outdated(sold, known)
            sold, known, recorded = sold & ~old, known & ~old, recorded & ~old
        every, past = pool.frequency, pool.past.plan
        numbers = {name: PlannedNumber.of(past[name], every) for name in past if name != pool.open}
        planned = plans_of(pool, numbers, pool.n_periods + horizon, expecting=True)
        told = ~np.isnan(planned[:, : pool.n_periods])
        sums = np.nan_to_num(planned[:, : pool.n_periods]).sum(axis=(0, 1))
        planned = np.nan_to_num(planned - sums / np.maximum(told.sum(axis=(0, 1)), 1))
        return cls(sold, known, recorded, planned, every.a_week, every.season)

    def shares(self, rows: npt.NDArray[np.intp], origin: int, steps: Steps) -> Array:
        """Return float64[n, n_steps, 6]: 1 and logits of shares before an origin.

        `steps`: periods after `origin`, the first one being 0. The weekday counts twice: of all
        series, which tell it well, and of each beyond that.
        """
        of_all = self.sold[:, :origin].sum(axis=0), self.known[:, :origin].sum(axis=0)
        sold, known = self.sold[rows, :origin], self.known[rows, :origin]
        age = np.arange(origin - 1, -1, -1)
        long = 0.5 ** (age / self.a_week / _LONG)
        short = 0.5 ** (age % self.season / self.a_week / _SHORT)
        now, then = short * (age < self.season), short * (age >= self.season)
        alike = _share(of_all[0] @ long, of_all[1] @ long, 0.5)
        usual = _share(sold @ long, known @ long, alike)
        late = logit(_share(sold @ now, known @ now, usual))
        before = logit(_share(sold @ then, self.recorded[rows, :origin] @ then, usual))
        lately = (late - logit(usual))[:, None]
        of_all_days, weekday = np.zeros(len(steps)), np.zeros((len(rows), len(steps)))
        if self.a_week > 1:
            for day in np.unique(steps % self.a_week):
                weight = long * ((np.arange(origin) - origin - day) % self.a_week == 0)
                pool = logit(_share(of_all[0] @ weight, of_all[1] @ weight, alike)) - logit(alike)
                own = _share(sold @ weight, known @ weight, probability(logit(usual) + pool))
                there = steps % self.a_week == day
                of_all_days[there] = pool
                weekday[:, there] = (logit(own) - logit(usual) - pool)[:, None]
        near = [self._same_season(flags, origin + steps) for flags in (sold, known)]
        of_season = _share(near[0], near[1], usual[:, None], _PRIOR_OF_SEASON)
        season = logit(of_season) - logit(usual)[:, None]
        # What was so at that time of earlier years is no news, as far as they tell of the target.
        news = np.median([lately, (late - before)[:, None], np.zeros_like(lately)], axis=0)
        lately = news + (lately - news) * _PRIOR_OF_SEASON / (near[1] + _PRIOR_OF_SEASON)
        each = (np.float64(1), logit(usual)[:, None], lately, of_all_days, weekday, season)
        return np.stack([np.broadcast_to(of, weekday.shape) for of in each], axis=2)

    def _same_season(self, flags: Flags, target: Steps) -> Array:
        """Return float64[n, n_targets]: weeks about the same one of earlier years that count."""
        wide = _NEAR * self.a_week
        # Sums of sums, less those that begin later: weights that rise by 1 to `wide` and fall; none
        # is left at both ends.
        sums = np.pad(flags, ((0, 0), (2 * wide + 1, 2 * wide))).cumsum(axis=1).cumsum(axis=1)
        about = sums[:, 2 * wide :] - 2 * sums[:, wide:-wide] + sums[:, : -2 * wide]
        found, last = np.zeros((len(flags), len(target))), about.shape[1] - 1
        for years in range(1, (int(target.max()) + wide - 1) // self.season + 1):
            middle = target - years * self.season
            found += about[:, np.clip(middle + wide, 0, last)]
        return found / (wide * self.a_week)

    def going_on(self, rows: npt.NDArray[np.intp]) -> Array:
        """Return float64[n]: how likely a series has not ended, by how long it sells nothing.

        A pause in the first year that is recorded may be a season.
        """
        recorded, all_sold = self.recorded[rows], self.sold[rows]
        run, longest, beyond = np.zeros((3, len(rows)))
        since = np.argmax(recorded, axis=1) + self.season
        for period, sold in enumerate(all_sold.T):
            nothing = recorded[:, period] & ~sold
            longest = np.where(sold, np.maximum(longest, run), longest)
            run = np.where(sold, 0.0, run + nothing)
            beyond = np.where(sold, 0.0, beyond + (nothing & (period >= since)))
        weeks: Array = np.maximum(beyond / self.a_week, 1.0)
        return np.minimum(1.0, (longest / self.a_week + _LONGER) / weeks)


def _plan_coefficients(past: _Past, rows: npt.NDArray[np.intp]) -> Array:
    """Return float64[n_plans]: what plans change, in all periods up to the last sale of a series.

    Some are as rare as public holidays. Each period is compared with the share of its series, of
    its weekday.
    """
    sold, known = past.sold[rows], past.known[rows]
    known = known & np.logical_or.accumulate(sold[:, ::-1], axis=1)[:, ::-1]
    usual = np.zeros(sold.shape)
    for day in range(past.a_week):
        of_day = slice(day, None, past.a_week)
        mean = _share(sold.sum(axis=1), known.sum(axis=1), 0.5)
        share = _share(sold[:, of_day].sum(axis=1), known[:, of_day].sum(axis=1), mean)
        usual[:, of_day] = logit(share)[:, None]
    planned = past.planned[rows, : sold.shape[1]][known]
    n = planned.shape[1]
    return likeliest(
        planned, sold[known], usual[known], np.zeros(n), np.full(n, _PRECISION_OF_PLANS)
    )


def _coefficients(past: _Past, rows: npt.NDArray[np.intp], plans: Array) -> Array:
    """Return float64[6]: those of shares, beside what `plans` change."""
    n, a_week = past.sold.shape[1], past.a_week
    ahead = np.array(_STEPS) * a_week - 1
    last = n - ahead[-1] - 1
    X, z, of_plans = [np.zeros((0, len(_BEFORE)))], [np.zeros(0, bool)], [np.zeros(0)]
    # Where last year tells of the season, only those origins are asked of which it does, too.
    first = past.season if n > past.season else 0
    # A day less than whole weeks, so that days ahead are of all weekdays.
    apart = _APART * a_week - (a_week > 1)
    for origin in range(last, max(last - _ORIGINS * apart, first), -apart):
        begun = np.any(past.sold[rows, :origin], axis=1)[:, None]
        known = past.known[np.ix_(rows, origin + ahead)] & begun
        X.append(past.shares(rows, origin, ahead)[known])
        z.append(past.sold[np.ix_(rows, origin + ahead)][known])
        of_plans.append((past.planned[np.ix_(rows, origin + ahead)] @ plans)[known])
    # Steps of one origin are alike: together they count as one.
    of_all = np.concatenate(X), np.concatenate(z), np.concatenate(of_plans)
    return likeliest(*of_all, _BEFORE, _PRECISION, counts=1 / len(_STEPS))


def _share(sold: Array, known: Array, expected: Array | float, prior: float = _PRIOR) -> Array:
    share: Array = (sold + prior * expected) / (known + prior)
    return share

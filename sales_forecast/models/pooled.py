"""The pooled Gaussian process: the chain's log sales, and each store's deviation from them.

Takes panels, gives sales. The stores share one set of hyperparameters, because two years of one
store say too little; they maximise the marginal likelihood under a weak prior. No conditions:
within a store they say hardly anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import linalg, optimize

from sales_forecast.compute.threads import one_thread
from sales_forecast.data.frequency import DAILY
from sales_forecast.data.panel import Array, Panel
from sales_forecast.features.calendar_effects import PooledProcess, Process, Profile
from sales_forecast.features.cycles import cycle_of_weeks
from sales_forecast.features.decomposition import Split
from sales_forecast.features.gaussian import (
    Between,
    Hyperparameters,
    Weeks,
    components,
    covariance,
    observed,
    united,
)
from sales_forecast.features.lasting import lasting
from sales_forecast.features.plan_effects import PlanEffects, PlannedProcess
from sales_forecast.features.pools import ProcessByPool
from sales_forecast.models.base import too_short, weeks_of_sales
from sales_forecast.models.fit_cache import once
from sales_forecast.models.fitted.pooled import FittedPooled
from sales_forecast.models.regression import fit_days

# Where the search starts and what it is drawn to: standard deviations of log sales, and years.
# From what retail is like: a holiday moves a week by some tens of percent, a month by some percent.
_CHAIN = Hyperparameters(
    trend=0.01**2, fast_drift=0.02**2, fast_length=0.05, slow_drift=0.03**2, slow_length=1.0,
    season=0.1**2, season_length=0.7, month=0.02**2, large_events=0.05**2, small_events=0.02**2,
    noise=0.01**2, cycle=0.003**2, cycle_length=0.5,
)  # fmt: skip
_STORE = Hyperparameters(
    trend=0.05**2, fast_drift=0.03**2, fast_length=0.05, slow_drift=0.06**2, slow_length=1.0,
    season=0.06**2, season_length=0.7, month=0.01**2, large_events=0.02**2, small_events=0.01**2,
    noise=0.02**2, cycle=0.003**2, cycle_length=0.5,
)  # fmt: skip
_CHAIN_SPREAD, _STORE_SPREAD = 0.2, 0.15
"""Standard deviations of log sales up to which that holds as it stands."""
_PRIOR_SPREAD = 0.7
"""The standard deviation of the logarithm of each."""
_MIN_WEEKS = 8
"""So many tell levels, weekdays and plans; of days, and of weeks."""
_MOST_STEPS = 60
_MOST_GROUPS = 4
_ROUNDS = 4
"""Of looking for what lasts of the chain: it is seen more clearly without what was found before."""
_NOWHERE = 1e12
"""Worse than anything: a search that leaps there steps back."""


@dataclass(frozen=True, eq=False)
class _Scatter:
    """Series that are known in the same weeks: all that the likelihood needs of them."""

    between: Between
    products: Array
    """float64[n, n]: the sum over series of values times values."""
    n_series: int


def _scatter(weeks: Weeks, values: Array) -> _Scatter:
    """Return that of values, float64[n_series, n_weeks]."""
    return _Scatter(Between.of(weeks, weeks), values.T @ values, len(values))


@once
def fit_process(panel: Panel) -> Process:
    """Estimate what is expected of every pool from all of a panel: weeks or days."""
    fit = fit_days if panel.frequency == DAILY else _fit_pool
    with one_thread():
        if panel.pooled_by is None:
            return fit(panel)
        pools = panel.pools()
        return ProcessByPool({name: fit(pool) for name, _, pool in pools if _sells(pool)})


def _sells(pool: Panel) -> bool:
    return bool((pool.y > 0).any())


def _fit_pool(panel: Panel) -> Process:
    if not panel.plan:
        return _fit_weeks(panel)
    effects = PlanEffects.fit(panel)
    return PlannedProcess(_fit_weeks(effects.without(panel)), effects)


def _fit_weeks(panel: Panel) -> PooledProcess:
    pivot = panel.periods[-1]
    split = Split.of(panel)
    known = ~np.isnan(split.chain)
    chain = split.chain[known]
    # The largest groups of smooth stores tell what all are like.
    smooth = [(series, week) for series, week, noise in split.alike() if noise == 1]
    telling = sorted(smooth, key=lambda alike: -len(alike[0]) * len(alike[1]))[:_MOST_GROUPS]
    alike = [
        _scatter(Weeks.of(panel.periods[week], pivot), split.deviations[np.ix_(series, week)])
        for series, week in telling
    ]
    weeks = Weeks.of(panel.periods[known], pivot)
    return PooledProcess(_fit_chain(weeks, chain), _fit(_STORE, _STORE_SPREAD, alike), pivot)


def _fit_chain(weeks: Weeks, chain: Array) -> Hyperparameters:
    """Fit them to the chain without what lasts of it, which would pass for drifts."""
    left, between = chain, Between.of(weeks, weeks)
    for _ in range(_ROUNDS):
        found = _fit(_CHAIN, _CHAIN_SPREAD, [_Scatter(between, np.outer(left, left), 1)])
        both = observed(covariance(found, between), found.noise)
        lasts = lasting(both, weeks.years, chain[:, None], grows=True).values[:, 0]
        before, left = left, chain - lasts
        if np.array_equal(before, left):
            break
    return found


@once
def fit_profile(panel: Panel) -> Profile:
    """Return the calendar part of log sales, as far as a panel tells."""
    return fit_process(panel).calendar(panel)


def _fit(prior: Hyperparameters, spread: float, scatters: Sequence[_Scatter]) -> Hyperparameters:
    """Return the hyperparameters of highest posterior density.

    `prior`: what values of a standard deviation of up to `spread` are like; of those that vary
    more, the variances are expected to be larger alike.
    """
    total = sum(np.trace(scatter.products) for scatter in scatters)
    count = sum(scatter.n_series * len(scatter.products) for scatter in scatters)
    larger = max(1.0, total / count / spread**2) if count else 1.0
    scaled = {name: larger * getattr(prior, name) for name in Hyperparameters.variances()}
    expected = replace(prior, **scaled)
    found = _likeliest(expected, scatters)
    alike = [(scatter.between, scatter.products, scatter.n_series) for scatter in scatters]
    cycle = cycle_of_weeks(found, alike)
    return _likeliest(replace(expected, **cycle), scatters) if cycle else found


def _likeliest(prior: Hyperparameters, scatters: Sequence[_Scatter]) -> Hyperparameters:
    """Search from a prior; how many weeks its cycle takes stays as it is."""
    middle = prior.logs()

    def loss(logs: Array) -> tuple[float, Array]:
        away = (logs - middle) / _PRIOR_SPREAD
        value, slope = 0.5 * float(away @ away), away / _PRIOR_SPREAD
        try:
            for scatter in scatters:
                misfit, its_slope = _misfit(prior.from_logs(logs), scatter)
                value, slope = value + misfit, slope + its_slope
        except (np.linalg.LinAlgError, ValueError):  # no covariance in so many digits
            return _NOWHERE, np.zeros_like(logs)
        return value, slope

    options = {"maxiter": _MOST_STEPS}
    with np.errstate(over="ignore", invalid="ignore"):
        found = optimize.minimize(loss, middle, jac=True, method="L-BFGS-B", options=options)
    return prior.from_logs(found.x)


def _misfit(of: Hyperparameters, scatter: _Scatter) -> tuple[float, Array]:
    """Return minus the log likelihood, but for a constant, and its slope in the logarithms."""
    n = len(scatter.products)
    parts = components(of, scatter.between)
    lower = np.linalg.cholesky(observed(united(parts), of.noise))
    inverse = linalg.cho_solve((lower, True), np.eye(n))
    log_det = 2 * np.log(np.diag(lower)).sum()
    value = 0.5 * ((inverse * scatter.products).sum() + scatter.n_series * log_det)
    outer = 0.5 * (scatter.n_series * inverse - inverse @ scatter.products @ inverse)
    apart = scatter.between.apart
    slopes = {
        **parts,
        "fast_length": parts["fast_drift"] * apart / of.fast_length,
        "slow_length": parts["slow_drift"] * apart / of.slow_length,
        "season_length": parts["season"] * 4 * scatter.between.turns(of.season_length),
        "cycle_length": parts["cycle"] * apart / of.cycle_length,
        "noise": of.noise * np.eye(n),
    }
    return float(value), np.array([(outer * slopes[name]).sum() for name in of.names()])


@dataclass(frozen=True)
class PooledForecaster:
    """A Gaussian process for the chain and one for each store's deviation from it.

    Of days it is the regression of `regression`, which learns no season from less than a year.
    """

    name: str = "pooled"

    def fit(self, panel: Panel) -> FittedPooled:
        """Estimate the hyperparameters. Raises NotEnoughData where no store has enough weeks."""
        if not (weeks_of_sales(panel) >= _MIN_WEEKS).any():
            raise too_short(panel, "The pooled process", _MIN_WEEKS)
        return FittedPooled(fit_process(panel))


POOLED = PooledForecaster()

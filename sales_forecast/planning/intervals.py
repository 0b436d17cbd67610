"""What was promised of stored forecasts: quantiles of one series, or as measured of sums.

Takes an issue as it was read, gives numbers. Must not know a database.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from sales_forecast.bundles.manifest import SUMS_AS_JSON
from sales_forecast.data.forecast_tables import QUANTILES
from sales_forecast.data.forecasts.override_tables import Scope
from sales_forecast.data.forecasts.stored_forecasts import StoredIssue
from sales_forecast.models.spread import Spread
from sales_forecast.prediction.sums import level_name, quantiles


def quantiles_by_period(
    issue: StoredIssue, scope: Scope, n_keys: int
) -> list[Mapping[str, float | None]]:
    """Return the quantiles of each period, by the names of `forecast_tables.QUANTILES`.

    None where too little was measured. `scope`: what `issue` was read of, of `n_keys` keys.
    """
    if len(scope) == n_keys:
        return [of.quantiles for of in issue.periods]
    return list(_of_sum(issue, scope))


def _of_sum(issue: StoredIssue, scope: Scope) -> Iterator[Mapping[str, float | None]]:
    stored = SUMS_AS_JSON.validate_json(issue.sums)
    texts = {int(key[1:]) - 1: value for key, value in sorted(scope.items())}
    name = level_name(tuple(texts))
    measured = stored[name].spread() if name in stored else Spread.none()
    steps = [period.step for period in issue.periods]
    sales = np.array([period.sales for period in issue.periods])
    for at in quantiles(measured, texts, steps, sales, [*QUANTILES.values()]):
        yield dict(zip(QUANTILES, map(_cents, at), strict=True))


def last_measured_step(issue: StoredIssue) -> int | None:
    """Return the last step of the backtest, which sums have where anything was measured of them."""
    return max((of.steps for of in SUMS_AS_JSON.validate_json(issue.sums).values()), default=None)


def _cents(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 2)

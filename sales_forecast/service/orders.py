"""How much to order: the quantity at which one more would cost more than it saves.

Takes what sales stay below how often and two costs, gives a quantity and what it is expected to
cost. Must not know models.
"""

from __future__ import annotations

import numpy as np

from sales_forecast.errors import InvalidRequest
from sales_forecast.service.forms import Named
from sales_forecast.service.predictor import Predictor

_GRID = tuple(number / 100 for number in range(1, 100))
_LOWEST, _HIGHEST = _GRID[0], _GRID[-1]


def order_for(
    predictor: Predictor, series: Named, step: int, too_many: float, too_few: float
) -> dict[str, object]:
    """Return what to order of a series for one period after the last known one, by the best model.

    `too_many`, `too_few`: what one costs that is left over, and one that is missing; both above 0.
    The quantity is the quantile too_few / (too_few + too_many), no lower than 0.01 and no higher
    than 0.99, as nothing beyond was measured. Its fields are those of `schemas.OrderQuantity`.
    Raises UnknownSeries, InvalidRequest.
    Source: Arrow, Harris and Marschak, Optimal Inventory Policy, 1951.
    """
    forecast = predictor.forecast(series, step, "best")[-1]
    quantile = min(max(too_few / (too_few + too_many), _LOWEST), _HIGHEST)
    # The quantity comes last: the others, all equally likely, are what may be sold.
    asked = (*_GRID, quantile)
    *sold, quantity = predictor.distribution(series, step, "best", asked)[-1].quantiles
    if quantity is None or None in sold:
        raise InvalidRequest(
            "Too little was measured of the errors of this series to say how much is enough.",
            dict(zip(predictor.forms.fields, series, strict=True)),
        )
    may_sell = np.array(sold, dtype=np.float64)

    def cost(ordered: float) -> float:
        left = ordered - may_sell
        return round(float(np.where(left > 0, too_many * left, -too_few * left).mean()), 2)

    return {
        "quantity": quantity,
        "expected_cost": cost(quantity),
        "expected_cost_of_forecast": cost(forecast.sales),
        "forecast": forecast.sales,
        "quantile": round(quantile, 4),
        "Date": forecast.period,
        "model": predictor.forecasting["best"],
        "model_version": predictor.version,
        "warnings": predictor.warnings_for(series, step, "best"),
    }

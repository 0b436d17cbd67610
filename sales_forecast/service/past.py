"""What models expected of a period within the history, as it was known the one before.

Takes models and a panel, gives what was expected after a past origin; kept once it is asked for.
Must not know a request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sales_forecast.data.panel import Array, Panel
from sales_forecast.models.base import FittedForecaster
from sales_forecast.models.fitted.regressor import FittedRegressor
from sales_forecast.models.naive import Baseline
from sales_forecast.prediction.forecast import Expected, chance_of_any, forecast
from sales_forecast.service.rows import Rows

_OfPool = tuple[Mapping[str, Expected], Array]


class Past:
    """The past of one panel.

    `models`: all that answer, `alone`: those of them that are asked for a pool at a time,
    `regressors`: those that are asked about one row.
    """

    def __init__(
        self,
        models: Mapping[str, FittedForecaster],
        alone: Mapping[str, FittedForecaster],
        regressors: Sequence[FittedRegressor],
        panel: Panel,
    ) -> None:
        self._models = models
        self._alone = alone
        self._regressors = regressors
        self._panel = panel
        self._pools = [rows for _, rows, _ in panel.pools()]
        self._place = np.empty((panel.n_series, 2), dtype=np.int64)
        for number, rows in enumerate(self._pools):
            self._place[rows] = np.column_stack([np.full(len(rows), number), np.arange(len(rows))])
        self._of_all: dict[int, Mapping[str, Expected]] = {}
        self._of_pool: dict[tuple[int, int], _OfPool] = {}
        self._rows: dict[int, Rows] = {}

    def of_all(self, origin: int) -> Mapping[str, Expected]:
        """Return what was expected of every series in the period after an origin."""
        if origin not in self._of_all:
            history = self._panel.until(self._panel.periods[origin])
            self._of_all[origin] = forecast(self._models, history, 1)
        return self._of_all[origin]

    def rows(self, origin: int) -> Rows:
        """Return the rows of the period after an origin, as they were known then."""
        if origin not in self._rows:
            history = self._panel.until(self._panel.periods[origin])
            self._rows[origin] = Rows(self._regressors, history, 1, past=False)
        return self._rows[origin]

    def knows_rows(self, origin: int) -> bool:
        """Tell whether `rows` has only to look up."""
        return origin in self._rows

    def knows_all(self, origin: int) -> bool:
        """Tell whether `of_all` has only to look up."""
        return origin in self._of_all

    def knows_pool(self, origin: int, row: int) -> bool:
        """Tell whether `of_pool` has only to look up."""
        return (int(self._place[row, 0]), origin) in self._of_pool

    def pool(self, row: int) -> list[str]:
        """Return the series of the pool of one."""
        return [self._panel.series[of] for of in self._pools[self._place[row, 0]].tolist()]

    def of_pool(self, origin: int, row: int) -> tuple[Mapping[str, Expected], int, Array]:
        """Return what was expected then of the pool of a series, its place in it, and chances.

        Series of other pools tell nothing of it, but to regressors.
        """
        pool, place = self._place[row].tolist()
        if (pool, origin) not in self._of_pool:
            alike = self._panel if len(self._pools) == 1 else self._panel.select(self.pool(row))
            history = alike.until(self._panel.periods[origin])
            then = forecast(self._alone, history, 1)
            # All that learn have one chance; where only trees do, it is worked out for them.
            learn = [name for name, of in self._alone.items() if not isinstance(of, Baseline)]
            chance = then[learn[0]].chance if learn else chance_of_any(history, 1)
            self._of_pool[pool, origin] = then, chance
        said, chance = self._of_pool[pool, origin]
        return said, place, chance

"""What a model says of a week, if only what came after its cutoff were different.

Takes a panel and forecasters, gives the largest movement of each model. Sales and conditions after
a cutoff are replaced by nonsense and the real `backtest` is asked again; no difference at all is
tolerated, as equal inputs give equal bits. Must not know how any model works.

By contract (`backtest`), the conditions of the target week are an input for a horizon of one week:
there they stay as they are. Nothing else that is later than a cutoff is an input of anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from sales_forecast.data.panel import Array, Panel
from sales_forecast.evaluation.backtest import backtest
from sales_forecast.evaluation.protocols import RollingOrigin
from sales_forecast.models.base import Forecaster
from sales_forecast.models.fit_cache import forget


@contextmanager
def scrambled(panel: Panel, end: int, *, inputs: int = 0, half: int = 0) -> Iterator[None]:
    """Replace sales from week number `end` on, and conditions `inputs` weeks later, for a while.

    Like the fields of a chessboard, half of the values are wild and the others missing; `half`,
    0 or 1, says which. They are replaced in the panel itself, so that whoever holds it, or a view
    of it, reads them.
    """
    kept = [(values, values.copy()) for values in _arrays(panel)]
    fields = np.add.outer(np.arange(panel.n_series), np.arange(panel.n_periods) - end)
    # Of a single store, nothing would be left to be judged.
    missing = (fields % 2 != half) & (panel.n_series > 1)
    rng = np.random.default_rng(0)
    try:
        for values, _ in kept:
            first = end if values is panel.y else end + inputs
            wild = rng.lognormal(mean=10.0, sigma=5.0, size=values.shape)
            values[:, first:] = np.where(missing, np.nan, wild)[:, first:]
        yield
    finally:
        for values, before in kept:
            values[:] = before


def _arrays(panel: Panel) -> Sequence[Array]:
    return [panel.y, *panel.conditions.values()]


def shares(before: Array, after: Array) -> Array:
    """Return |after - before| as a share of `before`, infinite where only one is known."""
    same = (before == after) | (np.isnan(before) & np.isnan(after))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.abs(after - before) / np.abs(before)
    return np.where(same, 0.0, np.where(np.isnan(share), np.inf, share))


@dataclass(frozen=True)
class Movement:
    """The largest change of a model's predictions at a cutoff, if only later weeks change."""

    model: str
    cutoff: np.datetime64
    series: str
    week: np.datetime64
    before: float
    after: float
    """NaN where the prediction is gone."""

    @property
    def share(self) -> float:
        """The change as a share of the prediction; infinite where the prediction is gone."""
        return shares(np.array([self.before]), np.array([self.after]))[0]

    def __str__(self) -> str:
        return (
            f"{self.model} at cutoff {self.cutoff} moved by up to {self.share:,.2%} when only "
            f"later weeks changed: store {self.series}, week {self.week}, "
            f"from {self.before:,.2f} to {self.after:,.2f}."
        )


def moved(
    panel: Panel,
    forecasters: Sequence[Forecaster],
    cutoff: np.datetime64,
    horizon: int,
    half: int = 0,
) -> tuple[int, list[Movement]]:
    """Backtest one window twice, the second time with everything after the cutoff replaced.

    Returns the number of predictions compared, and the largest movement of each model that moved.
    """
    end = int((panel.periods <= cutoff).sum())
    window = RollingOrigin(horizon, windows=1, step=panel.n_periods - horizon - end + 1)
    keys = ["unique_id", "ds"]
    honest = backtest(panel, forecasters, window).set_index(keys)
    forget()
    with scrambled(panel, end, inputs=1 if horizon == 1 else 0, half=half):
        other = backtest(panel, forecasters, window).set_index(keys)
        # Weeks whose sales are missing now are predicted, but not in the table.
        rows = [panel.positions[series] for series, _ in honest.index]
        weeks = np.searchsorted(panel.periods, honest.index.get_level_values("ds"))
        honest = honest[~np.isnan(panel.y[rows, weeks])]
    other = other.reindex(honest.index)
    movements = []
    for name in (forecaster.name for forecaster in forecasters):
        before, after = honest[name].to_numpy(), other[name].to_numpy()
        change = shares(before, after)
        if change.any():
            worst = int(change.argmax())
            series, week = honest.index[worst]
            day = np.datetime64(week, "D")
            movements.append(Movement(name, cutoff, series, day, before[worst], after[worst]))
    return len(honest) * len(forecasters), movements

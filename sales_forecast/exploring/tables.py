"""Covariates against sales, and series by what they are.

Takes a panel, gives one value a covariate or a group of series. Must not fit a model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sales_forecast.data.panel import Array, Panel
from sales_forecast.data.traits import is_name
from sales_forecast.evaluation.groups import ranges
from sales_forecast.evaluation.sizes import SIZES, thirds
from sales_forecast.exploring.patterns import changes, within
from sales_forecast.exploring.shape import shut
from sales_forecast.features.decomposition import log_sales


@dataclass(frozen=True)
class Covariate:
    """One covariate against log sales; correlations are NaN where nothing varies.

    Attributes:
        planned: known in advance.
        known: the part of all rows of sales at which it is known.
        within: correlation within series.
        by_year: of the changes against the same period a year before, which takes seasons out.
        between: of the means of series, which says what large ones are like and nothing else.
    """

    name: str
    planned: bool
    known: float
    least: float
    most: float
    within: float
    by_year: float
    between: float


@dataclass(frozen=True)
class Group:
    """Series that have something in common.

    Attributes:
        of_sales: their part of all sales.
        zeros: the part of their rows without sales.
        missing: the part of periods between first and last that have no row and are not shut.
        varies: standard deviation over mean of the middle series.
        growth: sales of the last year against those of the year before, of the series that sold
            in both; NaN where less than two years are known, or more came back than was sold.
    """

    name: str
    series: int
    of_sales: float
    zeros: float
    missing: float
    varies: float
    growth: float


def covariates(panel: Panel) -> Sequence[Covariate]:
    """Compare every covariate with sales."""
    return [_covariate(panel, *one) for one in _all(panel)]


def _all(panel: Panel) -> Iterator[tuple[str, bool, Array]]:
    for name, values in panel.plan.items():
        yield name, True, values[:, : panel.n_periods]
    for name, values in panel.conditions.items():
        yield name, False, values


def _covariate(panel: Panel, name: str, planned: bool, values: Array) -> Covariate:  # noqa: FBT001
    logs, sold = log_sales(panel.y), ~np.isnan(panel.y)
    season = panel.frequency.season
    known = ~np.isnan(values)
    means = [np.array([_mean(row) for row in of]) for of in (values, logs)]
    return Covariate(
        name,
        planned,
        float((known & sold).sum() / max(int(sold.sum()), 1)),
        float(values[known].min()) if known.any() else float("nan"),
        float(values[known].max()) if known.any() else float("nan"),
        within(values, logs),
        within(changes(values, season), changes(logs, season)),
        within(means[0][None, :], means[1][None, :]),
    )


def groups(panel: Panel) -> Mapping[str, Sequence[Group]]:
    """Return what series are grouped by -> the groups; only where there are at least two."""
    found = {}
    for name, labels, place in _ways(panel):
        parts = [
            _group(panel, label, np.flatnonzero(place == number))
            for number, label in enumerate(labels)
        ]
        if sum(part.series > 0 for part in parts) > 1:
            found[name] = [part for part in parts if part.series]
    return found


def _ways(panel: Panel) -> Iterator[tuple[str, Sequence[str], npt.NDArray[np.intp]]]:
    yield "mean sales", SIZES, thirds(np.array([_mean(row) for row in np.nan_to_num(panel.y)]))
    own = dict([*panel.keys.items()][1:])
    keys = [key.astype(str) for key in own.values()]
    told = {
        name: values
        for name, values in panel.traits.items()
        if not any(np.array_equal(values.astype(str), key) for key in keys)
    }
    for name, values in {**own, **told}.items():
        if name in own or is_name(panel, values):
            yield name, *ranges(name, values)
        else:
            yield name, SIZES, thirds(values.astype(np.float64))


def _group(panel: Panel, name: str, rows: npt.NDArray[np.intp]) -> Group:
    y = panel.y[rows]
    known = ~np.isnan(y)
    between = np.logical_or.accumulate(known, axis=1)
    between &= np.logical_or.accumulate(known[:, ::-1], axis=1)[:, ::-1]
    between &= ~shut(panel)[rows] | known
    sold = np.nansum(np.maximum(y, 0))
    everything = np.nansum(np.maximum(panel.y, 0))
    varies = [
        float(row.std() / row.mean()) for row in map(_known, y) if row.size and row.mean() > 0
    ]
    return Group(
        name,
        len(rows),
        float(sold / everything) if everything > 0 else float("nan"),
        float((y == 0).sum() / max(int(known.sum()), 1)),
        float((between & ~known).sum() / max(int(between.sum()), 1)),
        float(np.median(varies)) if varies else float("nan"),
        _growth(y, panel.frequency.season),
    )


def _growth(y: Array, season: int) -> float:
    if y.shape[1] < 2 * season:
        return float("nan")
    now, then = y[:, -season:], y[:, -2 * season : -season]
    both = ~np.isnan(now) & ~np.isnan(then)
    sold, before = now[both].sum(), then[both].sum()
    return float(sold / before - 1) if sold >= 0 and before > 0 else float("nan")


def _known(row: Array) -> Array:
    found: Array = row[~np.isnan(row)]
    return found


def _mean(row: Array) -> float:
    known = _known(row)
    return float(known.mean()) if known.size else float("nan")

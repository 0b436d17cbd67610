"""Scores by segment: where models are good, and where they are not.

Takes a panel and a backtest table of it with intervals, gives the scores of every model in each
part of the table: by step, holiday, size and age of the series, and by its traits. Must not know
models; of the growth baseline it knows the name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from sales_forecast.data.frequency import SEASON_LENGTH
from sales_forecast.data.panel import Array, Panel
from sales_forecast.data.traits import Index, is_name
from sales_forecast.evaluation.metrics import Scores
from sales_forecast.evaluation.scoring import known_weeks, scores
from sales_forecast.evaluation.sizes import SIZES, thirds
from sales_forecast.models.names import BASELINE_MODEL

FEW = 12
"""So many parts stand side by side in a terminal."""
_WORST = 10
_LEADERS = 3
_AGES = ("none", "1 to 12", "13 to 51", "52 to 103", "104 and more")
_AGES_FROM = (1, 13, 52, 104)


@dataclass(frozen=True)
class Part:
    """Some rows of a table.

    Attributes:
        of_sales: their share of all sales, a fraction; NaN where nothing was sold.
        of_error: their share of the absolute errors of the first of the `leaders`, a fraction.
        scores: model -> scores on these rows alone.
    """

    of_sales: float
    of_error: float
    scores: Mapping[str, Scores]


@dataclass(frozen=True)
class Segment:
    """A way to part a table, so that each row is in one part.

    Attributes:
        name: what the parts are parts of, `weeks ahead` say.
        parts: label -> part, in the order in which they are shown; only parts that have rows.
        worst: the parts are too many to be shown: those with the most error, the rest as one.
    """

    name: str
    parts: Mapping[str, Part]
    worst: bool = False


def leaders(whole: Mapping[str, Scores]) -> tuple[str, ...]:
    """Return the models to show where there is no room for all: best first, by WAPE.

    The best three and the growth baseline, if it is there. `whole`: model -> scores on all rows.
    """
    ranked = sorted(whole, key=lambda model: whole[model].wape)
    best = [model for model in ranked if model != BASELINE_MODEL][:_LEADERS]
    return tuple(model for model in ranked if model in {*best, BASELINE_MODEL})


def step_scores(panel: Panel, table: pd.DataFrame) -> Segment:
    """Return the scores by how far ahead a forecast is; many steps are taken together."""
    return _segment(table, _steps(panel, table))


def segment_scores(panel: Panel, table: pd.DataFrame) -> tuple[Segment, ...]:
    """Return the scores of every model by step and by all else that tells rows of a table apart.

    Only segments of at least two parts. Of a trait with more than `FEW` labels, the ten labels
    with the largest errors are parts, and the others together.
    """
    others = (_segment(table, way) for way in _ways(panel, table))
    return tuple(
        segment for segment in (step_scores(panel, table), *others) if len(segment.parts) > 1
    )


@dataclass(frozen=True)
class _Way:
    """A way to part a table: int64[n], the place in `labels` of the part of each row."""

    name: str
    place: Index
    labels: Sequence[str]


def _segment(table: pd.DataFrame, way: _Way) -> Segment:
    y = table["y"].to_numpy()
    missed = np.abs(y - table[leaders(scores(table))[0]].to_numpy())
    worst = len(way.labels) > FEW
    if worst:
        way = _most(way, missed)
    parts = {}
    for place in np.unique(way.place):
        own = way.place == place
        shares = _share(np.abs(y), own), _share(missed, own)
        parts[way.labels[place]] = Part(*shares, scores(table[own]))
    return Segment(way.name, parts, worst)


def _share(values: Array, own: npt.NDArray[np.bool_]) -> float:
    whole = float(values.sum())
    return float(values[own].sum()) / whole if whole > 0 else float("nan")


def _most(way: _Way, missed: Array) -> _Way:
    """Return the parts with the largest sums of `missed`, that of the most first, and the rest."""
    total = np.bincount(way.place, missed)
    worst = np.argsort(-total, kind="stable")[:_WORST]
    place = np.full(len(total), _WORST)
    place[worst] = np.arange(_WORST)
    labels = [*(way.labels[one] for one in worst), f"the other {len(total) - _WORST}"]
    return _Way(way.name, place[way.place], labels)


def _ways(panel: Panel, table: pd.DataFrame) -> Iterator[_Way]:
    """Yield all but the steps."""
    rows = np.array([panel.positions[name] for name in table["unique_id"]])
    unit = panel.frequency.unit
    ordinary = (table["holiday"].to_numpy() <= 0).astype(np.int64)
    yield _Way(unit, ordinary, (f"holiday {unit}s", f"other {unit}s"))
    _, series = np.unique(rows, return_inverse=True)
    y = table["y"].to_numpy()
    yield _Way("mean sales", thirds(np.bincount(series, y) / np.bincount(series))[series], SIZES)
    yield _Way("weeks known", np.digitize(known_weeks(panel, table), _AGES_FROM), _AGES)
    for name, values in panel.traits.items():
        if is_name(panel, values):
            labels, place = np.unique(values[rows], return_inverse=True)
            yield _Way(name, place, labels.astype(str).tolist())
        else:
            # Equal numbers stay together, so that no store is in two thirds.
            numbers = values.astype(np.float64)
            bounds = np.quantile(numbers, [1 / 3, 2 / 3])
            yield _Way(name, np.searchsorted(bounds, numbers[rows]), SIZES)


def _steps(panel: Panel, table: pd.DataFrame) -> _Way:
    step = table["step"].to_numpy()
    horizon = int(step.max())
    weeks = (1, 4, 13, SEASON_LENGTH)
    widths = (1, *(panel.frequency.periods(number) for number in weeks))
    width = next((width for width in widths if horizon <= FEW * width), widths[-1])
    labels = []
    for first in range(1, horizon + 1, width):
        last = min(first + width - 1, horizon)
        labels.append(str(first) if first == last else f"{first}-{last}")
    return _Way(f"{panel.frequency.unit}s ahead", (step - 1) // width, labels)

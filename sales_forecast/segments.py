"""Scores by segment: where models are good, and where they are not.

Takes a backtest table with intervals, gives the scores of every model in each part of it: by step,
by holiday, by size of the series. Must not know models.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from sales_forecast.backtest import scores
from sales_forecast.intervals import SIZES, size_thirds
from sales_forecast.metrics import Scores

Segmented = Mapping[str, Mapping[str, Mapping[str, Scores]]]
"""Segment -> label of a part -> model -> scores."""


def segment_scores(table: pd.DataFrame) -> Segmented:
    """Return the scores of every model in each part of a table; only parts that have rows."""
    return {
        segment: {
            str(label): scores(rows)
            for label, rows in table.groupby(pd.CategoricalIndex(labels), observed=True)
        }
        for segment, labels in _labels(table).items()
    }


def _labels(table: pd.DataFrame) -> Mapping[str, pd.Categorical]:
    """Return the part that each row belongs to, in the order in which parts are shown."""
    step, holiday = table["step"].to_numpy(), table["holiday"].to_numpy() > 0
    weeks, sizes = np.array(["holiday weeks", "other weeks"]), np.array(SIZES)
    _, series = np.unique(table["unique_id"].to_numpy(), return_inverse=True)
    third = size_thirds(series, table["y"].to_numpy())[series]
    return {
        "step": pd.Categorical(
            [f"{number} ahead" for number in step],
            categories=[f"{number} ahead" for number in range(1, int(step.max()) + 1)],
        ),
        "week": pd.Categorical(weeks[(~holiday).astype(int)], categories=weeks),
        "size": pd.Categorical(sizes[third], categories=sizes),
    }

"""Segments: every row is in one part of each, and a part is scored as a table of its own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sales_forecast.backtest import RollingOrigin, backtest, scores, with_intervals
from sales_forecast.forecasters.naive import BASELINES
from sales_forecast.intervals import SIZES
from sales_forecast.report import segment_table
from sales_forecast.segments import segment_scores
from tests.builders import sample_panel, table_of


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Seven stores, windows of four weeks that reach over the Super Bowl."""
    panel = sample_panel(7, n_weeks=110)
    return with_intervals(backtest(panel, BASELINES, RollingOrigin(horizon=4, windows=8, step=1)))


def test_parts_are_shown_in_their_order(table):
    found = segment_scores(table)
    assert ["step", "week", "size"] == [*found]
    assert ["1 ahead", "2 ahead", "3 ahead", "4 ahead"] == [*found["step"]]
    assert ["holiday weeks", "other weeks"] == [*found["week"]]
    assert [*SIZES] == [*found["size"]]


def test_a_part_has_the_scores_of_its_rows_alone(table):
    found = segment_scores(table)
    for part, rows in (
        (found["step"]["3 ahead"], table["step"] == 3),
        (found["week"]["other weeks"], table["holiday"] == 0),
    ):
        expected = {name: score.as_dict() for name, score in scores(table[rows]).items()}
        assert expected == {name: score.as_dict() for name, score in part.items()}


def test_ten_steps_are_in_order_and_not_in_that_of_the_alphabet():
    rows = [table_of([10.0], {"m": [9.0]}, step=step) for step in range(1, 11)]
    found = segment_scores(with_intervals(pd.concat(rows, ignore_index=True)))
    assert [f"{step} ahead" for step in range(1, 11)] == [*found["step"]]


def test_thirds_are_those_of_mean_sales_however_the_stores_are_called():
    sizes = {"9": 1.0, "10": 20.0, "2": 300.0, "1": 2.0, "30": 40.0, "4": 500.0}
    rows = [
        table_of([size, size], {"m": [size + number, size + number]}, store=store)
        for number, (store, size) in enumerate(sizes.items(), start=1)
    ]
    found = segment_scores(with_intervals(pd.concat(rows, ignore_index=True)))["size"]
    assert [2.5, 3.5, 4.5] == [part["m"].mae for part in found.values()]


def test_a_part_without_rows_is_left_out():
    rows = [table_of([10.0, 20.0], {"m": [9.0, 21.0]}, store=store) for store in ("1", "2")]
    found = segment_scores(with_intervals(pd.concat(rows, ignore_index=True)))
    assert ["other weeks"] == [*found["week"]]
    assert ["smallest third", "middle third"] == [*found["size"]]


def test_the_table_has_a_line_a_model_and_a_column_a_part():
    table = table_of([100, 200], {"good": [100, 190], "bad": [0, 0]}, holiday=[0, 1])
    expected = """\
| WAPE of model | holiday weeks | other weeks |
| ------------- | ------------: | ----------: |
| good          |         5.00% |       0.00% |
| bad           |       100.00% |     100.00% |"""
    assert expected == segment_table(segment_scores(with_intervals(table))["week"])


def test_sales_of_nothing_have_a_dash():
    table = with_intervals(table_of(np.zeros(2), {"m": [1.0, 2.0]}))
    assert segment_table(segment_scores(table)["week"]).endswith("|           - |")

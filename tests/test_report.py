"""Reports: the score table to the letter, and pictures that show the latest forecast."""

from __future__ import annotations

import struct
from functools import cache

import numpy as np
import pandas as pd
import pytest

from sales_forecast.evaluation.backtest import backtest
from sales_forecast.evaluation.judged import Tables
from sales_forecast.evaluation.metrics import Scores
from sales_forecast.evaluation.protocols import RollingOrigin
from sales_forecast.evaluation.report import forecast_plot, score_table, segment_table
from sales_forecast.evaluation.scoring import with_quantiles
from sales_forecast.evaluation.segments import Part, Segment
from sales_forecast.models.naive import BASELINES
from tests.builders import sample_panel, with_sales

GROWTH = {
    "wmae": 55_840.4, "wape": 0.0447, "rmse": 76_757.0, "mae": 46_000.0,
    "mae_holiday": 80_186.0, "coverage_80": 0.789, "coverage_95": 0.944, "wql": 0.0361,
    "sum_ratio": 0.987,
}  # fmt: skip


# The table


def test_the_score_table_is_markdown_with_the_baseline_as_measure():
    better = {"wmae": 44_672.3, "wape": 0.0399, "rmse": 9.0, "mae": 9.0}
    expected = """\
| model                 |   WMAE | to growth |  WAPE |   RMSE | MAE on holidays | in 80% | in 95% |    WQL |   sum |
| --------------------- | -----: | --------: | ----: | -----: | --------------: | -----: | -----: | -----: | ----: |
| seasonal_naive_growth | 55,840 |     +0.0% | 4.47% | 76,757 |          80,186 |    79% |    94% | 0.0361 | 0.987 |
| rf_xgb_mean           | 44,672 |    -20.0% | 3.99% |      9 |               - |      - |      - |      - |     - |"""  # noqa: E501
    assert expected == score_table({"seasonal_naive_growth": GROWTH, "rf_xgb_mean": better})


def test_a_score_that_is_not_a_number_is_a_dash():
    scores = {"seasonal_naive_growth": GROWTH | {"coverage_80": float("nan")}}
    assert score_table(scores).endswith("|          80,186 |      - |    94% | 0.0361 | 0.987 |")


def test_the_rmspe_is_a_column_where_some_model_has_one():
    scores = {"seasonal_naive_growth": GROWTH, "pooled": GROWTH | {"rmspe": 0.10618}}
    header, _, without, with_one = score_table(scores).splitlines()
    assert header.endswith("|   sum |  RMSPE |")
    assert without.endswith("| 0.987 |      - |")
    assert with_one.endswith("| 0.987 | 0.1062 |")


# The tables of segments


def part(of_sales: float, of_error: float, **wape: float) -> Part:
    scores = {model: Scores(0, value, 0, 0, 0, 0, 0, 0, 0) for model, value in wape.items()}
    return Part(of_sales, of_error, scores)


def test_a_segment_has_a_line_a_model_and_a_column_a_part():
    parts = {
        "holiday weeks": part(0.2, 0.1, good=0.05, bad=1),
        "other weeks": part(0.8, 0.9, good=0, bad=0.123456),
    }
    expected = """\
| WAPE by week | holiday weeks | other weeks |
| ------------ | ------------: | ----------: |
| good         |         5.00% |       0.00% |
| bad          |       100.00% |      12.35% |"""
    assert expected == segment_table(Segment("week", parts), ("good",))


def test_the_worst_of_many_parts_are_lines_with_their_shares_and_models_are_columns():
    parts = {
        "72": part(0.0442, 0.065, good=0.1236, other=0.5, bad=1),
        "the other 80": part(0.9558, 0.935, good=0.0805, other=0.5, bad=0.2),
    }
    expected = """\
| WAPE by department | of sales | of good's errors |   good |     bad |
| ------------------ | -------: | ---------------: | -----: | ------: |
| 72                 |     4.4% |             6.5% | 12.36% | 100.00% |
| the other 80       |    95.6% |            93.5% |  8.05% |  20.00% |"""
    assert expected == segment_table(Segment("department", parts, worst=True), ("good", "bad"))


def test_sales_of_nothing_have_a_dash():
    nothing = {"a": part(np.nan, np.nan, m=np.nan)}
    table = segment_table(Segment("kind", nothing), ("m",))
    assert table.endswith("| -: |\n| m            |  - |")
    last = segment_table(Segment("kind", nothing, worst=True), ("m",)).splitlines()[-1]
    assert ["a", "-", "-", "-"] == [cell.strip() for cell in last.strip("|").split("|")]


def test_a_bar_in_a_label_ends_no_column():
    table = segment_table(Segment("kind", {"a|b": part(1, 1, m=0.5)}), ("m",))
    assert table.startswith("| WAPE by kind |   a\\|b |\n")


# The pictures


@cache
def tables(n_series: int) -> Tables:
    """Windows of four weeks, a week apart: each week is forecast up to four times."""
    split = RollingOrigin(horizon=4, windows=30, step=1)
    table = with_quantiles(backtest(sample_panel(n_series), BASELINES, split))
    return {"one_step": table[table["step"] == 1], "many_steps": table}


@pytest.mark.parametrize("n_series", [1, 3, 9])
def test_a_picture_is_a_png_of_one_size_for_any_number_of_stores(n_series):
    picture = forecast_plot(tables(n_series), "one_step", "rf_xgb_mean")
    assert b"\x89PNG\r\n\x1a\n" == picture[:8]
    assert (1100, 650) == struct.unpack(">II", picture[16:24])


def test_equal_forecasts_make_equal_pictures_and_others_make_others():
    drawn = tables(3)
    picture = forecast_plot(drawn, "one_step", "rf_xgb_mean")
    assert picture == forecast_plot(drawn, "one_step", "rf_xgb_mean")
    moved = drawn["one_step"].assign(seasonal_naive_growth=2e5)
    assert picture != forecast_plot({"one_step": moved}, "one_step", "rf_xgb_mean")


def test_the_models_are_drawn_where_there_are_any():
    drawn = tables(3)["one_step"]
    with_models = drawn.assign(rf_xgb_mean=2e5, rf_xgb_mean_lo_80=1e5, rf_xgb_mean_hi_80=3e5)
    baseline = forecast_plot({"one_step": drawn}, "one_step", "rf_xgb_mean")
    assert baseline != forecast_plot({"one_step": with_models}, "one_step", "rf_xgb_mean")


def test_of_windows_that_overlap_the_latest_forecast_of_a_week_is_drawn():
    table = tables(3)["many_steps"]
    latest = table.loc[table.groupby(["unique_id", "ds"])["cutoff"].idxmax()]
    assert len(latest) < len(table)
    shuffled = table.sample(frac=1, random_state=0)
    assert forecast_plot({"many_steps": latest}, "many_steps", "arima") == forecast_plot(
        {"many_steps": shuffled}, "many_steps", "arima"
    )


def test_a_store_with_gaps_or_without_sales_is_drawn_without_complaint():
    panel = with_sales(sample_panel(3), series=0, first=0, stop=None, sales=np.nan)
    panel = with_sales(panel, series=1, first=120, stop=130, sales=np.nan)
    split = RollingOrigin(horizon=1, windows=3, step=1)
    table = with_quantiles(backtest(panel, BASELINES, split))
    assert {"2", "3"} == set(table["unique_id"])
    picture = forecast_plot({"one_step": table}, "one_step", "rf_xgb_mean")
    assert (1100, 650) == struct.unpack(">II", picture[16:24])


def test_a_picture_leaves_its_tables_as_they_are():
    table = tables(3)["many_steps"]
    before = table.copy()
    forecast_plot(tables(3), "many_steps", "arima")
    pd.testing.assert_frame_equal(before, table)


def test_a_score_that_does_not_exist_is_a_dash():
    perfect = {"wmae": 0.0, "rmse": 0.0, "mae": 0.0}
    last = score_table({"seasonal_naive_growth": perfect}).splitlines()[-1]
    assert ["seasonal_naive_growth", "0", "-", "-", "0", *["-"] * 5] == [
        cell.strip() for cell in last.strip("|").split("|")
    ]

"""What the public benchmark is asked with: windows that had ended, and naive deciles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks.fev import TASKS, inner_windows
from sales_forecast.models.naive import SEASONAL_NAIVE
from tests.builders import daily_panel, days

TASK = replace(TASKS["rossmann_1D"], models=(SEASONAL_NAIVE,))


def test_quantiles_are_measured_on_the_two_windows_that_ended_last():
    panel = daily_panel(n_series=2, n_days=460)
    table = inner_windows(TASK, panel)
    assert table is not None
    assert [*panel.periods[[460 - 96 - 1, 460 - 48 - 1]]] == [*np.unique(table["cutoff"])]
    assert pd.Timestamp(panel.periods[-1]) >= table["ds"].max()


@pytest.mark.parametrize(("n_days", "windows"), [(103, 0), (104, 1), (151, 1), (152, 2)])
def test_an_inner_window_has_eight_weeks_before_it(n_days, windows):
    table = inner_windows(
        TASK, daily_panel(n_series=2, n_days=460).until(days("2013-01-01", n_days)[-1])
    )
    assert windows == (0 if table is None else table["cutoff"].nunique())


def test_the_naive_deciles_repeat_the_last_season_and_fill_gaps_from_before():
    past = np.array([[1.0, 2, 3, 4, 5, 6, 7, 8, np.nan, 10, 11, 12, 13, 14]])
    said = TASK.repeated(past)
    assert (1, 48, 9) == said.shape
    assert [8, 8, 10, 11, 12, 13, 14, 8] == said[0, :8, 0].tolist()
    sold = np.full((1, 48), 10.0)
    wape = np.abs(said[:, :, 4] - sold).sum() / 480
    assert pytest.approx(wape) == TASK.scores(past, sold, said)[0]

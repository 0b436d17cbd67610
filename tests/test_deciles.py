"""How far deciles are off, of tables in which it is known how far they are."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks import deciles
from sales_forecast.models.spread import DECILES


def told(windows: int, rows: int, alike: float, moved: float = 0.0) -> pd.DataFrame:
    """Standard normal sales, errors of a window alike to that extent, and their true deciles.

    `moved`: how much the deciles are too high.
    """
    rng = np.random.default_rng(0)
    window, of = np.divmod(np.arange(windows * rows), rows)
    own = np.sqrt(1 - alike) * rng.standard_normal(len(of))
    y = own + np.sqrt(alike) * rng.standard_normal(windows)[window]
    first = np.datetime64("2024-01-05")
    table = pd.DataFrame({"unique_id": of, "cutoff": first + 7 * window, "y": y})
    return table.assign(
        m=moved, **{deciles.column("m", tau): moved + stats.norm.ppf(tau) for tau in DECILES}
    )


def test_true_deciles_are_off_by_no_more_than_chance():
    windows, points, errors = deciles.off(told(100, 50, alike=0.0), "m")
    assert 100 == windows
    assert (np.abs(points) < 3 * errors).all()
    expected = [100 * np.sqrt(tau * (1 - tau) / 5000) for tau in DECILES]
    assert errors == pytest.approx(expected, rel=0.25)


def test_deciles_that_are_too_high_have_more_sales_up_to_them():
    _, points, _ = deciles.off(told(100, 50, alike=0.0, moved=0.5), "m")
    expected = [100 * (stats.norm.cdf(stats.norm.ppf(tau) + 0.5) - tau) for tau in DECILES]
    assert points == pytest.approx(expected, abs=3)


def test_where_a_window_strays_together_whole_windows_count():
    _, _, errors = deciles.off(told(400, 50, alike=1.0), "m")
    assert errors == pytest.approx([100 * np.sqrt(t * (1 - t) / 400) for t in DECILES], rel=0.15)


def test_windows_before_anything_was_measured_do_not_count(tmp_path, monkeypatch, capsys):
    table = told(10, 50, alike=0.0)
    for tau in DECILES:
        if tau != 0.5:
            table.loc[:49, deciles.column("m", tau)] = np.nan
    assert 9 == deciles.off(table, "m")[0]
    table.to_csv(tmp_path / "out.csv", index=False)
    monkeypatch.setattr(sys, "argv", ["deciles", str(tmp_path / "out.csv")])
    assert 0 == deciles.main()
    head, line, below = capsys.readouterr().out.splitlines()
    assert ["windows", *map(str, DECILES)] == head.split()
    assert (11, "m", "9") == (len(line.split()), *line.split()[:2])
    assert 9 == len(below.split())

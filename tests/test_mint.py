"""Stores beside their chain, as the benchmark of MinT sees them."""

from __future__ import annotations

import sys

import numpy as np

from benchmarks import mint
from sales_forecast.evaluation.protocols import RollingOrigin
from tests.builders import one_thread, sample_panel


def test_the_chain_comes_first_and_is_the_sum_of_its_stores():
    panel = sample_panel(3)
    with one_thread():
        sold, said, holiday = mint.both(panel, RollingOrigin(2, 3, 1))
    assert (3, 4, 2) == sold.shape == said.shape == holiday.shape
    np.testing.assert_allclose(sold[:, 1:].sum(axis=1), sold[:, 0])
    np.testing.assert_array_equal(panel.y[:, -2:], sold[-1, 1:])
    assert (np.abs(said / sold - 1) < 0.5).all()
    assert (holiday == holiday[:, :1]).all()


def test_without_the_library_it_says_how_to_install_it(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(mint, "THEIR_PYTHON", tmp_path / "python")
    monkeypatch.setattr(sys, "argv", ["mint", "--csv", "sales.csv"])
    assert 1 == mint.main()
    assert "pip install hierarchicalforecast" in capsys.readouterr().out

"""What inputs of late are like: told, and never an alarm."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sales_forecast.data.panel import Panel
from sales_forecast.operations.monitoring.drift import inputs, psi
from tests.builders import panel_of


def panel(temperature: np.ndarray) -> Panel:
    return replace(panel_of(np.ones(temperature.shape)), conditions={"Temperature": temperature})


def season(n_weeks: int = 120) -> np.ndarray:
    random = np.random.default_rng(0)
    wave = 60 + 20 * np.sin(2 * np.pi * np.arange(n_weeks) / 52)
    return wave + random.standard_normal((30, n_weeks))


def test_the_index_adds_up_shares_of_deciles() -> None:
    before, now = np.arange(100.0), np.arange(50.0)
    # Five deciles have a fifth instead of a tenth, five nothing (a ten-thousandth).
    expected = 5 * 0.1 * np.log(2) + 5 * (1e-4 - 0.1) * np.log(1e-3)
    assert expected == pytest.approx(psi(now, before), rel=0.05)
    assert 0 == pytest.approx(psi(before, before))


def test_the_same_season_is_nothing_to_tell() -> None:
    sales = panel(season())
    assert [] == inputs(sales, sales.last)


def test_another_season_and_values_that_training_never_saw_are_told() -> None:
    values = season()
    values[:, -4:] += 60
    sales = panel(values)
    told = inputs(sales, sales.periods[-5].item())
    assert 2 == len(told)
    assert "Temperature of the last 4 weeks differs" in told[0]
    assert "100% of Temperature in the last 4 weeks is outside" in told[1]

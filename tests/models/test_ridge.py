"""Ridge: the solution of its equations, and no line beyond what was seen."""

from __future__ import annotations

import numpy as np
import pytest

from sales_forecast.errors import NotEnoughData
from sales_forecast.features.features import History
from sales_forecast.models.pooled import fit_profile
from sales_forecast.models.ridge import RIDGE
from sales_forecast.models.trees import training_set
from tests.builders import sample_panel


def test_the_change_is_the_penalised_least_squares_solution():
    panel = sample_panel(3)
    rows = training_set(panel, fit_profile(panel))
    X = rows.X.astype(np.float64)
    spread = X.std(axis=0)
    Z = (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    penalty = 25 * len(Z) / panel.n_periods  # (5% / 1%)^2, for each row of a week
    slopes = np.linalg.solve(Z.T @ Z + penalty * np.eye(Z.shape[1]), Z.T @ (rows.y - rows.y.mean()))
    fitted = RIDGE.fit(panel).regressor.predict(rows.X)
    np.testing.assert_allclose(fitted, rows.y.mean() + Z @ slopes, atol=1e-5)


def test_conditions_beyond_all_that_was_seen_change_no_more_than_the_furthest_that_was():
    panel = sample_panel(3)
    fitted = RIDGE.fit(panel)
    expected = fitted.predict(panel, 4)
    storms = [
        fitted.predict(panel, 4, {name: np.full((3, 4), value) for name in panel.conditions})
        for value in (1e4, 1e9)
    ]
    np.testing.assert_array_equal(*storms)
    assert (storms[0] != expected).all()
    assert (np.abs(np.log(storms[0] / expected)) < 0.5).all()


def test_the_forecast_is_the_reference_and_the_change():
    panel = sample_panel(2)
    fitted = RIDGE.fit(panel)
    history = History(panel, fit_profile(panel))
    reference = history.log_reference(*history.ahead(8)).reshape(2, 8)
    change = np.log(fitted.predict(panel, 8)) - reference
    assert (np.abs(change) < 0.2).all()
    assert (change != 0).all()


def test_too_few_weeks_are_refused():
    panel = sample_panel(2, n_weeks=55)
    with pytest.raises(NotEnoughData, match="at least 56 weeks of sales"):
        RIDGE.fit(panel)

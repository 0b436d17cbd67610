"""The trees: what they are taught, and that what they say follows a store's own level."""

from __future__ import annotations

import signal
from dataclasses import replace

import numpy as np
import pytest
from xgboost import XGBRegressor

from sales_forecast.data.panel import CONDITIONS, Panel
from sales_forecast.errors import NotEnoughData
from sales_forecast.features.features import FEATURE_NAMES, History
from sales_forecast.models.arima import ARIMA
from sales_forecast.models.fitted.regressor import FittedRegressor
from sales_forecast.models.pooled import fit_profile
from sales_forecast.models.trees import (
    RANDOM_FOREST,
    TREES,
    XGBOOST,
    TreeForecaster,
    training_rows,
    training_set,
)
from tests.builders import (
    BOOSTED_IF_INSTALLED,
    log_growth,
    panel_of,
    sample_panel,
    with_sales,
    without_calendar,
)

pytestmark = pytest.mark.usefixtures("on_one_thread")

STEPS = (1, 2, 4, 8, 13, 26, 39, 52)
NO_CALENDAR = without_calendar()
every_tree = pytest.mark.parametrize(
    "forecaster", [*TREES, *BOOSTED_IF_INSTALLED], ids=lambda f: f.name
)


class Mean:
    """Says of everything what it learned on average."""

    def fit(self, X, y):
        del X
        self.change = float(y.mean())

    def predict(self, X):
        return np.full(len(X), self.change)

    def set_params(self, *, n_jobs):
        assert 1 == n_jobs


MEAN = TreeForecaster("mean", Mean)


# What they are taught


def test_rows_are_all_known_targets_with_a_year_of_history_at_their_origin():
    rng = np.random.default_rng(0)
    y = rng.uniform(50.0, 150.0, (3, 120))
    y[0, 60:70] = np.nan
    y[1, 80] = 0.0
    y[2, 81] = -5.0
    expected = {
        (series, target - step, target)
        for series in range(3)
        for target in range(120)
        for step in STEPS
        if target - step >= 52 and y[series, target] > 0
    }
    rows = list(zip(*(column.tolist() for column in training_rows(panel_of(y))), strict=True))
    assert len(rows) == len(expected)
    assert expected == set(rows)


def test_what_is_learned_is_the_log_change_against_the_same_week_of_last_year():
    rng = np.random.default_rng(0)
    y = rng.uniform(80.0, 120.0, (2, 110))
    panel = panel_of(y)
    series, _, target = training_rows(panel)
    taught = training_set(panel, NO_CALENDAR)
    assert (len(series), len(FEATURE_NAMES)) == taught.X.shape
    # Of no step up to 52 is the week a year before the target later than its origin.
    expected = np.log(y[series, target] / y[series, target - 52])
    np.testing.assert_allclose(taught.y, expected, rtol=0, atol=1e-12)


def test_what_the_calendar_explains_is_not_learned():
    panel = sample_panel(2)
    profile = fit_profile(panel)
    series, _, target = training_rows(panel)
    effect = profile.at(panel.series, panel.periods)
    change = np.log(panel.y[series, target] / panel.y[series, target - 52])
    expected = change - (effect[series, target] - effect[series, target - 52])
    np.testing.assert_allclose(training_set(panel, profile).y, expected, rtol=0, atol=1e-12)


def test_an_accident_is_learned_as_no_more_than_a_change_by_e():
    panel = with_sales(panel_of(np.full((1, 80), 100.0)), 0, 70, 71, 1e9)
    panel = with_sales(panel, 0, 75, 76, 1e-3)
    assert [-1.0, 0.0, 1.0] == np.unique(training_set(panel, NO_CALENDAR).y.round(12)).tolist()


def test_features_and_targets_are_numbers_whatever_is_missing():
    panel = with_sales(sample_panel(3), 0, 0, 100, np.nan)
    panel = with_sales(panel, 1, 60, 90, np.nan)
    taught = training_set(panel, fit_profile(panel))
    assert (np.float32, np.float64) == (taught.X.dtype, taught.y.dtype)
    assert np.isfinite(taught.X).all()
    assert np.isfinite(taught.y).all()


def test_a_store_that_was_not_known_at_the_origin_teaches_nothing():
    panel = with_sales(sample_panel(1), 0, 0, 142, np.nan)  # one week of sales, no past
    assert 0 < len(training_rows(panel)[0])
    with pytest.raises(NotEnoughData, match="the longest has 1"):
        training_set(panel, NO_CALENDAR)


def test_sales_that_are_never_positive_teach_nothing():
    for forecaster in TREES:
        with pytest.raises(NotEnoughData, match="the longest has 0"):
            forecaster.fit(panel_of(np.zeros(143)))


def test_too_few_weeks_are_refused_with_both_numbers():
    with pytest.raises(NotEnoughData) as refused:
        XGBOOST.fit(sample_panel(2, n_weeks=40))
    assert (
        "A regression needs a series with at least 56 weeks of sales to learn from;"
        " the longest has 40. Load at least 16 more."
    ) == refused.value.message


# What they say


def test_a_prediction_is_last_years_week_moved_by_the_calendar_and_the_change():
    panel = sample_panel(2)
    profile = fit_profile(panel)
    regressor = Mean()
    regressor.change = 0.1
    weeks = panel.after(10)
    names = panel.series
    moved = profile.at(names, weeks) - profile.at(names, panel.periods[-52:-42])
    expected = panel.y[:, -52:-42] * np.exp(moved + 0.1)
    found = FittedRegressor("mean", regressor, profile).predict(panel, 10)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


class Pressed(XGBRegressor):
    """One that Ctrl-C finds while it calls back into Python."""

    def fit(self, X, y):
        signal.raise_signal(signal.SIGINT)
        self.learned = super().fit(X, y)
        return self


def test_ctrl_c_waits_for_xgboost_which_would_end_the_process():
    made = []
    forecaster = TreeForecaster("pressed", lambda: made.append(Pressed(n_estimators=1)) or made[0])
    panel = sample_panel(2)
    with pytest.raises(KeyboardInterrupt):
        forecaster.learn(training_set(panel, fit_profile(panel)))
    assert made[0].learned is made[0]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_fit_is_to_the_training_set_of_the_panel():
    panel = sample_panel(2)
    taught = training_set(panel, fit_profile(panel))
    assert taught.y.astype(np.float32).mean() == MEAN.fit(panel).regressor.change


@every_tree
def test_a_processor_that_differs_in_the_last_bits_learns_the_same(forecaster):
    panel = sample_panel(4)
    rows = training_set(panel, fit_profile(panel))
    noise = np.random.default_rng(0).uniform(-1e-12, 1e-12, len(rows.y))
    other = replace(rows, y=rows.y * (1 + noise))
    expected = forecaster.learn(rows).predict(rows.X)
    np.testing.assert_array_equal(forecaster.learn(other).predict(rows.X), expected)


@every_tree
def test_sales_that_never_change_are_expected_to_go_on_so(forecaster):
    panel = panel_of(np.full((2, 143), 100.0))
    np.testing.assert_allclose(forecaster.fit(panel).predict(panel, 4), 100.0, rtol=1e-6)


@every_tree
def test_growth_goes_on_beyond_everything_that_was_seen(forecaster):
    # 30% a year: the next week is above the trend of all weeks before it.
    trend = 100 * np.exp(0.3 * np.arange(144) / 52)
    noise = np.exp(np.random.default_rng(1).normal(0, 0.01, (2, 143)))
    panel = panel_of([*(np.stack([trend[:-1], np.full(143, 100.0)]) * noise)])
    growing, standing = forecaster.fit(panel).predict(panel, 1)[:, 0]
    assert trend[-2] < growing
    assert growing == pytest.approx(trend[-1], rel=0.02)
    assert standing == pytest.approx(100, rel=0.02)


@every_tree
def test_a_store_of_another_size_is_forecast_in_its_own_size(forecaster):
    panel = sample_panel(3)
    scale = np.array([[100.0], [1.0], [0.01]])
    larger = replace(panel, y=panel.y * scale)
    np.testing.assert_allclose(
        forecaster.fit(larger).predict(larger, 4),
        scale * forecaster.fit(panel).predict(panel, 4),
        rtol=0.02,  # a feature may fall on the other side of a split by its last bit
    )


@every_tree
def test_without_conditions_what_can_be_expected_at_the_origin_is_taken(forecaster):
    panel = sample_panel(3)
    fitted = forecaster.fit(panel)
    history = History(panel, fitted.profile)
    series, target = np.repeat(np.arange(3), 4), np.tile(143 + np.arange(4), 3)
    expected = history.expected_conditions(series, np.full(12, 142), target)
    given = {name: expected[:, column].reshape(3, 4) for column, name in enumerate(CONDITIONS)}
    np.testing.assert_array_equal(fitted.predict(panel, 4), fitted.predict(panel, 4, given))


@every_tree
def test_conditions_that_are_given_are_used(forecaster):
    panel = sample_panel(3)
    fitted = forecaster.fit(panel)
    ice, heat = (
        {name: np.full((3, 4), value) for name in CONDITIONS} for value in (-1000.0, 1000.0)
    )
    assert (fitted.predict(panel, 4, ice) != fitted.predict(panel, 4, heat)).any()


def test_the_two_trees_are_named_as_in_every_table():
    assert ("random_forest", "xgboost") == (RANDOM_FOREST.name, XGBOOST.name)


# Static features


def with_types(panel: Panel, *types: str) -> Panel:
    return replace(panel, traits={"type": np.array(types)})


@every_tree
@pytest.mark.parametrize("label", ["A", "BB", "Z"])
def test_a_label_that_was_not_learned_moves_no_other_series(forecaster, label):
    panel = with_types(sample_panel(4), "B", "C", "B", "C")
    fitted = forecaster.fit(panel)
    other = with_types(panel, "B", "C", "B", label)
    np.testing.assert_array_equal(fitted.predict(panel, 8)[:3], fitted.predict(other, 8)[:3])
    assert np.isfinite(fitted.predict(other, 8)).all()


@every_tree
def test_a_new_store_of_a_new_type_moves_no_other_series(forecaster):
    five = with_sales(sample_panel(5), 4, 0, 140, np.nan)  # too young for growth of the chain
    four = with_types(five.select(five.series[:4]), "B", "C", "B", "C")
    fitted = forecaster.fit(four)
    opened = with_types(five, "B", "C", "B", "C", "A")
    np.testing.assert_array_equal(fitted.predict(four, 8), fitted.predict(opened, 8)[:4])
    assert np.isfinite(fitted.predict(opened, 8)[4]).all()


@every_tree
def test_of_some_of_its_series_a_model_says_what_it_says_of_all(forecaster):
    """One type is missing among them, and has its code all the same."""
    panel = with_types(panel_of(np.exp(5 + log_growth(4, 143))), "A", "B", "C", "C")
    fitted = forecaster.fit(panel)
    some = panel.select(["2", "3", "4"])
    codes = fitted.sees(panel).known_in_advance(*fitted.sees(panel).ahead(1))[:, -1]
    assert [0.0, 1.0, 2.0, 2.0] == codes.tolist()
    codes = fitted.sees(some).known_in_advance(*fitted.sees(some).ahead(1))[:, -1]
    assert [1.0, 2.0, 2.0] == codes.tolist()


def test_trees_answer_half_way_between_their_own_and_that_of_arima():
    panel = sample_panel(3)
    tree, arima = XGBOOST.fit(panel), ARIMA.fit(panel)
    alone = replace(tree, smoothing=None)
    expected = np.sqrt(alone.predict(panel, 8) * arima.predict(panel, 8))
    np.testing.assert_allclose(tree.predict(panel, 8), expected, rtol=1e-12)

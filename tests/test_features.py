"""Features: what they hold, that they never look past their origin, that one row equals many."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sales_forecast.data import calendar
from sales_forecast.data.panel import CONDITIONS, Panel
from sales_forecast.data.sample import sample_rows
from sales_forecast.features.conditions import condition_changes
from sales_forecast.features.features import (
    CONDITION_NAMES,
    FEATURE_NAMES,
    History,
    features,
)
from sales_forecast.features.vocabulary import codes_of, vocabulary_of
from sales_forecast.models.pooled import fit_profile
from tests.builders import daily_panel, without_calendar


@pytest.fixture(scope="module")
def panel() -> Panel:
    return sample_rows().to_panel().select(["1", "2", "3", "4"])


@pytest.fixture(scope="module")
def history(panel: Panel) -> History:
    return History(panel, fit_profile(panel))


def rows(panel: Panel, n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random (series, origin, target) with at least a year before the origin."""
    rng = np.random.default_rng(seed)
    origin = rng.integers(52, panel.n_periods, n)
    return rng.integers(0, panel.n_series, n), origin, origin + rng.integers(1, 53, n)


def named(X: np.ndarray, name: str) -> np.ndarray:
    return X[:, FEATURE_NAMES.index(name)]


def test_every_feature_has_a_name_and_every_name_a_column(panel: Panel, history: History) -> None:
    X = features(history, *rows(panel))
    assert (300, len(FEATURE_NAMES)) == X.shape
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES)
    assert X.dtype == np.float32
    assert np.isfinite(X).all()


def test_one_row_at_a_time_gives_the_same_bits_as_all_at_once(
    panel: Panel, history: History
) -> None:
    series, origin, target = rows(panel, 50)
    together = features(history, series, origin, target)
    alone = [
        features(history, series[i : i + 1], origin[i : i + 1], target[i : i + 1])
        for i in range(50)
    ]
    np.testing.assert_array_equal(np.vstack(alone), together)


@pytest.mark.parametrize("told", [False, True])
def test_rows_are_worked_on_in_blocks_and_nothing_depends_on_them(
    panel: Panel, history: History, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    series, origin, target = rows(panel, 20)
    conditions = np.arange(20.0 * len(CONDITIONS)).reshape(20, -1) if told else None
    at_once = features(history, series, origin, target, conditions)
    monkeypatch.setattr("sales_forecast.features.features._BLOCK", 7)
    in_blocks = features(history, series, origin, target, conditions)
    np.testing.assert_array_equal(in_blocks, at_once)


def test_nothing_after_the_origin_moves_a_feature(panel: Panel) -> None:
    profile = fit_profile(panel.until(panel.periods[100]))
    series, origin, target = rows(panel)
    origin = np.minimum(origin, 100)
    target = origin + np.minimum(target - origin, 52)
    conditions = np.ones((len(series), len(CONDITIONS)))
    rng = np.random.default_rng(1)
    later = np.arange(panel.n_periods) > 100
    changed = replace(
        panel,
        y=np.where(later, rng.uniform(1, 1e7, panel.y.shape), panel.y),
        conditions={
            name: np.where(later, rng.uniform(-50, 500, panel.y.shape), values)
            for name, values in panel.conditions.items()
        },
    )
    for given in (conditions, None):
        np.testing.assert_array_equal(
            features(History(panel, profile), series, origin, target, given),
            features(History(changed, profile), series, origin, target, given),
        )


def test_a_feature_of_a_long_history_is_that_of_the_history_at_its_origin(panel: Panel) -> None:
    profile = fit_profile(panel)
    series, origin, target = rows(panel, 60)
    whole = features(History(panel, profile), series, origin, target)
    for i in range(60):
        past = History(panel.until(panel.periods[origin[i]]), profile)
        one = features(past, series[i : i + 1], origin[i : i + 1], target[i : i + 1])
        np.testing.assert_allclose(one[0], whole[i], rtol=1e-5, atol=1e-6)


def test_growth_is_the_mean_log_ratio_to_the_year_before_without_the_calendar(
    panel: Panel,
) -> None:
    X = features(
        History(panel, without_calendar()), np.array([2]), np.array([120]), np.array([123])
    )
    ratios = np.log(panel.y[2, 113:121] / panel.y[2, 61:69])
    assert named(X, "growth_8")[0] == pytest.approx(ratios.mean(), rel=1e-5)
    chain = np.log(panel.y[:, 120] / panel.y[:, 68]).mean()
    assert named(X, "chain_growth_1")[0] == pytest.approx(chain, rel=1e-5)
    assert named(X, "step")[0] == 3


def test_events_enter_as_the_change_of_their_days_since_the_reference_week(
    panel: Panel, history: History
) -> None:
    week = int(np.flatnonzero(panel.periods == np.datetime64("2011-12-23"))[0])
    X = features(history, np.array([0]), np.array([week - 2]), np.array([week]))
    days = calendar.event_days(np.array(["2011-12-23", "2010-12-24"], dtype="datetime64[D]"))
    for position, event in enumerate(calendar.EVENT_NAMES):
        assert named(X, f"{event}_change")[0] == days[0, position] - days[1, position]
    # One shopping day before Christmas slipped into the next week.
    assert named(X, "days_1_4_before_christmas_change")[0] == -1


def test_conditions_enter_as_their_change_since_the_reference_week(
    panel: Panel, history: History
) -> None:
    given = np.array([[1.0, 70.0, 3.5, 200.0, 8.0]])
    X = features(history, np.array([1]), np.array([110]), np.array([112]), given)
    before = np.array([panel.conditions[name][1, 60] for name in CONDITIONS])
    np.testing.assert_allclose(X[0, -len(CONDITIONS) :], (given[0] - before), rtol=1e-5)
    assert CONDITION_NAMES == FEATURE_NAMES[-len(CONDITIONS) :]


def test_without_conditions_a_caller_expects_last_years_weather_and_the_last_known_prices(
    panel: Panel, history: History
) -> None:
    guess = history.expected_conditions(np.array([3]), np.array([100]), np.array([107]))[0]
    known = {name: panel.conditions[name][3] for name in CONDITIONS}
    flag = calendar.holiday_flags(panel.periods[[107]])[0]
    expected = [flag, known["Temperature"][55], *(known[n][100] for n in CONDITIONS[2:])]
    assert expected == guess.tolist()


def test_beyond_a_year_the_reference_is_the_same_season_of_the_last_known_year(
    panel: Panel, history: History
) -> None:
    last = panel.n_periods - 1
    for step, weeks_back in ((1, 52), (52, 52), (53, 104), (104, 104), (105, 156)):
        reference = history.reference_week(np.array([0]), np.array([last]), np.array([last + step]))
        assert last + step - weeks_back == reference[0]


def test_the_last_day_of_a_year_ahead_is_compared_with_last_year_too() -> None:
    days = daily_panel(2, 800)
    days = replace(days, y=np.nan_to_num(days.y, nan=100.0))  # Sundays too
    history = History(days, fit_profile(days))
    for step, days_back in ((364, 364), (365, 371)):
        reference = history.reference_week(np.array([0]), np.array([799]), np.array([799 + step]))
        assert 799 + step - days_back == reference[0]


def test_where_the_year_before_is_missing_the_last_known_week_is_the_reference(
    panel: Panel,
) -> None:
    y = panel.y.copy()
    y[0, 60] = np.nan
    y[1, 60] = -5.0
    y[2, :] = np.nan
    history = History(replace(panel, y=y), fit_profile(panel))
    series, origin, target = np.arange(4), np.full(4, 110), np.full(4, 112)
    assert [110, 110, -1, 60] == history.reference_week(series, origin, target).tolist()
    assert [False, False, False, True] == history.year_ago_known(series, origin, target).tolist()
    reference = history.log_reference(series, origin, target)
    assert [False, False, True, False] == np.isnan(reference).tolist()
    assert np.isfinite(features(history, series, origin, target)).all()


def test_a_condition_unknown_on_either_side_changes_nothing_and_a_huge_one_stays_finite() -> None:
    given = np.array([np.nan, 5.0, 1e308, -1e308, 3.0])
    reference = np.array([1.0, np.nan, 0.0, 0.0, 1.0])
    assert [0.0, 0.0, 1e9, -1e9, 2.0] == condition_changes(given, reference).tolist()


# Static features that are texts


def test_a_label_has_its_place_among_those_that_were_learned_and_a_new_one_has_none() -> None:
    trait = np.array(["C", "A", "B", "AA"])
    assert [2.0, 0.0, 1.0, -1.0] == codes_of(trait, ("A", "B", "C")).tolist()
    assert [-1.0] * 4 == codes_of(trait, None).tolist()


def test_numbers_are_what_they_are() -> None:
    assert [3.5, 1.0] == codes_of(np.array([3.5, 1.0]), None).tolist()
    assert [3.0, 1.0] == codes_of(np.array([3, 1]), None).tolist()


def test_a_vocabulary_holds_the_labels_of_texts_in_order(panel: Panel) -> None:
    traits = {"type": np.array(["C", "A", "C", "B"]), "size": np.array([1.0, 2.0, 3.0, 4.0])}
    assert {"type": ("A", "B", "C")} == vocabulary_of(replace(panel, traits=traits))


def test_a_history_codes_labels_by_the_vocabulary_that_it_is_given(panel: Panel) -> None:
    traits = {"type": np.array(["C", "A", "C", "new"])}
    past = History(replace(panel, traits=traits), without_calendar(), {"type": ("A", "B", "C")})
    codes = features(past, *past.ahead(1))[:, -1 - len(CONDITIONS)]
    assert [2.0, 0.0, 2.0, -1.0] == codes.tolist()

"""What is answered for series of which no model knows enough."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sales_forecast.data.panel import Panel
from sales_forecast.models import cold_start
from tests.builders import panel_of

NAN = np.nan


@pytest.fixture
def history() -> Panel:
    """Two of a kind, one of another, and one of each of which nothing is known."""
    y = [[10.0, 10], [1000, 1000], [5, 5], [NAN, NAN], [NAN, NAN]]
    return replace(panel_of(y), traits={"kind": np.array(list("aabab"))})


def test_an_unknown_series_is_expected_to_sell_the_geometric_mean_of_its_peers(history):
    prediction = np.array([[10.0, 20], [1000, 500], [5, 7], [NAN, NAN], [NAN, NAN]])
    answered = cold_start.for_all(prediction, history)
    np.testing.assert_allclose(answered, [*prediction[:3], [100, 100], [5, 7]])


def test_whatever_a_model_says_of_an_unknown_series_gives_way(history):
    prediction = np.array([[10.0], [1000], [5], [3], [4]])
    assert [100, 5] == pytest.approx(cold_start.for_all(prediction, history)[3:, 0])


def test_a_prediction_is_not_written_into(history):
    prediction = np.full((5, 1), NAN)
    cold_start.for_all(prediction, history)
    assert np.isnan(prediction).all()


def test_peers_that_sell_nothing_or_return_goods_leave_it_to_the_others(history):
    prediction = np.array([[0.0, 0], [30, -4], [5, 7], [NAN, NAN], [NAN, NAN]])
    assert [30, 0] == pytest.approx(cold_start.for_all(prediction, history)[3])


def test_peers_of_which_a_model_says_nothing_are_left_out(history):
    prediction = np.array([[NAN, NAN], [30, NAN], [5, 7], [NAN, NAN], [NAN, NAN]])
    answered = cold_start.for_all(prediction, history)[3]
    assert 30 == pytest.approx(answered[0])
    assert np.isnan(answered[1])


def test_a_series_that_never_sold_is_nobodys_peer(history):
    y = history.y.copy()
    y[1] = 0
    prediction = np.array([[10.0], [NAN], [5], [NAN], [NAN]])
    answered = cold_start.for_all(prediction, replace(history, y=y))
    assert [10, 0, 5, 10, 5] == pytest.approx(answered[:, 0])


def test_a_series_of_returns_alone_goes_on_with_its_last_known_value():
    history = panel_of([[10, 10, 10], [NAN, -3, NAN]])
    answered = cold_start.for_all(np.array([[9.0, 9], [NAN, NAN]]), history)
    assert [[9, 9], [-3, -3]] == answered.tolist()


def test_where_nothing_ever_sold_nothing_is_answered():
    history = panel_of([[NAN, NAN], [NAN, NAN]])
    assert np.isnan(cold_start.for_all(np.full((2, 3), NAN), history)).all()
    assert {} == cold_start.peers(history)


def test_known_series_have_their_own_answers():
    history = panel_of([[10, 10], [NAN, 3]])
    prediction = np.array([[9.0], [3.0]])
    assert cold_start.for_all(prediction, history) is prediction


def with_beginners(n: int, share: float) -> Panel:
    """Twenty shops of two sizes, of which some opened in week 20, and one that has yet to open."""
    rng = np.random.default_rng(0)
    level = np.where(np.arange(21) % 2, 100.0, 1000.0)[:, None]
    y = level * np.exp(0.01 * rng.standard_normal((21, 40)))
    y[:n, :20] = NAN
    y[:n, 20:28] *= share
    y[20] = NAN
    kind = np.where(np.arange(21) % 2, "small", "large")
    return replace(panel_of(y), traits={"kind": kind})


@pytest.mark.parametrize(("n", "share"), [(10, 0.3), (10, 1.5), (9, 1.0), (0, 1.0)])
def test_a_series_begins_as_others_began_if_they_were_enough(n, share):
    history = with_beginners(n, 0.3 if share == 1.0 else share)
    assert share == pytest.approx(cold_start.beginners_share(history), rel=0.02)
    answered = cold_start.for_all(history.y[:, -2:], history)
    assert 1000 * share == pytest.approx(answered[20].mean(), rel=0.02)
    np.testing.assert_array_equal(answered[:20], history.y[:20, -2:])


def test_of_the_first_weeks_of_a_history_nobody_knows_who_began():
    history = with_beginners(12, 0.3)
    since = replace(history, y=history.y[:, 17:], periods=history.periods[17:], conditions={})
    assert 1.0 == cold_start.beginners_share(since)
    assert 0.3 == pytest.approx(cold_start.beginners_share(history), rel=0.02)

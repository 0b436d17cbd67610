"""The LSTM: learns what there is to learn, the same each time, and reads nothing later."""

from __future__ import annotations

import numpy as np
import pytest

from sales_forecast.errors import NotEnoughData
from sales_forecast.features.features import History
from sales_forecast.models.pooled import fit_profile
from tests.builders import log_growth, panel_of, sample_panel, with_sales

torch = pytest.importorskip("torch", reason="torch is not installed: it is the extra `lstm`")

from sales_forecast.models import lstm  # noqa: E402
from sales_forecast.models.lstm import LSTM  # noqa: E402


def test_what_it_reads_is_the_weeks_up_to_the_origin_against_their_level():
    adjusted = np.vstack([np.arange(40.0) / 100, np.zeros(40)])
    level, weeks = lstm._read(adjusted)
    assert pytest.approx(np.mean([0.23, 0.24, 0.25, 0.26, 0.27, 0.28, 0.29, 0.30])) == level[0, 30]
    np.testing.assert_allclose(np.arange(5, 31) / 100 - 0.265, weeks[0, 30, :, 0])
    np.testing.assert_allclose((np.arange(5, 31) / 100 - 0.265) / 2, weeks[1, 30, :, 1])


def test_a_gap_is_read_as_the_week_before_it_and_weeks_before_the_first_as_the_level():
    adjusted = np.full((1, 40), 2.0)
    adjusted[0, 20:] = 3.0
    gap, early = adjusted.copy(), adjusted.copy()
    gap[0, 5:20] = np.nan
    early[0, :10] = np.nan
    np.testing.assert_array_equal(lstm._read(adjusted)[1], lstm._read(gap)[1])
    level, weeks = lstm._read(early)
    assert np.isnan(level[0, :10]).all()
    assert (weeks[0, 12] == 0).all()


def test_a_target_lies_as_many_weeks_after_the_origin_as_its_step_says():
    adjusted = np.arange(40.0)[None] / 100
    targets = lstm._targets(adjusted, np.zeros((1, 40)))
    np.testing.assert_allclose(np.arange(11, 24) / 100, targets[0, 10])
    assert pytest.approx(0.39) == targets[0, 38, 0]
    assert np.isnan(targets[0, 38, 1:]).all()
    assert np.isnan(targets[0, 39]).all()


def test_a_fit_is_the_same_each_time_and_leaves_the_seed_of_others_alone():
    panel = sample_panel(3)
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    first = LSTM.fit(panel).predict(panel, 8)
    assert expected == torch.rand(1)
    np.testing.assert_array_equal(first, LSTM.fit(panel).predict(panel, 8))


def test_a_rhythm_is_learned():
    """A fall follows each rise: whoever expects the level is wrong by all of it."""
    rhythm = 0.2 * np.sign(np.sin(np.arange(123) * np.pi / 4 + 0.1))
    panel = panel_of(1e6 * np.exp(rhythm + 0.1 * log_growth(20, 123)))
    past, sold = panel.until(panel.periods[-9]), panel.y[:, -8:]
    off = np.abs(LSTM.fit(past).predict(past, 8) / sold - 1).mean()
    history = History(past, fit_profile(past))
    level = np.exp(history.adjusted[:, -8:].mean(axis=1, keepdims=True))
    assert off < 0.6 * np.abs(level / sold - 1).mean()


def test_it_beats_last_years_week_on_what_it_has_not_seen():
    panel = sample_panel(9)
    missed, last_year = 0.0, 0.0
    for first in (119, 127, 135):
        past, sold = panel.until(panel.periods[first - 1]), panel.y[:, first : first + 8]
        missed += np.abs(LSTM.fit(past).predict(past, 8) - sold).sum()
        last_year += np.abs(panel.y[:, first - 52 : first - 44] - sold).sum()
    assert missed < 0.7 * last_year


def test_beyond_a_quarter_only_the_calendar_moves():
    panel = sample_panel(2)
    history = History(panel, fit_profile(panel))
    calendar = history.calendar(*history.ahead(52)[::2]).reshape(2, 52)
    level = np.log(LSTM.fit(panel).predict(panel, 52)) - calendar
    np.testing.assert_allclose(level[:, 12:], np.repeat(level[:, 12:13], 40, axis=1))
    assert (np.diff(level[:, :13]) != 0).any()


def test_gaps_and_new_stores_are_no_obstacle_and_an_unknown_store_gets_no_forecast():
    panel = with_sales(sample_panel(4), series=0, first=30, stop=50, sales=np.nan)
    panel = with_sales(panel, series=1, first=0, stop=120, sales=np.nan)
    panel = with_sales(panel, series=2, first=140, stop=None, sales=0.0)
    predicted = LSTM.fit(panel).predict(with_sales(panel, 3, 0, None, np.nan), 8)
    expected = LSTM.fit(sample_panel(4)).predict(sample_panel(4), 8)
    np.testing.assert_allclose(predicted[:3], expected[:3], rtol=0.25)
    assert np.isnan(predicted[3]).all()


def test_conditions_do_not_matter():
    panel = sample_panel(2)
    fitted = LSTM.fit(panel)
    storm = {name: np.full((2, 4), 1e6) for name in panel.conditions}
    np.testing.assert_array_equal(fitted.predict(panel, 4), fitted.predict(panel, 4, storm))


def test_sales_that_never_move_are_forecast_as_they_are():
    panel = panel_of(np.full((2, 143), 1000.0))
    np.testing.assert_allclose(LSTM.fit(panel).predict(panel, 4), 1000.0)


def test_a_panel_without_any_store_of_enough_weeks_is_refused():
    panel = with_sales(sample_panel(1), series=0, first=0, stop=143 - 64, sales=np.nan)
    with pytest.raises(NotEnoughData, match="at least 65 weeks of sales"):
        LSTM.fit(panel)

"""Chain and stores: how sales are split, and what dates make of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sales_forecast.data import calendar
from sales_forecast.data.panel import Panel
from sales_forecast.features import decomposition as split_module
from sales_forecast.features.decomposition import Split, log_sales
from sales_forecast.features.gaussian import Between, Hyperparameters, Seen, covariance, observed
from sales_forecast.models.pooled import fit_process, fit_profile
from tests.builders import panel_of, sample_panel, weeks, with_sales

BEFORE_CHRISTMAS = calendar.EVENT_NAMES.index("days_1_4_before_christmas")


def test_sales_that_are_missing_zero_or_negative_have_no_logarithm():
    logs = log_sales(np.array([1.0, np.e, 0.0, -5.0, np.nan]))
    np.testing.assert_array_equal(logs, [0.0, 1.0, np.nan, np.nan, np.nan])


def with_gaps() -> Panel:
    y = sample_panel(5).y.copy()
    y[0, :40] = np.nan  # opens later
    y[1, 60:70] = 0.0
    y[2, :] = np.nan  # nothing known
    y[:, 100] = np.nan  # a week without any sales
    return replace(sample_panel(5), y=y)


def test_chain_level_and_deviation_add_up_to_log_sales():
    panel = with_gaps()
    split = Split.of(panel)
    whole = split.chain + split.levels[:, None] + split.deviations
    np.testing.assert_allclose(whole, log_sales(panel.y), rtol=0, atol=1e-12)
    assert [100] == np.flatnonzero(np.isnan(split.chain)).tolist()
    assert 0.0 == split.levels[2]
    np.testing.assert_allclose(np.nanmean(split.deviations[[0, 1, 3, 4]], axis=1), 0, atol=1e-12)


def test_stores_that_are_known_in_the_same_weeks_are_found_together():
    found = {tuple(series): len(week) for series, week, _ in Split.of(with_gaps()).alike()}
    assert {(0,): 102, (1,): 132, (3, 4): 142} == found


def test_the_order_of_the_table_in_memory_does_not_matter():
    panel = with_gaps()
    columns_first = replace(panel, y=np.asfortranarray(panel.y))
    expected = fit_process(panel).ahead(panel, 3)
    np.testing.assert_allclose(fit_process(columns_first).ahead(columns_first, 3), expected)
    found = [series.tolist() for series, _, _ in Split.of(columns_first).alike()]
    assert [series.tolist() for series, _, _ in Split.of(panel).alike()] == found


def test_stores_are_worked_on_in_blocks_and_nothing_depends_on_them(monkeypatch):
    panel = with_gaps()
    process = fit_process(panel)

    def answers() -> list[np.ndarray]:
        calendar_part = process.calendar(panel).at(panel.series, panel.after(4))
        return [process.ahead(panel, 4), calendar_part]

    whole = answers()
    monkeypatch.setattr(split_module, "_BLOCK", 1)
    sizes = [len(series) for series, _, _ in Split.of(panel).blocks()]
    assert [1, 1, 1, 1] == sizes
    for in_blocks, at_once in zip(answers(), whole, strict=True):
        np.testing.assert_allclose(in_blocks, at_once, rtol=1e-10)


def test_what_is_expected_is_the_chain_and_the_deviation_of_each_store():
    panel = sample_panel(3)
    process, split = fit_process(panel), Split.of(panel)
    seen, asked = process.weeks(panel.periods), process.weeks(panel.after(8))
    known, ahead = Between.of(seen, seen), Between.of(asked, seen)

    def alone(of: Hyperparameters, values: np.ndarray) -> np.ndarray:
        both = observed(covariance(of, known), of.noise)
        return Seen.values(both, values).expected(covariance(of, ahead))

    chain = alone(process.chain, split.chain[:, None])
    expected = process.ahead(panel, 8)
    for row in range(3):
        own = alone(process.store, split.deviations[[row]].T)
        np.testing.assert_allclose(expected[row], (split.levels[row] + chain + own)[:, 0])


def test_a_store_of_which_nothing_is_known_is_not_guessed():
    expected = fit_process(sample_panel(5)).ahead(with_gaps(), 4)
    assert [False, False, True, False, False] == np.isnan(expected).any(axis=1).tolist()


def test_gaps_of_one_store_hardly_touch_another():
    panel = sample_panel(9)
    process = fit_process(panel)
    gap = with_sales(panel, series=0, first=60, stop=62, sales=np.nan)
    np.testing.assert_allclose(
        process.ahead(gap, 4)[1:], process.ahead(panel, 4)[1:], rtol=0, atol=0.01
    )


# The calendar


def test_christmas_is_found_and_moves_with_its_days():
    ends = weeks("2010-02-05", 143)
    days = calendar.event_days(ends)[:, BEFORE_CHRISTMAS]
    rng = np.random.default_rng(0)
    sales = 1000 * np.exp(0.1 * days + rng.normal(0, 0.01, (4, 143)))
    profile = fit_profile(panel_of(sales))
    christmas = profile.at("1", weeks("2010-12-24", 2))[0]
    assert 0.3 < christmas[0] - christmas[1] < 0.45
    # Christmas 2013 is a Wednesday: three days before it in the one week, one in the next.
    future = profile.at("1", weeks("2013-12-20", 2))[0]
    assert future[1] > future[0]


def test_growth_is_not_part_of_the_profile():
    growing = panel_of(1000 * np.exp(0.2 * np.arange(156) / 52))
    assert np.ptp(fit_profile(growing).at("1", weeks("2010-02-05", 156))) < 0.02


def test_each_store_has_its_own_calendar_and_a_stranger_that_of_the_chain():
    panel = sample_panel(5)
    profile = fit_profile(panel)
    ends = weeks("2012-11-02", 52)
    own = profile.at(panel.series, ends)
    assert (np.abs(own - own.mean(axis=0)).max(axis=1) > 0.001).all()
    stranger = profile.at(["stranger"], ends)[0]
    np.testing.assert_allclose(stranger, own.mean(axis=0), rtol=0, atol=0.01)
    np.testing.assert_array_equal(profile.at(["5", "1"], ends), own[[4, 0]])


def test_the_size_of_a_store_does_not_matter():
    panel = sample_panel(3)
    larger = replace(panel, y=panel.y * np.array([[8.0], [1.0], [0.1]]))
    ends = weeks("2012-11-02", 52)
    np.testing.assert_allclose(
        fit_profile(larger).at(panel.series, ends),
        fit_profile(panel).at(panel.series, ends),
        rtol=0, atol=1e-4,
    )  # fmt: skip


@pytest.mark.parametrize("sales", [np.nan, 0.0, -5.0])
def test_a_panel_without_positive_sales_has_a_profile_of_zeros(sales):
    profile = fit_profile(panel_of(np.full((2, 80), sales)))
    assert not profile.at(("1", "2"), weeks("2012-11-02", 60)).any()


def test_a_week_has_one_value_whichever_weeks_are_asked_with_it():
    profile = fit_profile(sample_panel(3))
    ends = weeks("2012-11-02", 20)
    alone = [profile.at("1", ends[position : position + 1])[0, 0] for position in range(20)]
    np.testing.assert_allclose(profile.at("1", ends)[0], alone, rtol=0, atol=1e-12)


# Rough stores


def test_a_rough_store_weighs_less_in_the_chain():
    panel = sample_panel(9)
    rough = rough_store(panel)
    moved = np.abs(Split.of(rough).chain - Split.of(panel).chain).mean()
    plain = np.abs(log_sales(rough.y) - log_sales(panel.y))[0].mean() / 9
    assert moved < 0.2 * plain


def test_the_noise_of_a_rough_store_is_its_own():
    noise = Split.of(rough_store(sample_panel(9))).noise
    assert noise[0] >= 16.0
    assert [1.0] * 8 == noise[1:].tolist()


def test_a_rough_store_is_believed_less():
    panel = rough_store(sample_panel(9))
    fitted = fit_process(panel)
    high = with_sales(panel, series=0, first=-1, stop=None, sales=3 * panel.y[0, -1])
    smooth = with_sales(panel, series=1, first=-1, stop=None, sales=3 * panel.y[1, -1])
    before = fitted.ahead(panel, 1)
    assert (fitted.ahead(high, 1) - before)[0, 0] < 0.5 * (fitted.ahead(smooth, 1) - before)[1, 0]


def test_a_week_of_next_to_nothing_counts_as_a_hundredth_of_the_mean():
    panel = with_sales(sample_panel(3), series=0, first=50, stop=51, sales=1e-6)
    mean = panel.y[0].mean()
    split = Split.of(panel)
    assert (split.chain + split.levels[0] + split.deviations[0])[50] == pytest.approx(
        np.log(0.01 * mean)
    )


def rough_store(panel: Panel) -> Panel:
    """The panel with a first store that sells by the dice."""
    y = panel.y.copy()
    y[0] *= np.exp(np.random.default_rng(0).normal(0, 0.5, panel.n_periods))
    return replace(panel, y=y)


# Pools


def pooled_twice() -> Panel:
    """Six stores of the sample as two departments, in turns."""
    panel = sample_panel(6)
    return replace(panel, traits={"dept": np.array(["a", "b"] * 3)}, pooled_by="dept")


def test_each_pool_is_as_if_it_were_alone():
    panel = pooled_twice()
    process, profile = fit_process(panel), fit_profile(panel)
    for _, rows, pool in panel.pools():
        alone = fit_process(pool)
        np.testing.assert_array_equal(process.ahead(panel, 4)[rows], alone.ahead(pool, 4))
        np.testing.assert_array_equal(
            profile.at(pool.series, panel.periods), fit_profile(pool).at(pool.series, panel.periods)
        )
    assert (
        profile.at(("1", "2"), panel.periods)[::-1] == profile.at(("2", "1"), panel.periods)
    ).all()


def test_of_a_pool_that_was_not_there_nothing_is_expected():
    panel = pooled_twice()
    process = fit_process(panel)
    new = replace(panel, traits={"dept": np.array(["a", "new"] * 3)})
    assert [False, True] * 3 == np.isnan(process.ahead(new, 4)).all(axis=1).tolist()
    assert not fit_profile(panel).at(["stranger"], panel.periods).any()


def test_a_pool_that_never_sold_is_left_out():
    panel = pooled_twice()
    for series in (1, 3, 5):
        panel = with_sales(panel, series=series, first=0, stop=None, sales=-1.0)
    assert [False, True] * 3 == np.isnan(fit_process(panel).ahead(panel, 4)).all(axis=1).tolist()

"""The chance that anything is sold: certain without zeros, and right of all kinds of zeros."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sales_forecast.data.frequency import DAILY
from sales_forecast.data.panel import Panel
from sales_forecast.evaluation.judged import score_models
from sales_forecast.evaluation.metrics import wmae
from sales_forecast.evaluation.protocols import RollingOrigin
from sales_forecast.evaluation.scoring import scores
from sales_forecast.models.catalogue import choose
from sales_forecast.models.chance import chance_of_sale
from sales_forecast.models.fit_cache import fit_once
from sales_forecast.models.pooled import POOLED
from sales_forecast.prediction.forecast import forecast
from tests.builders import one_thread, panel_of, sample_panel, with_sales
from tests.zeros import (
    SETS,
    christmas,
    closed,
    ended,
    in_season,
    of_zeros,
    poisson,
    seasonal,
    shut,
    slow,
)


def flat(*shares: float, n_weeks: int = 104, seed: int = 0) -> Panel:
    """Series that sell 10 in a share of their weeks, and in the first one."""
    rng = np.random.default_rng(seed)
    y = 10.0 * (rng.random((len(shares), n_weeks)) < np.array(shares)[:, None])
    y[:, 0] = 10.0
    return panel_of(y)


# Certain


def test_without_zeros_something_is_sold_for_sure_and_forecasts_are_those_of_the_model():
    panel = sample_panel(3)
    assert (chance_of_sale(panel, 60) == 1).all()
    fitted = fit_once(POOLED, panel)
    said = forecast({"pooled": fitted}, panel, 20)["pooled"]
    with one_thread():  # as forecasts are made: others add up in another order
        np.testing.assert_array_equal(fitted.predict(panel, 20), said.if_sold)
    assert (said.chance == 1).all()


def test_beside_series_with_zeros_those_without_are_certain():
    chance = chance_of_sale(flat(1.0, 0.3, 1.0, 0.05), 8)
    assert (chance[[0, 2]] == 1).all()
    assert (chance[[1, 3]] < 0.6).all()


def test_a_missing_row_is_no_zero():
    panel = flat(1.0, 1.0)
    assert (chance_of_sale(with_sales(panel, 0, 20, 60, np.nan), 8) == 1).all()
    gaps = panel_of(np.where(np.arange(104) % 2, np.nan, flat(0.5, 0.5).y))
    half = flat(0.5, 0.5)
    with_zero = panel_of(np.where(np.arange(104) % 2, 0.0, half.y))
    assert (chance_of_sale(gaps, 4) > 1.5 * chance_of_sale(with_zero, 4)).all()


def test_zeros_before_the_first_sale_say_nothing():
    whole = flat(1.0, 0.5)
    late = with_sales(whole, 0, 0, 60, 0.0)
    unknown = with_sales(whole, 0, 0, 60, np.nan)
    assert (chance_of_sale(late, 8)[0] == 1).all()
    np.testing.assert_array_equal(chance_of_sale(unknown, 8), chance_of_sale(late, 8))


def test_a_row_of_returns_says_nothing():
    panel = flat(0.5, 0.7)
    returns, missing = (with_sales(panel, 0, 50, 60, sales) for sales in (-5.0, np.nan))
    np.testing.assert_array_equal(chance_of_sale(missing, 8), chance_of_sale(returns, 8))


# How likely


@pytest.mark.parametrize("share", [0.03, 0.2, 0.5, 0.8, 0.97])
def test_chances_are_the_shares_of_weeks_with_sales(share):
    panel = flat(*[share] * 40)
    sold = (panel.y > 0)[:, 1:].mean()
    assert pytest.approx(sold, abs=0.05) == chance_of_sale(panel, 8).mean()


def test_chances_of_slow_movers_follow_their_own_shares():
    panel = slow(60)
    seen = (panel.y > 0).any(axis=1)
    chance = chance_of_sale(panel, 8).mean(axis=1)
    assert np.corrcoef(chance[seen], np.geomspace(0.01, 0.7, 60)[seen])[0, 1] > 0.9


@pytest.mark.parametrize("make", [slow, poisson])
def test_what_was_told_of_slow_movers_is_what_happened(make):
    panel = make(60)
    told, sold = [], []
    for origin in range(100, 148, 8):
        chance = chance_of_sale(panel.until(panel.periods[origin - 1]), 8)
        seen = (panel.y[:, :origin] > 0).any(axis=1)  # of others nothing can be known
        told.append(chance[seen])
        sold.append((panel.y[:, origin : origin + 8] > 0)[seen])
    said, happened = np.concatenate(told), np.concatenate(sold)
    for low, high in ((0, 0.1), (0.1, 0.3), (0.3, 1)):
        some = (low <= said) & (said < high)
        assert some.sum() > 100
        assert pytest.approx(happened[some].mean(), abs=0.07) == said[some].mean()


def test_closed_weekdays_are_known_of_each_store_and_the_others_are_likely():
    panel = shut()
    chance = chance_of_sale(panel, 28)
    is_closed = closed(panel.n_series, 28, panel.n_periods)
    assert is_closed.any(axis=1).all()
    assert chance[is_closed].max() < 0.05
    assert chance[~is_closed].min() > 0.95


@pytest.mark.parametrize("n_days", [700, 702])
def test_articles_that_sell_at_times_do_so_most_on_the_weekdays_that_sell_most(n_days):
    rng = np.random.default_rng(0)
    of_weekday = np.array([1.0, 0.8, 0.8, 0.8, 1.2, 1.8, 0.6])[np.arange(n_days + 28) % 7]
    expected = np.exp(rng.normal(-0.3, 0.7, (60, 1))) * of_weekday
    panel = of_zeros(rng.poisson(expected[:, :n_days]), DAILY)
    chance, truth = chance_of_sale(panel, 28), 1 - np.exp(-expected[:, n_days:])
    np.testing.assert_allclose(chance.mean(axis=0), truth.mean(axis=0), atol=0.04)


def test_a_promotion_makes_articles_that_sell_at_times_likelier_to():
    rng = np.random.default_rng(0)
    promoted = rng.random((60, 164)) < 0.3
    expected = np.exp(rng.normal(-1, 0.7, (60, 1)) + 1.1 * promoted)
    panel = of_zeros(rng.poisson(expected[:, :156]))
    panel = replace(panel, plan={"promotion": promoted.astype(float)})
    chance, truth = chance_of_sale(panel, 8), 1 - np.exp(-expected[:, 156:])
    for some in (promoted[:, 156:], ~promoted[:, 156:]):
        assert pytest.approx(truth[some].mean(), abs=0.05) == chance[some].mean()


def test_a_plan_as_rare_as_public_holidays_tells_that_all_shops_are_closed():
    n_days, sundays = 560, np.arange(588) % 7 == 6
    holidays = np.isin(np.arange(588), (40, 90, 93, 130, 180, 250, 331, 398, 405, 450, 565, 578))
    y = np.where(sundays | holidays, 0.0, 10.0) * np.ones((12, 1))
    panel = replace(of_zeros(y[:, :n_days], DAILY), plan={"holiday": holidays * np.ones((12, 1))})
    chance = chance_of_sale(panel, 28)
    assert chance[:, holidays[n_days:]].max() < 0.3
    assert chance[:, ~(holidays | sundays)[n_days:]].min() > 0.95


def test_a_series_that_ended_is_unlikely_and_ever_less():
    y = np.full((10, 130), 10.0)
    y[0, 100:] = 0.0
    y[1:, 30:32] = 0.0
    panel = panel_of(y)
    first = [
        chance_of_sale(panel.until(panel.periods[100 + pause - 1]), 8)[0].mean()
        for pause in (1, 4, 10, 20, 30)
    ]
    assert sorted(first, reverse=True) == first
    assert first[-1] < 0.1
    assert (chance_of_sale(panel, 8)[1:] > 0.9).all()


def test_ends_among_others_are_known():
    panel = ended()
    over = (panel.y[:, -8:] == 0).all(axis=1)
    assert 3 < over.sum() < 17
    chance = chance_of_sale(panel, 8)
    assert chance[over].max() < 0.25
    assert chance[~over & (panel.y[:, -1] > 0)].min() > 0.75


def test_a_season_is_likely_when_it_comes_and_unlikely_when_it_does_not():
    panel = seasonal()
    chance, on = chance_of_sale(panel, 52), in_season(n_weeks=182 + 52)[:, 182:]
    assert chance[on].mean() > 0.75
    assert chance[~on].mean() < 0.15
    inside = on & np.roll(on, 3, axis=1) & np.roll(on, -3, axis=1)
    outside = ~on & ~np.roll(on, 3, axis=1) & ~np.roll(on, -3, axis=1)
    assert np.median(chance[inside]) > 0.85
    assert np.median(chance[outside]) < 0.05


@pytest.mark.parametrize("before", [0.0, np.nan])
def test_what_was_seen_in_one_season_alone_comes_back_in_it_and_only_then(before):
    y = christmas(3).y[:, :91]
    y[:, :40] = before  # recorded as 0, or a file that begins with the first sale
    for known in (84, 88, 91):
        chance = chance_of_sale(of_zeros(y[:, :known]), 52)
        off, on = chance[:, : 91 - known], chance[:, 94 - known : 102 - known]
        assert (off < 0.5).all()
        assert (on > 0.5).all()
        assert (chance[:, 107 - known :] < 0.5).all()


def test_what_sold_all_the_year_and_then_nothing_does_not_come_back():
    y = np.concatenate([christmas(3).y[:, :130], np.full((1, 130), 50.0)])
    y[3, 90:] = 0.0
    assert (chance_of_sale(of_zeros(y), 52)[3] < 0.1).all()


# Who asks


@pytest.mark.parametrize("name", SETS)
def test_a_step_has_the_same_chance_whatever_the_horizon(name):
    panel = SETS[name]()
    whole = chance_of_sale(panel, 104)
    # Among them those at which the first weeks of the history come to be of the same season.
    for horizon in (1, 8, 25, 26, 51, 52):
        np.testing.assert_allclose(whole[:, :horizon], chance_of_sale(panel, horizon), rtol=1e-12)
    assert ((whole >= 0) & (whole <= 1)).all()


def pooled() -> Panel:
    panel = replace(slow(30), pooled_by="kind")
    return replace(panel, traits={"kind": np.array(list("abc") * 10)})


def test_a_pool_has_the_same_chances_asked_alone():
    panel = pooled()
    whole = chance_of_sale(panel, 8)
    for _, rows, _ in panel.pools():
        assert 10 == len(rows)
        alone = panel.select([panel.series[row] for row in rows])
        np.testing.assert_array_equal(whole[rows], chance_of_sale(alone, 8))


def test_later_sales_change_no_chance_and_neither_does_their_size():
    panel = slow()
    then = panel.until(panel.periods[119])
    changed = with_sales(panel, 5, 120, None, 99.0).until(panel.periods[119])
    np.testing.assert_array_equal(chance_of_sale(then, 8), chance_of_sale(changed, 8))
    larger = replace(then, y=then.y * 7)
    np.testing.assert_array_equal(chance_of_sale(then, 8), chance_of_sale(larger, 8))


def test_series_that_were_never_seen_have_the_mean_chance_of_their_peers():
    panel = with_sales(pooled(), 4, 0, None, np.nan)
    chance = chance_of_sale(panel, 8)
    peers = [row for row in range(1, 30, 3) if row != 4 and (panel.y[row] > 0).any()]
    np.testing.assert_allclose(chance[4], chance[peers].mean(axis=0))


def test_many_series_are_fitted_on_some_of_them():
    panel = slow(1200, 104)
    seen = (panel.y > 0).any(axis=1)
    chance = chance_of_sale(panel, 4).mean(axis=1)
    assert np.corrcoef(chance[seen], np.geomspace(0.01, 0.7, 1200)[seen])[0, 1] > 0.85


@pytest.mark.parametrize("n_weeks", [1, 2, 5, 9, 30])
def test_a_short_history_has_chances_too(n_weeks):
    panel = slow(20, n_weeks, seed=6)
    panel.y[:, 0] = 5.0
    chance = chance_of_sale(panel, 8)
    assert np.isfinite(chance).all()
    assert ((chance > 0) & (chance <= 1)).all()


@pytest.mark.parametrize("sales", [0.0, np.nan, -1.0])
def test_series_that_never_sold_need_no_chance(sales):
    chance = chance_of_sale(of_zeros(np.full((3, 20), sales)), 4)
    assert np.isfinite(chance).all()


# Together with the models


@pytest.mark.parametrize("name", SETS)
def test_with_zeros_no_rule_is_better_and_sums_are_right(name):
    panel = SETS[name]()
    # Days of 12 stores on 36 dates tell means of eight weekdays from all weekdays by chance alone.
    windows = 12 if panel.frequency == DAILY else 6
    names = ("naive", "seasonal_naive", "moving_average", "pooled", "arima", "xgboost")
    forecasters = tuple(of for of in choose(",".join(names[2:])) if of.name in names)
    with one_thread():
        table = score_models(panel, forecasters, RollingOrigin(8, windows, 4), lambda _: None)
    found = scores(table)
    nothing = wmae(table["y"], pd.Series(0.0, table.index), table["holiday"])
    rules = min(nothing, *(found[rule].wmae for rule in names[:3]))
    for model in names[3:]:
        assert found[model].wmae <= rules, model
        assert 0.85 <= found[model].sum_ratio <= 1.15, model

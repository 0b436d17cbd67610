"""The pooled process: fitted to what it is most likely to be, and asked honestly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize, stats

from sales_forecast.data.panel import Panel
from sales_forecast.errors import NotEnoughData
from sales_forecast.features.gaussian import Between, Hyperparameters, Weeks, covariance, observed
from sales_forecast.models import pooled
from sales_forecast.models.pooled import POOLED, fit_process
from tests.builders import panel_of, sample_panel, weeks, with_sales

PERIODS = weeks("2010-02-05", 60)
WEEKS = Weeks.of(PERIODS, PERIODS[-1])


def scatter(values: np.ndarray) -> pooled._Scatter:
    return pooled._scatter(WEEKS, values)


def test_the_misfit_is_minus_the_log_likelihood_of_the_normal_distribution():
    values = np.random.default_rng(0).normal(0, 0.1, (3, 60))
    of = pooled._STORE
    normal = stats.multivariate_normal(
        np.zeros(60), observed(covariance(of, Between.of(WEEKS, WEEKS)), of.noise)
    )
    constant = 0.5 * 60 * 3 * np.log(2 * np.pi)
    misfit, _ = pooled._misfit(of, scatter(values))
    assert pytest.approx(-normal.logpdf(values).sum() - constant, rel=1e-9) == misfit


def test_its_slope_is_that_of_small_steps():
    values = np.random.default_rng(0).normal(0, 0.1, (3, 60))
    logs = pooled._STORE.logs() + 0.1
    given = scatter(values)

    def misfit(at: np.ndarray) -> float:
        return pooled._misfit(pooled._STORE.from_logs(at), given)[0]

    slope = pooled._misfit(pooled._STORE.from_logs(logs), given)[1]
    np.testing.assert_allclose(
        slope, optimize.approx_fprime(logs, misfit, 1e-6), rtol=1e-3, atol=1e-3
    )


def test_noise_is_told_from_drift():
    rng = np.random.default_rng(0)
    noisy = pooled._fit(pooled._STORE, 0.15, [scatter(rng.normal(0, 0.05, (20, 60)))])
    drifting = pooled._fit(
        pooled._STORE, 0.15, [scatter(np.cumsum(rng.normal(0, 0.02, (20, 60)), axis=1))]
    )
    # A drift of two days is noise to one who sees weeks.
    assert 0.04 < np.sqrt(noisy.noise + noisy.fast_drift) < 0.06
    assert noisy.slow_drift < 0.2 * drifting.slow_drift


def test_a_prediction_is_the_exponential_of_what_the_process_expects():
    panel = sample_panel(3)
    fitted = POOLED.fit(panel)
    past = panel.until(panel.periods[120])
    np.testing.assert_array_equal(fitted.predict(past, 8), np.exp(fitted.process.ahead(past, 8)))


def test_a_fit_is_the_same_whoever_asks_and_however_often():
    panel = sample_panel(3)
    first = fit_process(panel)
    assert first is fit_process(panel)
    fit_process.cache_clear()
    assert (first.chain, first.store) == (fit_process(panel).chain, fit_process(panel).store)


def test_it_beats_last_years_week_on_what_it_has_not_seen():
    panel = sample_panel(9)
    missed, last_year = 0.0, 0.0
    for first in (119, 127, 135):
        past, sold = panel.until(panel.periods[first - 1]), panel.y[:, first : first + 8]
        missed += np.abs(POOLED.fit(past).predict(past, 8) - sold).sum()
        last_year += np.abs(panel.y[:, first - 52 : first - 44] - sold).sum()
    assert missed < 0.7 * last_year


def ramps(rng: np.random.Generator) -> np.ndarray:
    """Stores that grow or shrink by powers of ten."""
    slopes = rng.normal(0, 8, (4, 1))
    return np.exp(slopes * np.linspace(-1, 1, 67) + 0.01 * rng.normal(size=(4, 67)))


def leaps(rng: np.random.Generator) -> np.ndarray:
    """Stores that leap once, by a factor of twenty thousand, and hardly move else."""
    up = np.sign(rng.normal(size=(6, 1))) * (np.arange(67) > rng.integers(10, 60))
    return np.exp(10 * up + 0.001 * rng.normal(size=(6, 67)))


def waves(rng: np.random.Generator) -> np.ndarray:
    """Stores of one wave of their own height."""
    return np.exp(6 * np.sin(np.arange(67) / rng.uniform(3, 20)) * rng.normal(size=(5, 1)))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("wild", [ramps, leaps, waves])
def test_sales_that_no_store_ever_had_are_forecast_too(wild, seed):
    panel = panel_of(wild(np.random.default_rng(seed)))
    predicted = POOLED.fit(panel).predict(panel, 3)
    assert np.isfinite(predicted).all()
    assert (predicted > 0).all()


def test_gaps_new_stores_and_days_without_sales_are_no_obstacle():
    panel = with_sales(sample_panel(4), series=0, first=30, stop=50, sales=np.nan)
    panel = with_sales(panel, series=1, first=0, stop=120, sales=np.nan)
    panel = with_sales(panel, series=2, first=70, stop=72, sales=0.0)
    predicted = POOLED.fit(panel).predict(panel, 8)
    np.testing.assert_allclose(
        predicted, POOLED.fit(sample_panel(4)).predict(sample_panel(4), 8), rtol=0.2
    )


def test_a_store_scaled_is_a_forecast_scaled():
    panel = sample_panel(3)
    scale = np.array([[100.0], [1.0], [0.01]])
    larger = replace(panel, y=panel.y * scale)
    np.testing.assert_allclose(
        POOLED.fit(larger).predict(larger, 4),
        scale * POOLED.fit(panel).predict(panel, 4),
        rtol=1e-3,
    )


def test_conditions_do_not_matter():
    panel = sample_panel(2)
    fitted = POOLED.fit(panel)
    storm = {name: np.full((2, 4), 1e6) for name in panel.conditions}
    np.testing.assert_array_equal(fitted.predict(panel, 4), fitted.predict(panel, 4, storm))


def test_sales_that_never_move_are_forecast_as_they_are():
    panel = panel_of(np.full((2, 143), 1000.0))
    np.testing.assert_allclose(POOLED.fit(panel).predict(panel, 4), 1000.0, rtol=1e-3)


def test_a_panel_without_any_store_of_eight_weeks_is_refused():
    panel = with_sales(sample_panel(1), series=0, first=0, stop=143 - 7, sales=np.nan)
    with pytest.raises(NotEnoughData, match="at least 8 weeks of sales"):
        POOLED.fit(panel)


def test_half_a_year_of_sales_is_forecast_with_what_comes_every_third_week():
    week = np.arange(34)
    told = 1000 * np.exp(0.4 * (week % 3 == 0))
    y = told * np.exp(np.random.default_rng(0).normal(0, 0.05, (4, 34)))
    panel = panel_of(y[:, :30])
    wrong = np.abs(POOLED.fit(panel).predict(panel, 4) / told[30:] - 1)
    assert wrong.mean() < 0.05


def test_growth_that_ended_goes_on_no_further():
    level = 1000 * np.exp(0.5 * np.minimum(np.arange(140) / 52.18, 1.7))
    y = level * np.exp(np.random.default_rng(0).normal(0, 0.08, (4, 140)))
    panel = panel_of(y[:, :132])
    expected = POOLED.fit(panel).predict(panel, 8)
    assert pytest.approx(1, abs=0.03) == expected.mean() / level[132:].mean()


def test_an_accident_of_one_week_moves_the_next_ones_little():
    panel = sample_panel(5)
    fitted = POOLED.fit(panel)
    accident = with_sales(panel, series=0, first=140, stop=141, sales=1.0)
    moved = fitted.predict(accident, 4) / fitted.predict(panel, 4)
    assert (np.abs(moved - 1) < 0.15).all()


def test_series_that_vary_ten_times_as_much_have_variances_a_hundred_times_as_large():
    values = np.random.default_rng(0).normal(0, 0.5, (5, 60)).cumsum(axis=1) * 0.3
    small = pooled._fit(pooled._STORE, 0.15, [scatter(values)])
    large = pooled._fit(pooled._STORE, 0.15, [scatter(10 * values)])
    for name in Hyperparameters.variances():
        assert getattr(large, name) == pytest.approx(100 * getattr(small, name), rel=0.2)
    assert large.slow_length == pytest.approx(small.slow_length, rel=0.2)


def test_all_but_the_lengths_are_variances():
    lengths = {"fast_length", "slow_length", "season_length", "cycle_length"}
    assert lengths == set(Hyperparameters.names()) - set(Hyperparameters.variances())


def shifted(n_stores: int, after: int, *, shift: float = -0.4) -> tuple[Panel, np.ndarray]:
    """Two years of stores with a season and `after` weeks with all sales shifted; eight to come."""
    rng = np.random.default_rng(3)
    t = np.arange(104 + after + 8)
    season = 0.12 * np.cos(2 * np.pi * t / 52.18)
    level = 8 + rng.normal(0, 0.5, (n_stores, 1)) + shift * (t >= 104)
    noise = rng.normal(0, 0.05, (n_stores, len(t)))
    expected = np.exp(level + season)
    return panel_of((expected * np.exp(noise))[:, :-8]), expected[:, -8:]


@pytest.mark.parametrize(("n_stores", "shift"), [(12, -0.4), (12, 0.5), (1, 0.5)])
def test_a_level_that_all_stores_have_left_for_good_is_not_drifted_back_to(n_stores, shift):
    panel, sold = shifted(n_stores, after=12, shift=shift)

    expected = POOLED.fit(panel).predict(panel, 8)

    assert expected.sum() / sold.sum() == pytest.approx(1.0, abs=0.04)


def test_a_break_since_the_fit_is_seen_in_the_history_three_weeks_after_it():
    panel, sold = shifted(12, after=3)
    fitted = POOLED.fit(panel.until(panel.periods[103]))

    assert fitted.predict(panel, 8).sum() / sold.sum() == pytest.approx(1.0, abs=0.04)


@pytest.mark.parametrize("factor", [0.5, 2.0])
@pytest.mark.parametrize("weeks_since", [4, 8, 16])
def test_a_level_that_one_store_has_left_for_good_is_not_drifted_back_to(factor, weeks_since):
    panel = sample_panel()
    last = panel.periods[-9]
    calm, moved = panel.until(last), panel.y.copy()
    moved[0, -8 - weeks_since :] *= factor
    changed = replace(panel, y=moved).until(last)
    before, after = (POOLED.fit(of).predict(of, 8)[0] for of in (calm, changed))

    assert (after / before).mean() == pytest.approx(factor, rel=0.06)


@pytest.mark.parametrize("a_year", [-0.5, 0.4])
def test_all_stores_that_grow_or_shrink_for_years_go_on(a_year):
    rng = np.random.default_rng(4)
    t = np.arange(158)
    log = 8 + rng.normal(0, 0.5, (10, 1)) + a_year * t / 52.18 + rng.normal(0, 0.05, (10, 158))
    sold = np.exp(log + 0.15 * np.cos(2 * np.pi * t / 52.18))

    expected = POOLED.fit(panel_of(sold[:, :150])).predict(panel_of(sold[:, :150]), 8)

    assert expected.sum() / sold[:, 150:].sum() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("every", [2, 4, 13])
@pytest.mark.parametrize("n_stores", [1, 8])
def test_a_promotion_every_few_weeks_that_no_column_holds_is_expected_in_its_weeks(n_stores, every):
    rng = np.random.default_rng(5)
    t = np.arange(118)
    log = 8 + rng.normal(0, 0.5, (n_stores, 1)) + 0.15 * np.cos(2 * np.pi * t / 52.18)
    truth = np.exp(log + 0.5 * (t % every == 1))
    known = panel_of((truth * np.exp(rng.normal(0, 0.05, truth.shape)))[:, :-8])

    expected = POOLED.fit(known).predict(known, 8)

    assert np.abs(expected - truth[:, -8:]).sum() < 0.06 * truth[:, -8:].sum()


def test_promotions_that_each_store_has_in_another_week_are_expected_in_its_own():
    rng = np.random.default_rng(6)
    t, store = np.arange(118), np.arange(8)[:, None]
    truth = np.exp(8 + rng.normal(0, 0.5, (8, 1)) + 0.5 * ((t + store) % 4 == 1))
    known = panel_of((truth * np.exp(rng.normal(0, 0.05, truth.shape)))[:, :-8])

    expected = POOLED.fit(known).predict(known, 8)

    assert np.abs(expected - truth[:, -8:]).sum() < 0.06 * truth[:, -8:].sum()


def test_sales_of_every_second_week_alone_tell_no_cycle_and_are_forecast():
    rng = np.random.default_rng(7)
    sold = np.exp(8 + rng.normal(0, 0.05, (4, 118)))
    sold[:, ::2] = np.nan

    expected = POOLED.fit(panel_of(sold)).predict(panel_of(sold), 8)

    assert np.log(expected).mean() == pytest.approx(8, abs=0.05)


@pytest.mark.parametrize("once", [{}, {"cycle": "fortnight", "cycle_length": "fortnight_length"}])
def test_a_process_from_before_cycles_expects_none_or_those_of_two_weeks(once: dict[str, str]):
    now = fit_process(sample_panel())
    before = {
        name: {
            once.get(key, key): value
            for key, value in now.state[name].items()
            if "cycle" not in key or key in once
        }
        for name in ("chain", "store")
    }
    chain = type(now).restore({**now.state, **before}).chain
    assert (now.chain.cycle if once else 0.0, 2) == (chain.cycle, chain.cycle_weeks)

"""Weeks that passed teach nothing; what goes on, comes back or was planned does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sales_forecast.data.frequency import DAILY
from sales_forecast.data.panel import Array, Panel
from sales_forecast.features.passing import told, usual
from sales_forecast.models.arima import ARIMA
from sales_forecast.models.ensemble import MeanForecaster
from sales_forecast.models.fit_cache import fit_once
from sales_forecast.models.pooled import POOLED
from sales_forecast.models.trees import RANDOM_FOREST
from sales_forecast.prediction.forecast import forecast
from tests.builders import one_thread, weeks

WEEKS, STORES = 130, 6


def shop(seed: int = 0, noise: float = 0.06) -> Panel:
    """Six stores with a season and a Christmas."""
    rng, t = np.random.default_rng(seed), np.arange(WEEKS)
    season = 0.2 * np.cos(2 * np.pi * t / 52.18) + 0.6 * np.isin(t % 52, (49, 50))
    levels = rng.normal(9, 0.5, (STORES, 1))
    y = np.exp(levels + season + rng.normal(0, noise, (STORES, WEEKS)))
    return Panel(y, weeks("2023-01-06", WEEKS), tuple(map(str, range(STORES))))


def times(panel: Panel, factor: float, series: slice, first: int, end: int) -> Panel:
    y = panel.y.copy()
    y[series, first:end] *= factor
    return replace(panel, y=y)


def left_out(panel: Panel) -> Array:
    return np.isnan(usual(panel).y) & ~np.isnan(panel.y)


ALL, ONE = slice(None), slice(2, 3)


@pytest.mark.parametrize("factor", [0.0, 0.1, 0.5, 2.2])
@pytest.mark.parametrize("series", [ALL, ONE])
@pytest.mark.parametrize(("first", "end"), [(60, 68), (20, 25), (110, 121)])
def test_weeks_that_passed_are_left_out_and_no_others(
    factor: float, series: slice, first: int, end: int
) -> None:
    expected = np.zeros((STORES, WEEKS), bool)
    expected[series, first:end] = True

    assert (left_out(times(shop(), factor, series, first, end)) == expected).all()


@pytest.mark.parametrize("factor", [0.1, 2.2])
def test_what_may_go_on_is_learned_from(factor: float) -> None:
    for end in (WEEKS, WEEKS - 1, WEEKS - 2):
        panel = times(shop(), factor, ALL, WEEKS - 8, end)

        assert usual(panel) is panel


def test_a_level_that_broke_for_good_is_learned_from() -> None:
    panel = times(shop(), 0.6, ALL, 70, WEEKS)

    assert usual(panel) is panel


def test_what_comes_each_year_is_learned_from() -> None:
    panel = times(times(shop(), 0.1, ALL, 20, 28), 0.1, ALL, 72, 80)

    assert usual(panel) is panel


def test_what_comes_often_is_learned_from() -> None:
    panel = shop()
    for first in (15, 37, 58, 84, 101):
        panel = times(panel, 2.2, ONE, first, first + 4)

    assert usual(panel) is panel


def test_what_was_planned_is_learned_from() -> None:
    panel = times(shop(), 2.2, ONE, 60, 66)
    plan = np.zeros((STORES, WEEKS + 8))
    plan[ONE, 60:66] = 1.0

    assert usual(replace(panel, plan={"promotion": plan})).y is panel.y


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("noise", [0.02, 0.1, 0.5])
def test_noise_passes_unseen(seed: int, noise: float) -> None:
    panel = shop(seed, noise)

    assert usual(panel) is panel


@pytest.mark.parametrize("rate", [0.3, 1.0, 3.0])
def test_slow_movers_are_learned_from(rate: float) -> None:
    panel = shop()
    slow = np.random.default_rng(3).poisson(rate, panel.y.shape).astype(float)

    assert left_out(replace(panel, y=slow)).mean() < 0.005


def test_days_pass_by_weeks() -> None:
    n, rng = 7 * WEEKS, np.random.default_rng(5)
    week = np.tile([0.8, 0.9, 1.0, 1.1, 1.4, 1.8, 0.0], WEEKS)
    y = 1000 * week * np.exp(rng.normal(0, 0.15, (STORES, n)))
    y[:, 400:456] *= 0.2
    days = np.datetime64("2024-01-01") + np.arange(n)
    panel = Panel(y, days, tuple(map(str, range(STORES))), frequency=DAILY)

    found = left_out(panel)

    assert found[:, 406:450].all()
    assert not found[:, :399].any()  # weeks end where the panel does
    assert not found[:, 456:].any()


def test_days_of_a_plan_are_learned_from() -> None:
    n = 7 * WEEKS - 3
    y = np.full((STORES, n), 100.0)
    y[:, 400:440] = 300.0
    days = np.datetime64("2024-01-01") + np.arange(n)
    calm = np.zeros((STORES, n - 50))
    campaign = calm.copy()
    campaign[:, 397:443] = 1.0
    panel = Panel(y, days, tuple(map(str, range(STORES))), frequency=DAILY)

    assert left_out(replace(panel, plan={"campaign": calm})).any()
    assert not left_out(replace(panel, plan={"campaign": campaign})).any()
    assert not left_out(replace(panel, y=np.full((STORES, n), 100.0))).any()


def test_another_plan_of_weeks_to_come_is_no_reason_to_look_again() -> None:
    panel = replace(
        times(shop(), 0.1, ONE, 60, 68), plan={"promotion": np.zeros((STORES, WEEKS + 8))}
    )
    changed = panel.planning(2, WEEKS, {"promotion": [1.0]})

    assert usual(changed).y is usual(panel).y
    assert usual(changed).plan["promotion"][2, WEEKS] == 1.0


def test_half_a_year_is_too_little_to_tell() -> None:
    panel = times(shop(), 0.1, ALL, 10, 16).until(np.datetime64("2023-06-30"))

    assert usual(panel) is panel


def test_it_is_said() -> None:
    panel = times(shop(), 0.1, ONE, 60, 68)

    assert told(shop()) == ()
    (said,) = told(panel)
    assert said == (
        "Nothing is learned from 8 weeks of 1 series between 2024-03-01 and 2024-04-19: their "
        "sales were far from usual, and are as before since."
    )


@pytest.mark.parametrize("forecaster", [RANDOM_FOREST, ARIMA, POOLED], ids=lambda of: of.name)
@pytest.mark.parametrize("factor", [0.0, 0.4, 2.2])
def test_a_year_later_is_forecast_as_if_nothing_had_happened(forecaster, factor) -> None:
    """Weeks 66 to 74 of a third of the stores are those that weeks 118 to 126 are compared with."""
    calm, some = shop(1), slice(0, 2)
    shut = times(calm, factor, some, 66, 74)
    end, horizon = calm.periods[117], 8

    def expected(panel: Panel) -> Array:
        known = panel.until(end)
        with one_thread():
            of = fit_once(forecaster, known)
            return np.prod(forecast({"": of}, known, horizon)[""], axis=0)

    assert expected(shut) == pytest.approx(expected(calm), rel=0.08)


def test_a_model_that_is_made_of_others_has_those_that_stand_beside_it() -> None:
    panel = times(shop(), 0.1, ALL, 60, 68)
    assert left_out(panel).any()

    mean = fit_once(MeanForecaster((ARIMA, POOLED), "mean"), panel)

    assert mean.members["arima"] is fit_once(ARIMA, panel)
    assert mean.members["pooled"] is fit_once(POOLED, panel)

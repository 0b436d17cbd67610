"""The regression of days: it finds what was planted, and knows nothing that came later."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from sales_forecast.audit.perturb import moved
from sales_forecast.data.panel import Panel
from sales_forecast.errors import NotEnoughData
from sales_forecast.models.catalogue import ALL_FORECASTERS
from sales_forecast.models.plan_profile import PlanProfile
from sales_forecast.models.pooled import POOLED, fit_process, fit_profile
from sales_forecast.models.regression import DailyProcess, fit_days
from tests.builders import PLANTED, Planted, daily_panel, one_thread, with_sales


def coefficient(process: DailyProcess, name: str) -> float:
    """What the chain's coefficient of a column became."""
    return float(process.found.chain[process.design.names.index(name)])


def test_planted_effects_are_found():
    process = fit_days(daily_panel())
    assert pytest.approx(PLANTED.promotion, abs=0.02) == coefficient(process, "1 promo")
    assert pytest.approx(PLANTED.saturday, abs=0.03) == coefficient(process, "week_5")
    found = coefficient(process, "closed_tomorrow")
    assert pytest.approx(PLANTED.day_before_closed, abs=0.03) == found
    noise = np.sqrt(process.spreads.noise)
    np.testing.assert_allclose(noise, PLANTED.noise, rtol=0.2)


def test_a_store_that_gains_more_by_promotions_is_believed():
    panel = daily_panel()
    y = panel.y.copy()
    y[0] *= np.where(panel.plan["promo"][0] == 1, np.exp(0.3), 1.0)
    process = fit_days(replace(panel, y=y))
    promo = process.design.names.index("1 promo")
    own = process.found.own[:, promo]
    assert own[0] - own[1:].mean() > 0.2


def test_days_ahead_are_forecast_as_near_as_noise_lets_one():
    panel = daily_panel(n_days=502)
    history = panel.until(panel.periods[459])
    expected = fit_process(history).ahead(history, 42)
    off = expected - np.log(panel.y[:, 460:])
    assert np.sqrt(np.nanmean(off**2)) < 1.25 * PLANTED.noise


def test_a_level_that_has_moved_is_followed():
    panel = daily_panel()
    y = panel.y.copy()
    y[0, 320:] *= 1.5
    risen = replace(panel, y=y)
    rise = fit_process(risen).ahead(risen, 28)[0] - fit_process(panel).ahead(panel, 28)[0]
    np.testing.assert_allclose(rise, np.log(1.5), atol=0.06)


def test_a_later_history_moves_the_level_without_another_fit():
    panel = daily_panel(n_days=488)
    early = panel.until(panel.periods[459])
    process = fit_process(early)
    y = panel.y.copy()
    y[:, 460:] *= 1.3
    later = replace(panel, y=y)
    up = process.ahead(later, 14) - process.ahead(panel, 14)
    assert (up > 0.05).all()
    again = fit_process(panel).ahead(panel, 14)
    np.testing.assert_allclose(process.ahead(panel, 14), again, atol=0.03)


def test_the_profile_is_what_is_expected_but_for_the_level():
    panel = daily_panel()
    profile = fit_profile(panel)
    levels = fit_process(panel).ahead(panel, 42) - profile.at(panel.series, panel.after(42))
    np.testing.assert_allclose(levels, levels[:, :1] + np.zeros(42), atol=1e-12)


def test_a_profile_says_the_same_of_a_day_whoever_asks_with_it():
    panel = daily_panel(ahead=30)
    profile = fit_profile(panel)
    whole = profile.at(panel.series, np.append(panel.periods, panel.after(14)))
    np.testing.assert_array_equal(whole[:, -20:-14], profile.at(panel.series, panel.periods[-6:]))
    np.testing.assert_allclose(whole[:, -14:], profile.at(panel.series, panel.after(14)), atol=1e-6)
    some = profile.at(panel.series[3:5], panel.after(14))
    np.testing.assert_allclose(whole[3:5, -14:], some, atol=1e-6)


def test_models_that_share_a_profile_look_at_a_panel_once():
    panel = daily_panel(ahead=30)
    profile = PlanProfile.restore(fit_profile(panel).state)
    seen = profile.seeing(panel)
    otherwise = panel.planning(0, panel.n_periods + 3, {"promo": [1 - panel.plan["promo"][0, -27]]})
    other = profile.seeing(otherwise)
    assert seen.sight.past is profile.seeing(panel).sight.past is other.sight.past
    ahead = [of.at(panel.series, panel.after(5)) for of in (seen, other)]
    assert [[0, 3]] == np.argwhere(ahead[0] != ahead[1]).tolist()
    other = daily_panel(ahead=30, seed=1)
    expected = PlanProfile.restore(profile.state).seeing(other).at(other.series, other.after(14))
    for _ in range(2):
        np.testing.assert_array_equal(
            expected, profile.seeing(other).at(other.series, other.after(14))
        )


def test_a_day_of_another_millennium_takes_no_memory_for_the_days_until_it():
    panel = daily_panel(n_series=3, n_days=740)
    days = np.array(["2500-01-06", "9999-12-27"], dtype="datetime64[D]")
    known = fit_profile(panel)
    tracemalloc.start()
    each = [known.at(panel.series, days[at : at + 1]) for at in (0, 1)]
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 20_000_000
    assert np.isfinite(each).all()


def test_nothing_after_the_cutoff_moves_a_forecast():
    panel = daily_panel(n_days=520)
    with one_thread():
        compared, found = moved(panel, ALL_FORECASTERS, panel.periods[477], 42)
    assert compared > 1000
    assert [] == [str(movement) for movement in found]


def test_the_plan_after_the_last_target_day_does_not_matter():
    panel = daily_panel(ahead=60)
    plan = {name: values.copy() for name, values in panel.plan.items()}
    for values in plan.values():
        values[:, panel.n_periods + 14 :] = 0.0
    other = replace(panel, plan=plan)
    expected = fit_process(panel).ahead(panel, 14)
    np.testing.assert_array_equal(expected, fit_process(other).ahead(other, 14))


def test_a_plan_of_days_to_come_teaches_nothing():
    panel = daily_panel(ahead=14)
    process = fit_process(panel)
    otherwise = panel.planning(2, panel.n_periods, {"promo": [1, 0, 1], "open": [0]})
    assert process.learned(otherwise)[0] is process.found
    same = np.delete(process.ahead(panel, 14) == process.ahead(otherwise, 14), 2, axis=0)
    assert same.all()


def test_the_plan_of_the_target_days_does():
    panel = daily_panel(ahead=14)
    plan = {**panel.plan, "promo": panel.plan["promo"].copy()}
    plan["promo"][:, -14:] = 1 - plan["promo"][:, -14:]
    other = replace(panel, plan=plan)
    change = fit_process(other).ahead(other, 14) - fit_process(panel).ahead(panel, 14)
    np.testing.assert_allclose(np.abs(change), PLANTED.promotion, atol=0.12)


def test_beyond_the_plan_a_day_is_as_usual_on_its_weekday():
    panel = daily_panel()
    plan = {name: values.copy() for name, values in panel.plan.items()}
    friday = (panel.periods.astype(np.int64) + 3) % 7 == 4
    plan["promo"][:] = friday
    always = replace(panel, plan=plan)
    later = always.after(14)
    told = {
        "open": np.tile((later.astype(np.int64) + 3) % 7 != 6, (8, 1)).astype(float),
        "promo": np.tile((later.astype(np.int64) + 3) % 7 == 4, (8, 1)).astype(float),
    }
    planned = {name: np.hstack([plan[name], told[name]]) for name in plan}
    said = replace(always, plan=planned)
    expected = fit_process(said).ahead(said, 14)
    np.testing.assert_allclose(expected, fit_process(always).ahead(always, 14), atol=1e-9)


def test_a_store_without_history_is_not_guessed_at_and_moves_no_other():
    panel = daily_panel()
    silent = with_sales(panel, 3, 0, None, np.nan)
    expected = fit_process(silent).ahead(silent, 14)
    assert np.isnan(expected[3]).all()
    assert not np.isnan(np.delete(expected, 3, axis=0)).any()
    others = silent.select([name for name in silent.series if name != "4"])
    alone = fit_process(others).ahead(others, 14)
    np.testing.assert_allclose(alone, np.delete(expected, 3, axis=0), atol=0.02)


def test_a_store_that_opened_after_the_fit_has_the_calendar_of_the_chain():
    panel = daily_panel()
    known = panel.select(panel.series[:-1])
    at = fit_profile(known).at(panel.series, panel.periods[-70:])
    np.testing.assert_allclose(at[-1], at[:-1].mean(axis=0), atol=0.05)


def test_eight_weeks_are_enough_though_shops_close_on_sundays():
    POOLED.fit(daily_panel(n_days=56))
    with pytest.raises(NotEnoughData, match="the longest has 7"):
        POOLED.fit(daily_panel(n_days=49))


def without_plans(panel: Panel, *names: str) -> Panel:
    return replace(panel, plan={k: v for k, v in panel.plan.items() if k not in names})


@pytest.mark.parametrize("gone", [("open", "promo"), ("open",), ("promo",)])
def test_it_needs_no_plan(gone: tuple[str, ...]):
    whole = daily_panel(n_days=502)
    panel = without_plans(whole, *gone)
    history = panel.until(panel.periods[459])
    off = fit_process(history).ahead(history, 42) - np.log(panel.y[:, 460:])
    # Promotions that nobody tells of are taken for a season that will not return.
    limit = PLANTED.promotion if "promo" in gone else 0.08
    assert np.sqrt(np.nanmean(off**2)) < limit


def test_a_plan_of_numbers_is_a_straight_line():
    quiet = daily_panel(planted=Planted(promotion=0.0, noise=0.02))
    price = np.random.default_rng(1).normal(10.0, 2.0, quiet.y.shape)
    y = quiet.y * np.exp(-0.05 * (price - 10.0))
    panel = replace(quiet, y=y, plan={**quiet.plan, "price": price})
    process = fit_days(panel)
    assert pytest.approx(-0.05 * 2.0, abs=0.01) == coefficient(process, "2 price")


def test_pools_have_regressions_of_their_own():
    panel = daily_panel()
    kinds = np.array(["a"] * 4 + ["b"] * 4)
    y = panel.y * np.where((kinds == "b")[:, None] & (panel.plan["promo"] == 1), np.exp(0.4), 1.0)
    pooled = replace(panel, y=y, traits={"kind": kinds}, pooled_by="kind")
    part = pooled.select(pooled.series[4:])
    alone = replace(part, traits={}, pooled_by=None)
    expected = fit_process(alone).ahead(alone, 14)
    np.testing.assert_array_equal(expected, fit_process(pooled).ahead(pooled, 14)[4:])
    at = fit_profile(pooled).at(pooled.series, pooled.after(14))
    np.testing.assert_array_equal(at[4:], fit_profile(alone).at(alone.series, alone.after(14)))


def test_less_than_a_year_of_days_teaches_no_season():
    """Thirteen weeks of a year say nothing of the next thirteen."""
    whole = daily_panel(n_series=4, n_days=182)
    history = whole.until(whole.periods[90])
    found = np.where(np.isnan(whole.y[:, 91:]), 0.0, POOLED.fit(history).predict(history, 91))
    assert 0.95 < found.sum() / np.nansum(whole.y[:, 91:]) < 1.05
    for n_days, told in ((363, False), (364, True)):
        names = fit_days(daily_panel(n_series=2, n_days=n_days)).design.names
        assert told == any(name.startswith("season") for name in names)


def weekends_of_summer(n_days: int) -> tuple[Panel, np.ndarray]:
    """Stores that sell on weekends from half to twice as much by the time of the year, 28 ahead."""
    panel = daily_panel(n_series=4, n_days=n_days + 28)
    since_new_year = (panel.periods - panel.periods.astype("datetime64[Y]")).astype(int)
    weekend = (panel.periods.astype(int) + 3) % 7 >= 5
    turns = np.exp(0.6 * weekend * np.cos(2 * np.pi * (since_new_year - 200) / 365.25))
    sold = panel.y * turns
    return replace(panel, y=sold).until(panel.periods[n_days - 1]), sold[:, n_days:]


def test_weekends_that_sell_more_in_summer_than_in_winter_are_forecast_so():
    history, sold = weekends_of_summer(820)

    off = fit_process(history).ahead(history, 28) - np.log(sold)

    assert np.sqrt(np.nanmean(off**2)) < 1.4 * PLANTED.noise


def test_a_process_from_before_weekdays_turned_has_the_columns_of_its_coefficients():
    history, _ = weekends_of_summer(820)
    process = fit_days(history)
    design = {k: v for k, v in process.state["design"].items() if k != "turning"}

    names = DailyProcess.restore({**process.state, "design": design}).design.names

    turning = tuple(name for name in process.design.names if name.startswith("turning"))
    assert len(turning) == 12
    assert names == tuple(name for name in process.design.names if name not in turning)


def every_third_week(n_series: int = 4) -> tuple[Panel, np.ndarray]:
    """Stores that sell more each third week, which no plan says; and 28 days to come."""
    panel = daily_panel(n_series=n_series, n_days=388)
    sold = panel.y * np.exp(0.5 * (np.arange(panel.n_periods) // 7 % 3 == 1))
    return replace(panel, y=sold).until(panel.periods[359]), sold[:, 360:]


@pytest.mark.parametrize("n_series", [1, 4])
def test_a_promotion_each_third_week_that_no_plan_says_is_forecast_in_its_weeks(n_series):
    history, sold = every_third_week(n_series)

    off = fit_process(history).ahead(history, 28) - np.log(sold)

    assert np.sqrt(np.nanmean(off**2)) < 1.4 * PLANTED.noise


def test_what_a_plan_says_and_noise_are_no_cycle_of_weeks():
    panel = daily_panel()
    planned = (np.arange(panel.n_periods) // 7 % 2).astype(float)
    fortnights = replace(
        panel,
        y=panel.y * np.exp(0.5 * planned),
        plan={**panel.plan, "offer": np.tile(planned, (panel.n_series, 1))},
    )
    for one in (panel, fortnights):
        assert fit_days(one).design.cycle == 0


def test_a_series_that_is_not_known_yet_does_not_hide_the_cycle_of_the_others():
    history, _ = every_third_week()
    history.y[0], history.y[1, :330] = np.nan, np.nan

    assert fit_days(history).design.cycle == 3


def test_a_process_from_before_cycles_has_none():
    state = fit_days(daily_panel(n_series=2)).state
    design = {k: v for k, v in state["design"].items() if k != "cycle"}

    assert DailyProcess.restore({**state, "design": design}).design.cycle == 0


def growing(a_year: float, n_days: int) -> tuple[Panel, np.ndarray]:
    """Stores that grow beside what was planted, and the days of `n_days` after their history."""
    panel = daily_panel(n_days=n_days + 90)
    growth = np.exp(a_year * np.arange(panel.n_periods) / 365.25)
    history = replace(panel, y=panel.y * growth)
    return history.until(history.periods[n_days - 1]), (panel.y * growth)[:, n_days:]


@pytest.mark.parametrize("a_year", [0.35, -0.35])
def test_growth_of_two_years_and_more_goes_on(a_year):
    history, sold = growing(a_year, 900)

    expected = np.exp(fit_process(history).ahead(history, 90))

    known = ~np.isnan(sold)
    assert pytest.approx(1.0, abs=0.03) == expected[known].sum() / sold[known].sum()


def test_less_than_two_years_are_not_told_from_a_season_and_teach_no_growth():
    history, _ = growing(0.35, 720)

    assert "growth" not in fit_days(history).design.names


def test_growth_ends_a_year_after_what_it_was_learned_from():
    history, _ = growing(0.35, 900)
    profile = fit_profile(history)

    def level(after: int) -> float:
        days = history.periods[-1] + np.arange(after, after + 364)
        return float(profile.at(history.series, days).mean())

    assert pytest.approx(level(364), abs=0.05) == level(5 * 364)
    assert level(364) > level(1) + 0.1

"""Plans of weekly panels: what they move is found, kept, and added again to what is to come."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sales_forecast.data.panel import Panel
from sales_forecast.errors import NotEnoughData
from sales_forecast.features.features import History, feature_names
from sales_forecast.features.plan_effects import PlanEffects
from sales_forecast.models.arima import ARIMA
from sales_forecast.models.ets import ETS
from sales_forecast.models.fit_cache import fit_once
from sales_forecast.models.pooled import POOLED, fit_process, fit_profile
from sales_forecast.models.trees import XGBOOST
from tests.builders import sample_panel
from tests.trained import through_a_bundle

WEEKS, AHEAD = 143, 13
EFFECT = 0.3


def promoted(*, every: int = 5, effect: float = EFFECT) -> Panel:
    """Stores that sell a third more in weeks of a promotion, which is planned 13 weeks ahead."""
    panel = sample_panel(6, WEEKS)
    plan = (np.arange(WEEKS + AHEAD) + np.arange(6)[:, None]) % every == 0
    y = panel.y * np.exp(effect * plan[:, :WEEKS])
    return replace(panel, y=y, plan={"promotion": plan.astype(float)}, conditions={})


def test_the_effect_of_a_plan_is_found_in_every_series():
    effects = PlanEffects.fit(promoted())
    assert pytest.approx(EFFECT, abs=0.03) == effects.chain[0]
    for own in effects.own.values():
        assert pytest.approx(EFFECT, abs=0.05) == own[0]


def test_a_promotion_that_triples_sales_is_believed_and_an_accident_is_not():
    panel = promoted(effect=1.2)
    y = panel.y.copy()
    y[:, 20::40] *= np.exp(2)  # among them weeks of promotions
    effects = PlanEffects.fit(replace(panel, y=y))
    np.testing.assert_allclose(np.array([*effects.own.values()])[:, 0], 1.2, atol=0.1)


def test_series_that_answer_to_it_otherwise_have_their_own():
    panel = promoted()
    weak = panel.y.copy()
    weak[0] /= np.exp(EFFECT * panel.plan["promotion"][0, :WEEKS])
    own = PlanEffects.fit(replace(panel, y=weak)).own
    assert own[panel.series[0]][0] < 0.1
    assert own[panel.series[5]][0] > 0.25


def test_a_plan_that_never_changes_has_no_effect():
    panel = promoted()
    constant = replace(panel, plan={**panel.plan, "open": np.full((6, WEEKS + AHEAD), 6.0)})
    assert 0 == PlanEffects.fit(constant).chain[1]


def test_what_is_left_over_has_no_promotions():
    panel = promoted()
    rest = PlanEffects.fit(panel).without(panel)
    np.testing.assert_allclose(rest.y / rest.y[:, :1], _plain() / _plain()[:, :1], rtol=0.06)


def _plain() -> np.ndarray:
    return sample_panel(6, WEEKS).y


@pytest.mark.parametrize("model", [POOLED, ARIMA, ETS], ids=lambda model: model.name)
def test_a_promotion_to_come_is_expected_by_every_model_that_learns(model):
    panel = promoted()
    with_it = fit_once(model, panel).predict(panel, AHEAD)
    without = replace(panel, plan={"promotion": panel.plan["promotion"][:, :WEEKS]})
    usual = fit_once(model, panel).predict(without, AHEAD)
    planned = panel.plan["promotion"][:, WEEKS:] == 1
    ratio = with_it / usual
    assert ratio[planned].min() > ratio[~planned].max() * 1.25


def test_where_the_plan_ends_it_is_as_usual():
    panel = promoted()
    effects = PlanEffects.fit(panel)
    assert (effects.at(panel, WEEKS + AHEAD, WEEKS + AHEAD + 3) == 0).all()


def priced() -> Panel:
    """Stores whose prices are far apart and often a fifth lower, which sells half as much again."""
    panel = promoted()
    usual = np.array([2.0, 4.0, 8.0, 16.0, 32.0, 64.0])[:, None]
    return replace(panel, plan={"price": usual * (1 - panel.plan["promotion"] / 5)})


@pytest.mark.parametrize("model", [POOLED, ARIMA, ETS], ids=lambda model: model.name)
def test_where_the_prices_end_sales_stay_what_they_were(model):
    panel = priced()
    whole = fit_once(model, panel).predict(panel, AHEAD)
    ends = replace(panel, plan={"price": panel.plan["price"][:, : WEEKS + 4]})
    found = fit_once(model, panel).predict(ends, AHEAD)
    usual = panel.plan["price"][:, WEEKS:] == panel.plan["price"].max(axis=1)[:, None]
    np.testing.assert_allclose(found[usual], whole[usual], rtol=1e-9)
    assert (found[:, 4:][~usual[:, 4:]] < whole[:, 4:][~usual[:, 4:]] / 1.2).all()


def test_where_planned_weather_ends_the_season_goes_on_as_a_year_before():
    panel = sample_panel(6, WEEKS)
    swing = 10 * np.cos(2 * np.pi * np.arange(WEEKS + AHEAD) / 52)
    noise = np.random.default_rng(0).normal(0, 3, WEEKS + AHEAD)
    warmth = np.tile(swing + noise, (6, 1))
    panel = replace(
        panel, y=panel.y * np.exp(0.03 * warmth[:, :WEEKS]), plan={"warmth": warmth}, conditions={}
    )
    effects = PlanEffects.fit(panel)
    ends = replace(panel, plan={"warmth": warmth[:, : WEEKS + 2]})
    found = effects.at(ends, WEEKS, WEEKS + AHEAD)
    np.testing.assert_allclose(found[0, 2:], 0.03 * swing[-AHEAD + 2 :], atol=0.1)


def test_a_tenth_off_is_the_same_for_what_costs_2_and_what_costs_60():
    effects = PlanEffects.fit(priced())
    own = np.array([*effects.own.values()])[:, 0]
    np.testing.assert_allclose(own, effects.chain[0], rtol=0.1)


def test_series_that_are_not_known_answer_as_all_do():
    effects = PlanEffects.fit(promoted())
    other = replace(promoted(), series=tuple("abcdef"))
    np.testing.assert_allclose(
        effects.at(other, 0, WEEKS),
        effects.chain[0] * (other.plan["promotion"][:, :WEEKS] - effects.usual[0]),
    )


@pytest.mark.parametrize("weeks", [1, 12, 50])
def test_too_few_weeks_are_refused_with_both_numbers(weeks: int) -> None:
    panel = promoted()
    short = panel.until(panel.periods[weeks - 1])
    with pytest.raises(NotEnoughData, match=f"at least 56 weeks .* the longest has {weeks}"):
        XGBOOST.fit(short)


def test_it_never_reads_sales_or_plans_of_later_weeks():
    panel, cutoff = promoted(), np.datetime64(promoted().periods[99])
    early = panel.until(cutoff)
    changed = replace(panel, y=np.where(np.arange(WEEKS) > 99, 1.0, panel.y)).until(cutoff)
    first, second = (fit_process(of).ahead(of, 4) for of in (early, changed))
    np.testing.assert_array_equal(first, second)


def test_it_comes_back_from_a_bundle_as_it_was():
    panel = promoted()
    fitted = {model.name: fit_once(model, panel) for model in (POOLED, ARIMA, XGBOOST)}
    for name, model in through_a_bundle(fitted, len(feature_names(panel))).items():
        expected = fitted[name].predict(panel, AHEAD)
        np.testing.assert_allclose(model.predict(panel, AHEAD), expected, rtol=1e-4)


def test_the_profile_tells_what_a_past_week_owes_to_its_plan():
    panel = promoted()
    past = History(panel, fit_profile(panel))
    assert np.nanstd(np.diff(past.adjusted, axis=1)) < 0.1 < np.nanstd(np.diff(np.log(panel.y)))


def test_a_plan_of_which_nothing_is_known_does_not_hide_the_others() -> None:
    panel = promoted()
    alone = PlanEffects.fit(panel)
    unknown = np.full_like(panel.plan["promotion"], np.nan)
    both = PlanEffects.fit(replace(panel, plan={**panel.plan, "weather": unknown}))
    np.testing.assert_allclose(both.chain, [alone.chain[0], 0.0], atol=1e-12)
    assert alone.chain[0] > 0.25

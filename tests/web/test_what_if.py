"""What if it were planned otherwise, without a browser: the answer of a plan that was loaded."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from sales_forecast.bundles.bundle import read_bundle
from sales_forecast.service.measured_effects import measured_effect
from sales_forecast.service.predictor import Predictor
from sales_forecast.service.what_if import levers, what_if
from sales_forecast.service.what_if_route import WhatIfAnswer
from sales_forecast.training.challenger import baseline_challenger
from tests.service.conftest import ask_app
from tests.trained import read
from tests.two_keys import panel
from tests.web.odd import ARTICLE, PRICE, SHOP
from tests.web.world import get

STEPS = 14
MONDAY, SUNDAY, WEDNESDAY = "2014-04-07", "2014-04-06", "2014-04-09"
WISH = {"promo": [None, 1, None, 0], "open": [None, None, None, 0]}


@pytest.fixture(scope="module")
def days_live(days_shop):
    with days_shop.live() as live:
        yield live


@pytest.fixture
def days_app(days_shop, days_live):
    return days_shop.app(days_live)


def sent(store: object = 2, **wishes: object) -> str:
    told = {"store_id": store, **{name.replace("_", " "): of for name, of in wishes.items()}}
    return "/what-if?" + "&".join(f"{name}={value}" for name, value in told.items())


def wished(column: str, day: str, value: object) -> dict[str, object]:
    return {f"{column}_{day}": value}


def loaded(panel, store):
    """A panel into whose plan WISH was loaded."""
    plan = {name: values.copy() for name, values in panel.plan.items()}
    for name, values in WISH.items():
        for step, value in enumerate(values):
            if value is not None:
                plan[name][panel.positions[store], panel.n_periods + step] = value
    return replace(panel, plan=plan)


@pytest.mark.parametrize("model", ["arima", "rf_xgb_mean"])
def test_a_wish_is_answered_as_if_its_plan_were_loaded(days_shop, model):
    bundle = read_bundle(Path(days_shop.settings.model_uri))
    panel = days_shop.panel
    before, after = Predictor(bundle, panel), Predictor(bundle, loaded(panel, "2"))
    for of in (before, after):
        of.forecasting = {"best": model}
    found = what_if(before, (2,), WISH)
    expected = after.forecast((2,), STEPS, "best")
    assert [(of.lower, of.upper) for of in expected] == [(of.lower, of.upper) for of in found]
    assert after.means((2,), STEPS, "best") == [of.mean for of in found]
    assert before.means((2,), STEPS, "best") != [of.mean for of in found]


def test_the_page_says_what_a_wish_changes(days_app, days_live):
    page = get(days_app, sent(**wished("Promo", MONDAY, 1), **wished("Open", WEDNESDAY, 0)))
    assert 200 == page.status_code
    wish = {"promo": [None, 1], "open": [None, None, None, 0]}
    found = what_if(days_live.predictor, (2,), wish)
    before = days_live.predictor.means((2,), STEPS, "best")
    for one, base in zip(found, before, strict=True):
        assert f"{one.mean:,.2f}</td>" in page.text
        assert f"{one.mean - base:+,.2f}</td>" in page.text
    total, planned = sum(of.mean for of in found), sum(before)
    assert f"{total / planned - 1:+.1%}" in page.text
    assert found[1].mean > before[1] * 1.2
    assert 0 == found[3].mean


def test_only_what_was_seen_both_ways_on_a_weekday_may_be_wished(days_app):
    offered = re.findall(
        r'<select id="[^"]*" name="([^"]* \d{4}-\d\d-\d\d)"', get(days_app, sent()).text
    )
    assert {f"Open {WEDNESDAY}", "Open 2014-04-16"} == {of for of in offered if "Open" in of}
    assert f"Promo {MONDAY}" in offered
    assert f"Promo {SUNDAY}" not in offered
    assert not [of for of in offered if "Holiday" in of]
    page = get(days_app, sent(**wished("Open", SUNDAY, 1)))
    assert f"no effect of it on this series was measured then: Open {SUNDAY}." in page.text


def test_what_never_changed_and_what_the_model_does_not_look_at_is_not_offered(days_shop):
    panel = days_shop.panel
    bundle = read_bundle(Path(days_shop.settings.model_uri))
    never = {**panel.plan, "promo": np.zeros_like(panel.plan["promo"])}
    found = levers(Predictor(bundle, replace(panel, plan=never)), (2,))
    assert ["Open"] == [of.of.column for of in found]
    baseline = read(baseline_challenger(panel, "made for tests", {}, "").sealed)
    assert ["Open"] == [of.of.column for of in levers(Predictor(baseline, panel), (2,))]


def test_where_nothing_is_planned_ahead_it_is_said_what_is_taken_for_it(days_shop):
    panel = days_shop.panel
    known = {name: values[:, : panel.n_periods] for name, values in panel.plan.items()}
    bundle = read_bundle(Path(days_shop.settings.model_uri))
    predictor = Predictor(bundle, replace(panel, plan=known))
    opened, promotion = levers(predictor, (2,))
    assert [None] * STEPS == opened.planned
    assert [0, *[1] * 6] * 2 == opened.taken, "closed on Sundays"
    wish = {"open": opened.taken, "promo": promotion.taken}
    found = [of.mean for of in what_if(predictor, (2,), wish)]
    assert predictor.means((2,), STEPS, "best") == found


def test_without_anything_planned_the_page_says_so_and_offers_nothing(app):
    page = get(app, "/what-if?store_id=2")
    assert 200 == page.status_code
    assert "there is nothing to try" in page.text
    assert "<select" not in page.text
    assert "/what-if?" not in get(app, "/series?store_id=2").text


def test_a_series_leads_to_its_form_which_asks_nothing_yet(days_app):
    address = re.search(r'href="(/what-if\?[^"]*)"', get(days_app, "/series?store_id=3").text)
    assert address is not None
    page = get(days_app, address[1]).text
    assert '<option value="3" selected>' in page
    assert "The answer comes here." in page


@pytest.mark.parametrize(
    ("store", "value", "status", "said"),
    [
        (2, "2", 422, f"Promo {MONDAY} must be less than or equal to 1, not 2."),
        (2, "abc", 422, f"Promo {MONDAY} must be a valid integer, not &#34;abc&#34;."),
        (99, "1", 404, "Store 99 is not in the model."),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_the_api(days_app, store, value, status, said):
    page = get(days_app, sent(store, **wished("Promo", MONDAY, value)))
    assert status == page.status_code
    assert said in page.text


def test_a_number_is_wished_within_what_was_seen(odd_shop):
    with odd_shop.live() as live:
        app, series = odd_shop.app(live), live.predictor.series.named[0]
        keys = dict(zip(live.predictor.forms.fields, series, strict=True))
        (price, _) = levers(live.predictor, series)
        name = f"{price.of.column} {live.predictor.example[1]}"
        page = get(app, "/what-if", params={**keys, name: "1,2"})
        told = what_if(live.predictor, series, {price.of.name: [1.2]})[0].mean
        assert f"{told:,.2f}</td>" in page.text
        page = get(app, "/what-if", params={**keys, name: "5"})
        assert f"{name} must be less than or equal to 2, not 5." in page.text


def noisy(n_series, effect, noise, seed):
    """Weekly sales that grow and have a season; promotions add `effect` to their logarithm."""
    rng = np.random.default_rng(seed)
    weeks = np.arange(160)
    promo = (rng.random((n_series, 160)) < 0.3).astype(np.float64)
    price = rng.choice([1.0, 1.5, 2.0], (n_series, 160)) + 0.3 * promo
    season = 6 + 0.001 * weeks + 0.1 * np.sin(2 * np.pi * weeks / 52)
    shared = rng.normal(0, noise, 160)  # what moves all series alike
    errors = shared + rng.normal(0, noise, (n_series, 160))
    y = np.exp(season + effect * promo - 0.4 * price + errors)
    made = panel(160)
    return replace(
        made, y=np.resize(y, (made.n_series, 160)), plan={"promo": promo, "price": price}
    ), range(n_series)


@pytest.mark.parametrize("effect", [0.0, 0.25])
def test_the_effect_that_was_planted_lies_within_two_standard_errors_in_19_of_20_cases(effect):
    within = 0  # by t of 19 degrees of freedom
    for seed in range(200):
        sales, rows = noisy(3, effect, 0.1, seed)
        found = measured_effect(sales, rows, "promo", 1.0)
        assert found.blocks in {19, 20}  # by chance one has no promotion
        within += abs(found.effect - np.expm1(effect)) < 2.09 * found.standard_error
    assert 181 <= within <= 198


def test_an_effect_is_the_regression_on_a_column_for_each_block_and_series():
    sales, rows = noisy(2, 0.25, 0.1, 0)
    columns = [sales.plan["promo"][:2].ravel(), sales.plan["price"][:2].ravel()]
    blocks = [np.repeat(np.arange(40), [8] * 40) == number for number in range(40)]
    design = np.column_stack([*columns, *blocks]).astype(np.float64)
    slope = np.linalg.lstsq(design, np.log(sales.y[:2]).ravel())[0][0]
    assert slope == pytest.approx(np.log1p(measured_effect(sales, rows, "promo", 1.0).effect))


def test_what_was_planned_both_ways_too_seldom_or_sold_one_way_alone_has_no_measured_effect():
    sales, rows = noisy(2, 0.25, 0.1, 0)
    late = sales.plan["promo"].copy()
    late[:, :120] = 0
    seldom = replace(sales, plan={"promo": late})
    assert measured_effect(seldom, rows, "promo", 1.0) is None
    closed = replace(sales, y=np.where(np.resize(late, sales.y.shape) == 1, sales.y, 0))
    assert measured_effect(closed, rows, "promo", 1.0) is None


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_plans_that_always_change_together_have_no_effect_of_their_own(noise):
    sales, rows = noisy(2, 0.25, 0.1, 0)
    promo = sales.plan["promo"]
    jitter = noise * np.random.default_rng(0).standard_normal(promo.shape)
    together = replace(sales, plan={"promo": promo, "price": 2.5 * (1 - 0.2 * promo) + jitter})
    for name in together.plan:
        assert (measured_effect(together, rows, name, 1.0) is None) is (noise == 0)


def test_the_page_says_how_sure_an_effect_is_and_on_what_it_was_measured(days_app, days_shop):
    page = get(days_app, sent(**wished("Promo", MONDAY, 1))).text
    sales = days_shop.panel
    found = measured_effect(sales, [sales.positions["2"]], "promo", 1.0)
    assert f'Promo no → yes</th><td class="n">{found.effect:+.1%}</td>' in page
    assert f'<td class="n">{found.standard_error:.1%}</td>' in page
    assert f"this series, {found.blocks} times eight weeks" in page
    assert "Open no → yes" not in page


def test_where_a_series_never_tells_the_effect_is_that_of_all_series_together(days_shop):
    sales = days_shop.panel
    promo = sales.plan["promo"].copy()
    promo[sales.positions["2"]] = 0
    bundle = read_bundle(Path(days_shop.settings.model_uri))
    predictor = Predictor(bundle, replace(sales, plan={**sales.plan, "promo": promo}))
    (of,) = (of for of in levers(predictor, (2,)) if of.of.column == "Promo")
    assert of.effect == measured_effect(predictor.panel, range(4), "promo", 1.0)
    assert 4 == of.effect.series


def day_first(day):
    return "-".join(reversed(str(day).split("-")))


def ask(app, **planned):
    return ask_app(app, "POST", "/what_if", {"store_id": 2, "planned": planned})


def test_the_api_answers_what_the_page_shows(days_app, days_live):
    planned = {MONDAY: {"Promo": 1}, WEDNESDAY: {"Promo": 0, "Open": 0}}
    answer = ask(days_app, **planned).json()
    found = what_if(days_live.predictor, (2,), WISH)
    before = days_live.predictor.means((2,), STEPS, "best")
    assert [of.mean for of in found] == [of["as_wished"] for of in answer["periods"]]
    assert before == [of["as_planned"] for of in answer["periods"]]
    for of, mean in zip(answer["periods"], before, strict=True):
        assert round(of["as_wished"] - mean, 2) == of["difference"]
    assert [(of.lower, of.upper) for of in found] == [
        (of["lower"], of["upper"]) for of in answer["periods"]
    ]
    assert round(sum(of.mean for of in found) - sum(before), 2) == answer["difference"]
    sales = days_live.predictor.panel
    effect = measured_effect(sales, [sales.positions["2"]], "promo", 1.0)
    assert answer["effects"]["Promo"] == {"from": 0, "to": 1, **asdict(effect)}
    assert answer["effects"]["Open"]["effect"] is None
    assert set(answer) == {*WhatIfAnswer.model_fields}


@pytest.mark.parametrize(
    ("planned", "said"),
    [
        ({SUNDAY: {"Open": 1}}, f"Open of {SUNDAY} cannot be planned otherwise: no effect of it"),
        ({MONDAY: {"Rain": 1}}, "An effect was measured of: Promo."),
        ({WEDNESDAY: {"Rain": 1}}, "An effect was measured of: Open, Promo."),
        ({MONDAY: {"Promo": 2}}, f"Promo of {MONDAY} must be 0 or 1, not 2."),
        ({MONDAY: {"Promo": 0.5}}, f"Promo of {MONDAY} must be 0 or 1, not 0.5."),
        ({"2015-01-01": {"Promo": 1}}, "may be planned otherwise: 2014-04-06 to 2014-04-19."),
        ({SUNDAY: {"Open": 1}}, "An effect was measured of: nothing."),
        ({"2014-13-01": {"Promo": 1}}, '"planned.2014-13-01 must be a real day'),
        (
            {MONDAY: {"Promo": 1}, day_first(MONDAY): {"Promo": 0}},
            f"Promo of {MONDAY} is given more than once.",
        ),
        ({}, "planned"),
    ],
)
def test_the_api_refuses_what_cannot_be_told_of_and_leaves_nothing_out(days_app, planned, said):
    answer = ask(days_app, **planned)
    assert 422 == answer.status_code
    assert said in answer.text


def test_the_api_of_sales_without_plans_says_that_nothing_was_measured(app):
    answer = ask(app, **{"2012-11-02": {"Promo": 1}})
    assert (422, True) == (answer.status_code, "measured of: nothing." in answer.text)


def test_the_example_of_the_documentation_wishes_what_the_loaded_panel_plans(odd_shop):
    with odd_shop.served() as app:
        asked = ask_app(app, "GET", "/openapi.json").json()["paths"]["/what_if"]["post"]
        example = asked["requestBody"]["content"]["application/json"]["example"]
        assert 200 == ask_app(app, "POST", "/what_if", example).status_code


def test_the_api_may_be_asked_with_any_day_of_a_week(odd_shop):
    with odd_shop.live() as live:
        app, keys = (
            odd_shop.app(live),
            dict(zip((SHOP, ARTICLE), live.predictor.series.named[0], strict=True)),
        )
        answer = ask_app(app, "POST", "/what_if", keys | {"planned": {"2022-06-29": {PRICE: 1.2}}})
        told = what_if(live.predictor, live.predictor.series.named[0], {PRICE: [1.2]})
    assert [of.mean for of in told] == [of["as_wished"] for of in answer.json()["periods"]]

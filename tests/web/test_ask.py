"""The form that asks, without a browser: what it begins with, what it answers, what it keeps."""

from __future__ import annotations

import re

import pytest

from tests.service.conftest import ask_app
from tests.web.world import get

FIELDS = {"Store": 2, "Date": "2012-11-02", "Holiday_Flag": 0, "Temperature": 60}
FIELDS |= {"Fuel_Price": 3.4, "CPI": 200, "Unemployment": 8}


def sent(**changed: object) -> str:
    return "/ask?" + "&".join(f"{name}={value}" for name, value in (FIELDS | changed).items())


def test_the_form_begins_with_the_next_week_and_what_was_known_last(app, shop):
    page = get(app, "/ask")
    assert 200 == page.status_code
    begun = dict(re.findall(r'<input id="f-[^"]+" name="([^"]+)" value="([^"]*)"', page.text))
    conditions = shop.panel.conditions
    told = {name: f"{conditions[name][0, -1]:g}" for name in ("Temperature", "CPI", "Fuel_Price")}
    assert {"Date": "2012-11-02", **told} == {name: begun[name] for name in ("Date", *told)}


def test_the_answer_is_that_of_the_api_with_what_made_it(app):
    page = get(app, sent())
    answer = ask_app(app, "POST", "/predict_sales", FIELDS).json()
    for number in (answer["prediction"], *answer["interval_80"], *answer["models"].values()):
        assert f"{number:,.2f}" in page.text


def test_the_part_that_a_script_puts_in_place_is_no_whole_page(app):
    part = get(app, sent(), headers={"X-Part": "1"}).text
    assert "<html" not in part
    assert 'id="answer"' in part


@pytest.mark.parametrize(
    ("field", "value", "status", "said"),
    [
        ("CPI", "abc", 422, "CPI must be a valid number, not &#34;abc&#34;."),
        ("CPI", "", 422, "CPI is required."),
        ("Date", "31-02-2012", 422, "Date must be a real day written DD-MM-YYYY"),
        ("Store", "99", 404, "Store 99 is not in the model. Known stores: 1-4."),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_the_api(app, field, value, status, said):
    page = get(app, sent(**{field: value}))
    assert status == page.status_code
    assert said in page.text


def test_what_training_never_saw_is_said_and_what_changes_nothing_too(app):
    page = get(app, sent(Temperature=150)).text
    assert "Temperature 150 is outside what the models were trained on" in page
    assert "no measured effect" in page
    page = get(app, sent(Temperature=1500000)).text
    assert "Temperature 1500000 is outside" in page
    assert "e+06" not in page


def test_a_plan_that_is_asked_for_is_answered_by_and_shown_beside_what_is_planned(days_shop):
    with days_shop.served() as app:
        page = get(app, "/ask?Store=2&Date=2014-04-07&Promo=1").text
        body = {"Store": 2, "Date": "2014-04-07", "Promo": 1}
        answer = ask_app(app, "POST", "/predict_sales", body).json()
    assert f"{answer['prediction']:,.2f}" in page
    for row in (
        '>Promo</th><td class="n">1</td><td>supplied<',
        '>Open</th><td class="n">1</td><td>planned<',
    ):
        assert row in page
    assert "looks at no conditions" not in page, "there are none"

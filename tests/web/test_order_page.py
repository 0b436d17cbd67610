"""How much to order, without a browser: the page reads and says what the API does."""

from __future__ import annotations

import re

import pytest

from tests.service.conftest import ask_app
from tests.web.world import get

ASKED = {"store_id": 2, "step": 3, "cost_of_one_too_many": 1, "cost_of_one_too_few": 4}


def sent(**changed: object) -> str:
    return "/order?" + "&".join(f"{name}={value}" for name, value in (ASKED | changed).items())


def test_the_page_says_what_the_api_answers(app):
    page, told = get(app, sent()), ask_app(app, "POST", "/order_quantity", ASKED).json()
    assert 200 == page.status_code
    for name in ("quantity", "expected_cost", "expected_cost_of_forecast", "forecast"):
        assert f"{told[name]:,.2f}" in page.text
    assert "enough in 80.0% of cases" in page.text


def test_a_series_leads_to_its_form_which_asks_nothing_yet(app):
    address = re.search(r'href="(/order\?[^"]*)"', get(app, "/series?store_id=3").text)
    assert address is not None
    page = get(app, address[1])
    assert 200 == page.status_code
    assert '<option value="3" selected>' in page.text
    assert "The answer comes here." in page.text
    assert "/order?" not in get(app, "/series").text


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("cost_of_one_too_many", "abc"),
        ("cost_of_one_too_many", 0),
        ("cost_of_one_too_few", -1),
        ("step", 53),
        ("step", 1.5),
        ("store_id", 99),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_the_api(app, field, value):
    page = get(app, sent(**{field: value}))
    refused = ask_app(app, "POST", "/order_quantity", ASKED | {field: value})
    assert refused.status_code == page.status_code
    message = refused.json()["error"]["message"]
    assert message.replace('"', "&#34;").replace("'", "&#39;") in page.text


def test_the_part_that_a_script_puts_in_place_is_no_whole_page(app):
    part = get(app, sent(), headers={"X-Part": "1"}).text
    assert "<html" not in part
    assert 'id="answer"' in part

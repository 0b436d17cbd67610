"""What holds for every page: safe headers, files that are kept, failures in words."""

from __future__ import annotations

import re

from sales_forecast.errors import DatabaseError
from sales_forecast.service.app import create_app
from sales_forecast.service.live import Live
from sales_forecast.settings import Settings
from sales_forecast.web.pages import Pages
from tests.fakes import LiveStub
from tests.service.conftest import ask_app, error_of


def test_a_page_lets_nothing_in_from_elsewhere(app):
    headers = ask_app(app, "GET", "/").headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert ("nosniff", "no-store") == (headers["x-content-type-options"], headers["cache-control"])
    assert "x-request-id" in headers


def test_files_are_named_by_what_is_in_them_and_kept_for_a_year(app):
    page = ask_app(app, "GET", "/").text
    addresses = {*re.findall(r'(?:href|src)="(/static/[^"]+)"', page)}
    assert {".css", ".js", ".svg"} == {address[address.rfind(".") :] for address in addresses}
    for address in addresses:
        response = ask_app(app, "GET", address)
        assert 200 == response.status_code
        assert "public, max-age=31536000, immutable" == response.headers["cache-control"]
    assert 404 == ask_app(app, "GET", "/static/page.000000000000.css").status_code


def test_there_is_an_icon_for_whoever_asks(app):
    assert "image/svg+xml" == ask_app(app, "GET", "/favicon.ico").headers["content-type"]


def test_head_is_answered_as_get_without_a_body(app):
    response = ask_app(app, "HEAD", "/")
    assert (200, b"") == (response.status_code, response.content)


def test_another_method_is_told_which_are_right(app):
    for path, right in (("/", "GET, HEAD"), ("/history/clear", "GET, HEAD, POST")):
        response = ask_app(app, "PUT", path)
        assert (405, right) == (response.status_code, response.headers["allow"])
        assert f"PUT {path} is not answered here; {right} is." in response.text


def test_nobody_is_led_to_the_host_that_they_name(app):
    assert 404 == ask_app(app, "GET", "/static/page.css/", headers={"Host": "x.y"}).status_code


def test_what_is_not_ready_is_said_in_the_words_of_the_api(tmp_path):
    live = LiveStub(None, "The database holds no sales yet.")
    app = create_app(live, pages=Pages(live, Settings(var_dir=tmp_path)))
    response = ask_app(app, "GET", "/")
    assert 503 == response.status_code
    assert "The database holds no sales yet." in response.text


def test_who_asks_for_too_many_pages_is_told_when_to_come_back_but_for_their_files(live, tmp_path):
    settings = Settings(var_dir=tmp_path, rate_limit=2, trusted_proxies="127.0.0.0/8")
    app = create_app(live, pages=Pages(live, settings))
    far, other = ({"X-Forwarded-For": address} for address in ("203.0.113.7", "203.0.113.8"))
    answers = [ask_app(app, "GET", "/series", headers=far) for _ in range(3)]

    assert 429 == answers[2].status_code
    assert not {429} & {of.status_code for of in answers[:2]}
    assert "30" == answers[2].headers["retry-after"]
    assert "More than 2 requests in a minute. Ask again in 30 s." in answers[2].text
    assert 404 == ask_app(app, "GET", "/static/none.css", headers=far).status_code
    assert 429 != ask_app(app, "GET", "/series", headers=other).status_code


def test_a_browser_that_is_lost_gets_a_page_and_a_program_the_shape_of_errors(app):
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    lost = ask_app(app, "GET", "/overveiw", headers=browser)
    assert (404, "text/html; charset=utf-8") == (lost.status_code, lost.headers["content-type"])
    assert "There is nothing at /overveiw." in lost.text
    for path in ("/health", "/openapi.json", "/predictions/none"):
        answer = ask_app(app, "GET", path, headers=browser)
        assert "application/json" == answer.headers["content-type"]


def test_the_api_beside_the_pages_answers_as_before(app):
    assert "not_found" == error_of(ask_app(app, "GET", "/nowhere"))["code"]
    assert {"status": "ok"} == ask_app(app, "GET", "/health").json()
    metrics = ask_app(app, "GET", "/metrics").text
    assert 'path="/health"' in metrics


def test_names_of_the_database_are_told_to_this_machine_alone(app, monkeypatch):
    def fails(_: object) -> None:
        message = "The database mysql://ana@sales-db/sales does not answer."
        raise DatabaseError(message, {}, public="The database does not answer.")

    monkeypatch.setattr(Live, "predictor", property(fails))
    assert "ana@sales-db" in ask_app(app, "GET", "/").text
    away = ask_app(app, "GET", "/", headers={"X-Forwarded-For": "192.0.2.7"}).text
    assert "The database does not answer." in away
    assert "ana" not in away

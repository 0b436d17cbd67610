"""Who has signed in: what a cookie is worth, and when it ends."""

from __future__ import annotations

import re
import time
from functools import partial
from http.cookies import SimpleCookie
from pathlib import Path

import httpx
import pytest

from sales_forecast.service.api_keys import ApiKeys, new_entry
from sales_forecast.service.app import create_app
from sales_forecast.service.live import Live
from sales_forecast.service.rates import Allowance
from sales_forecast.settings import Settings
from sales_forecast.web.pages import Pages
from sales_forecast.web.sessions import SECONDS, Sessions, secret_of
from tests.fakes import LiveStub
from tests.service.conftest import ask_app

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Keys:
    """A file of one key for each role, and what signs in with them."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "keys.toml"
        made = {role: new_entry(f"a-{role}", role) for role in ("viewer", "planner", "admin")}
        self.of = {role: key for role, (key, _) in made.items()}
        self.lines = {role: lines for role, (_, lines) in made.items()}
        self.write("viewer", "planner", "admin")
        self.known = ApiKeys(None, self.file)

    def write(self, *roles: str) -> None:
        self.file.write_text("".join(self.lines[role] for role in roles))


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path)


@pytest.fixture
def app(keys: Keys, live: Live, tmp_path: Path):
    stub = LiveStub(live.predictor, keys=keys.known)
    return create_app(stub, pages=Pages(stub, Settings(var_dir=tmp_path)))


def sign_in(app, key: str, **headers: str) -> httpx.Response:
    body = f"key={key}&next=%2Fask%3FStore%3D1".encode()
    return ask_app(app, "POST", "/sign-in", body, headers=FORM | headers)


def cookie_of(response: httpx.Response) -> dict[str, str]:
    (morsel,) = SimpleCookie(response.headers["set-cookie"]).values()
    return {"Cookie": f"{morsel.key}={morsel.value}"}


def token_in(page: str) -> str:
    return re.search(r'name="token" value="([^"]+)"', page)[1]


def test_a_page_is_shown_to_nobody_who_has_not_signed_in(app):
    response = ask_app(app, "GET", "/?Store=1&x=%26")
    assert 303 == response.status_code
    assert "/sign-in?next=%2F%3FStore%3D1%26x%3D%2526" == response.headers["location"]


def test_a_key_signs_in_and_leads_to_where_one_wanted_to_go(app, keys):
    response = sign_in(app, keys.of["planner"])
    assert (303, "/ask?Store=1") == (response.status_code, response.headers["location"])
    page = ask_app(app, "GET", "/", headers=cookie_of(response))
    assert "a-planner, planner" in page.text


@pytest.mark.parametrize("elsewhere", ["//x.y", "/\\x.y", "https://x.y", "", "javascript:1"])
def test_signing_in_leads_to_no_other_site(app, keys, elsewhere):
    body = f"key={keys.of['viewer']}&next={elsewhere}".encode()
    response = ask_app(app, "POST", "/sign-in", body, headers=FORM)
    assert "/" == response.headers["location"]


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(app, keys):
    told = sign_in(app, keys.of["viewer"]).headers["set-cookie"]
    assert {"HttpOnly", "Secure", "SameSite=lax", f"Max-Age={SECONDS}"} <= {*told.split("; ")}
    near = sign_in(app, keys.of["viewer"], Host="127.0.0.1:8000").headers["set-cookie"]
    assert "Secure" not in near  # http is all there is, and browsers would keep none


def test_a_session_ends_when_its_key_leaves_the_file(app, keys):
    cookie = cookie_of(sign_in(app, keys.of["viewer"]))
    assert 200 == ask_app(app, "GET", "/", headers=cookie).status_code
    keys.write("planner", "admin")
    keys.known.refresh()
    assert 303 == ask_app(app, "GET", "/", headers=cookie).status_code


def test_a_session_ends_when_its_key_is_exchanged_for_one_of_the_same_name(app, keys):
    cookie = cookie_of(sign_in(app, keys.of["viewer"]))
    keys.lines["viewer"] = new_entry("a-viewer", "admin")[1]
    keys.write("viewer", "planner")
    keys.known.refresh()
    assert 303 == ask_app(app, "GET", "/", headers=cookie).status_code


def test_no_changed_cookie_is_taken(keys):
    sessions = Sessions(keys.known, b"s" * 32)
    cookie = sessions.begin(keys.of["viewer"].encode())
    payload, _, signature = cookie.partition(".")
    other = sessions.begin(keys.of["admin"].encode()).partition(".")[0]
    forged = [f"{other}.{signature}", f"{payload}.", payload, "", ".", "é.é", f"{cookie}x"]
    forged.append(f"{payload}.é")
    assert [None] * len(forged) == [sessions.read(of) for of in forged]
    assert sessions.read(cookie).caller.name == "a-viewer"
    assert Sessions(keys.known, b"t" * 32).read(cookie) is None


def test_a_session_ends_after_a_working_day(keys, monkeypatch):
    sessions = Sessions(keys.known, b"s" * 32)
    cookie = sessions.begin(keys.of["viewer"].encode())
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + SECONDS - 5)
    assert sessions.read(cookie) is not None
    monkeypatch.setattr(time, "time", lambda: now + SECONDS + 5)
    assert sessions.read(cookie) is None


def test_signing_out_needs_a_token_of_the_same_session(app, keys):
    one, other = (cookie_of(sign_in(app, keys.of["viewer"])) for _ in range(2))
    token = token_in(ask_app(app, "GET", "/", headers=one).text)
    answers = [
        ask_app(app, "POST", "/sign-out", f"token={sent}".encode(), headers=FORM | cookie)
        for cookie, sent in ((one, ""), (one, "x.y"), (other, token), (one, token))
    ]
    assert [403, 403, 403, 303] == [of.status_code for of in answers]
    assert "Max-Age=0" in answers[-1].headers["set-cookie"]


def test_tokens_of_one_session_differ_so_that_lengths_tell_nothing(app, keys):
    cookie = cookie_of(sign_in(app, keys.of["viewer"]))
    pages = [ask_app(app, "GET", "/", headers=cookie).text for _ in range(2)]
    assert token_in(pages[0]) != token_in(pages[1])


def test_after_ten_wrong_keys_no_other_is_looked_at_for_a_while(live, keys, tmp_path, monkeypatch):
    now = [1000.0]
    of = partial(Allowance, clock=lambda: now[0])
    monkeypatch.setattr("sales_forecast.web.signing_in.Allowance", of)
    stub = LiveStub(live.predictor, keys=keys.known)
    app = create_app(stub, pages=Pages(stub, Settings(var_dir=tmp_path)))
    wrong = [sign_in(app, "wrong").status_code for _ in range(10)]
    assert [401] * 10 == wrong
    refused = sign_in(app, keys.of["admin"])
    assert (429, "6") == (refused.status_code, refused.headers["retry-after"])
    assert "Too many wrong keys" in refused.text
    now[0] += 6
    assert 303 == sign_in(app, keys.of["admin"]).status_code
    assert [401, 429] == [sign_in(app, "wrong").status_code for _ in range(2)]


def test_behind_a_trusted_proxy_each_address_has_tries_of_its_own(live, keys, tmp_path):
    stub = LiveStub(live.predictor, keys=keys.known)
    settings = Settings(var_dir=tmp_path, trusted_proxies="127.0.0.0/8")
    app = create_app(stub, pages=Pages(stub, settings))
    one, other = ({"X-Forwarded-For": address} for address in ("203.0.113.7", "203.0.113.8"))
    assert [401] * 10 == [sign_in(app, "wrong", **one).status_code for _ in range(10)]
    assert 429 == sign_in(app, keys.of["admin"], **one).status_code
    assert 303 == sign_in(app, keys.of["admin"], **other).status_code


def test_pages_are_counted_by_key_where_somebody_signed_in(live, keys, tmp_path):
    stub = LiveStub(live.predictor, keys=keys.known)
    app = create_app(stub, pages=Pages(stub, Settings(var_dir=tmp_path, rate_limit=4)))
    admin, viewer = (cookie_of(sign_in(app, keys.of[role])) for role in ("admin", "viewer"))
    of_admin = [ask_app(app, "GET", "/ask", headers=admin).status_code for _ in range(5)]

    assert [429] == of_admin[4:]
    assert 429 not in of_admin[:4]
    assert 429 != ask_app(app, "GET", "/ask", headers=viewer).status_code


def test_no_other_site_signs_anybody_in(app, keys):
    response = sign_in(app, keys.of["admin"], **{"Sec-Fetch-Site": "cross-site"})
    assert 403 == response.status_code
    assert "set-cookie" not in response.headers


def test_without_any_key_everybody_reads_and_nobody_writes(shop, live):
    app = shop.app(live)
    assert 200 == ask_app(app, "GET", "/").status_code
    assert 303 == ask_app(app, "GET", "/sign-in").status_code
    refused = ask_app(app, "POST", "/sign-out", b"token=x", headers=FORM)
    assert 403 == refused.status_code
    assert "only reads" in refused.text


def test_all_workers_share_one_secret_that_only_its_owner_reads(tmp_path):
    settings = Settings(var_dir=tmp_path / "var")
    assert secret_of(settings) == secret_of(settings)
    assert 32 == len(secret_of(settings))
    (file,) = settings.var_dir.iterdir()
    assert 0o600 == file.stat().st_mode & 0o777
    told = Settings(var_dir=tmp_path, session_secret="x" * 32)
    assert b"x" * 32 == secret_of(told)

"""How often may be asked: counted by key and by address, and who is not locked out by whom."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from sales_forecast.errors import SettingsError
from sales_forecast.service.api_keys import ApiKeys, new_entry
from sales_forecast.service.app import create_app
from sales_forecast.service.rates import _MOST, Addresses, Allowance
from sales_forecast.settings import load_settings
from tests.fakes import FakePredictor, LiveStub
from tests.service.conftest import ask_app, error_of


@pytest.fixture
def keys(tmp_path):
    """Two callers, and the keys of both."""
    file = tmp_path / "keys.toml"
    (ana, lines), (ben, more) = new_entry("ana", "viewer"), new_entry("ben", "viewer")
    file.write_text(lines + more)
    return LiveStub(FakePredictor(), keys=ApiKeys(None, file)), ana, ben


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_what_was_taken_comes_back_evenly():
    clock = Clock()
    allowance = Allowance(6, clock)

    assert [0.0] * 6 == [allowance.take("ana") for _ in range(6)]
    assert 10 == pytest.approx(allowance.take("ana"))
    assert 0.0 == allowance.take("ben")
    clock.now += 10
    assert 0.0 == allowance.take("ana")
    assert 10 == pytest.approx(allowance.wait("ana"))
    clock.now += 3600
    assert [0.0] * 6 == [allowance.take("ana") for _ in range(6)]
    assert allowance.take("ana") > 0


def test_a_bounded_number_of_callers_is_kept():
    allowance = Allowance(1, Clock())
    for number in range(3 * _MOST):
        allowance.take(number)

    assert len(allowance._full_at) <= _MOST
    assert allowance.wait(3 * _MOST - 1) > 0


PROXIES = (ip_network("10.0.0.0/16"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "told", "address"),
    [
        ("198.51.100.1", [], "198.51.100.1"),
        ("198.51.100.1", ["203.0.113.9"], "198.51.100.1"),
        ("10.0.0.5", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.5", ["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.5", ["1.1.1.1", "203.0.113.9, 10.0.7.7"], "203.0.113.9"),
        ("10.0.0.5", ["nonsense"], "10.0.0.5"),
        ("10.0.0.5", ["203.0.113.9, nonsense"], "10.0.0.5"),
        ("10.0.0.5", ["10.0.0.6"], "10.0.0.6"),
        ("10.0.0.5", [], "10.0.0.5"),
        ("fd00::1", ["2001:db8:1:2:3::4"], "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", [], "2001:db8:1:2::/64"),
        ("", [], ""),
    ],
)
def test_an_address_is_what_only_a_trusted_proxy_may_tell(peer, told, address):
    headers = [(b"x-forwarded-for", one.encode()) for one in told]
    scope = {"client": (peer, 1) if peer else None, "headers": headers}

    assert address == Addresses(PROXIES).of(scope)


def test_too_many_requests_of_an_address_are_told_when_to_come_back():
    app = create_app(LiveStub(FakePredictor()), rate_limit=2)
    answers = [ask_app(app, "GET", "/model") for _ in range(3)]

    assert [200, 200, 429] == [answer.status_code for answer in answers]
    assert "too_many_requests" == error_of(answers[2])["code"]
    assert "More than 2 requests in a minute. Ask again in 30 s." == error_of(answers[2])["message"]
    assert "30" == answers[2].headers["retry-after"]
    assert 200 == ask_app(app, "GET", "/health").status_code
    assert 200 == ask_app(app, "GET", "/ready").status_code


def test_callers_with_keys_are_counted_one_by_one(keys):
    live, ana, ben = keys
    app = create_app(live, rate_limit=2)
    asked = [ask_app(app, "GET", "/model", headers={"X-API-Key": key}) for key in [ana] * 3 + [ben]]

    assert [200, 200, 429, 200] == [answer.status_code for answer in asked]


def test_without_a_limit_nobody_is_counted():
    app = create_app(LiveStub(FakePredictor()))

    assert {200} == {ask_app(app, "GET", "/health").status_code for _ in range(50)}


def test_an_address_of_ten_wrong_keys_is_refused_but_not_who_is_known_there(keys):
    live, ana, ben = keys
    app = create_app(live)

    def ask(key: str | None) -> int:
        headers = {} if key is None else {"X-API-Key": key}
        return ask_app(app, "GET", "/model", headers=headers).status_code

    assert 200 == ask(ana)
    assert [401] * 20 == [ask(None) for _ in range(20)]
    assert [401] * 10 + [429] * 2 == [ask(f"wrong {number}") for number in range(12)]
    assert 200 == ask(ana), "it asked from there before"
    assert 429 == ask(ben), "or ten guesses a minute could be a million"
    assert 401 == ask(None)


def test_what_is_no_network_is_refused_in_one_sentence(monkeypatch):
    monkeypatch.setenv("TRUSTED_PROXIES", "10.0.0.1/16, nginx")
    with pytest.raises(SettingsError, match="'nginx' is no address or network") as error:
        load_settings()
    assert error.value.message.endswith("such as 10.0.0.0/16.")

    monkeypatch.setenv("TRUSTED_PROXIES", "10.0.0.1/16, ::1")
    assert (ip_network("10.0.0.0/16"), ip_network("::1")) == load_settings().trusted_proxies

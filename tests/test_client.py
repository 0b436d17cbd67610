"""The client asks right, tells the service's refusals in its words, and tries again with sense."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

import client as door
from client import ClientError, SalesForecastClient
from sales_forecast.service.app import create_app
from tests.fakes import FakePredictor, LiveStub

CONDITIONS = {
    "holiday_flag": 0,
    "temperature": 75.5,
    "fuel_price": 3.45,
    "cpi": 238.2,
    "unemployment": 5.8,
}


LONGEST = (0.25, 0.5, 1.0, 2.0)  # seconds


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A service over a fake model, on a free port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        app = create_app(LiveStub(FakePredictor()))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture
def client(url) -> Iterator[SalesForecastClient]:
    with SalesForecastClient(url) as client:
        yield client


class Script:
    """A service that answers by a list: a status, or an exception to raise."""

    def __init__(self, *answers: int | Exception) -> None:
        self._answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.pauses: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        error = {"code": "not_ready", "message": "Not yet.", "fields": {}}
        return httpx.Response(answer, json={"status": "ok"} if answer == 200 else {"error": error})

    def client(self, **options) -> SalesForecastClient:
        return SalesForecastClient(
            transport=httpx.MockTransport(self), sleep=self.pauses.append, **options
        )


def test_a_prediction_is_the_answer_of_the_service(client):
    answer = client.predict_sales(1, "03-11-2012", **CONDITIONS)

    assert answer["prediction"] == 1000.0
    assert answer["week_ending"] == "2012-11-09"


def test_a_forecast_is_a_list_of_weeks(client):
    assert client.forecast_sales(2, 1) == [
        {"Date": "2012-11-02", "Sales": 2001.0, "lower": 2000.0, "upper": 2002.0}
    ]


def test_a_forecast_can_be_that_of_the_best_model(client):
    (week,) = client.forecast_sales(2, 1, model="best")

    assert week["Sales"] == 2011.0
    assert client.forecast_sales(2, 1, model="arima") == client.forecast_sales(2, 1)


def test_a_forecast_can_have_an_interval_of_another_level(client):
    (week,) = client.forecast_sales(2, 1, level=95)

    assert (week["lower"], week["upper"]) == (1960.0, 2042.0)


def test_health_ready_and_model_are_there(client):
    assert client.health() == {"status": "ok"}
    assert client.ready()["model_version"] == "fake-1"
    assert client.model()["version"] == "fake-1"


def test_a_refusal_has_the_code_the_message_and_the_fields_of_the_service(client):
    with pytest.raises(ClientError) as caught:
        client.forecast_sales(99, 1)

    error = caught.value
    assert (error.status, error.code, error.fields) == (404, "unknown_store", {"store_id": 99})
    assert str(error) == error.message == "Store 99 is not in the model."


def test_the_client_does_not_judge_what_the_service_judges(client):
    with pytest.raises(ClientError) as caught:
        client.predict_sales("1", "31-02-2012", **CONDITIONS)

    assert set(caught.value.fields) == {"Store", "Date"}


@pytest.mark.parametrize("failure", [503, httpx.ConnectError("refused"), httpx.ReadError("reset")])
def test_what_may_pass_is_tried_again(failure):
    script = Script(failure, failure, 200)

    assert script.client().health() == {"status": "ok"}
    assert len(script.requests) == 3


def test_the_pauses_double_and_are_never_all_the_same():
    script = Script(*[503] * 5)

    with pytest.raises(ClientError):
        script.client(attempts=5).health()

    parts = [pause / longest for pause, longest in zip(script.pauses, LONGEST, strict=True)]
    assert all(0.5 <= part <= 1 for part in parts)
    assert len(set(parts)) > 1


def test_the_last_answer_is_told_when_patience_ends():
    script = Script(503, 503)

    with pytest.raises(ClientError, match="Not yet") as caught:
        script.client(attempts=2).ready()

    assert caught.value.code == "not_ready"


@pytest.mark.parametrize(
    ("told", "pauses"), [("7", [7]), ("60", [60]), ("61", []), ("", []), ("soon", [])]
)
def test_who_asks_too_often_waits_as_long_as_the_service_says(told, pauses):
    error = {"code": "too_many_requests", "message": "Ask again later.", "fields": {}}
    busy = httpx.Response(429, json={"error": error}, headers={"Retry-After": told})
    answers = [httpx.Response(200, json={"status": "ok"}), busy]
    waited: list[float] = []
    transport = httpx.MockTransport(lambda _: answers.pop())
    client = SalesForecastClient(transport=transport, sleep=waited.append)

    if pauses:
        assert client.health() == {"status": "ok"}
    else:
        with pytest.raises(ClientError, match="Ask again later") as caught:
            client.health()
        assert (caught.value.status, caught.value.code) == (429, "too_many_requests")
    assert waited == pauses


@pytest.mark.parametrize("status", [400, 404, 422, 500])
def test_what_will_not_pass_is_not_tried_again(status):
    script = Script(status)

    with pytest.raises(ClientError):
        script.client().health()

    assert len(script.requests) == 1


def test_a_slow_answer_is_not_asked_for_again():
    script = Script(httpx.ReadTimeout("slow"))

    with pytest.raises(ClientError, match=r"did not answer within 10 s\.$") as caught:
        script.client().health()

    assert caught.value.code == "no_answer"


def test_the_key_is_sent_where_there_is_one():
    script = Script(200, 200)

    script.client(api_key="secret").health()
    script.client().health()

    assert [request.headers.get("X-API-Key") for request in script.requests] == ["secret", None]


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>"),
        httpx.Response(502, text="bad gateway"),
        httpx.Response(404, json={"detail": "Not Found"}),
        httpx.Response(404, json=[]),
    ],
    ids=["page", "proxy", "other service", "list"],
)
def test_an_answer_of_something_else_is_told_as_such(answer):
    client = SalesForecastClient(transport=httpx.MockTransport(lambda _: answer))

    with pytest.raises(ClientError, match="not as this service does"):
        client.health()


@pytest.mark.parametrize("failure", [httpx.DecodingError("gzip"), httpx.ReadError("reset")])
def test_an_answer_that_breaks_off_is_told_in_our_words(failure):
    with pytest.raises(ClientError, match=r"broke off its answer\. Try again\.$"):
        Script(failure).client(attempts=1).health()


@pytest.mark.parametrize("url", ["", "ftp://host", "http://", "http://a b\nc", "http://host:65536"])
def test_what_is_no_address_is_refused_with_what_was_given(url):
    with pytest.raises(ClientError) as caught:
        SalesForecastClient(url)

    assert caught.value.message == f"{url!r} is no address such as http://127.0.0.1:8000."


@pytest.mark.parametrize("url", ["nonsense", "http://[", "http://a..b"])
def test_where_nothing_can_answer_one_line_says_so(url):
    with pytest.raises(ClientError, match="Nothing answers at"):
        SalesForecastClient(url, attempts=1).health()


def test_an_address_may_leave_out_its_scheme(url):
    with SalesForecastClient(url.removeprefix("http://")) as client:
        assert client.health() == {"status": "ok"}


@pytest.mark.parametrize("key", ["", " ", "schlüssel", "a\nb"])
def test_a_key_that_cannot_be_sent_is_refused_without_showing_it(key):
    with pytest.raises(ClientError, match="The API key cannot be sent: ") as caught:
        SalesForecastClient(api_key=key)

    assert not key.strip() or key not in caught.value.message


@pytest.fixture
def surroundings(monkeypatch) -> Callable[..., None]:
    """Set the variables of the environment that clients of HTTP look at, and no others of them."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)

    def surround(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return surround


@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY", "http_proxy"])
@pytest.mark.parametrize(
    "proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:1080", "a:b", "http://["]
)
def test_this_machine_is_asked_directly(url, surroundings, name, proxy):
    surroundings(**{name: proxy, "SSL_CERT_FILE": "/nowhere"})

    with SalesForecastClient(url) as client:
        assert client.health() == {"status": "ok"}


@pytest.mark.parametrize("strip", ["", "http://"])
def test_another_machine_is_asked_through_the_proxy(url, surroundings, strip):
    surroundings(HTTP_PROXY=url.removeprefix(strip))

    with SalesForecastClient("http://service.invalid") as client:
        assert client.health() == {"status": "ok"}


@pytest.mark.parametrize("listed", ["::[,#,service.invalid", "*"])
def test_a_host_that_is_excepted_is_asked_without_the_proxy(url, surroundings, listed):
    surroundings(HTTP_PROXY=url, NO_PROXY=listed)

    with pytest.raises(ClientError, match=r"Nothing answers at http://service\.invalid\."):
        SalesForecastClient("http://service.invalid", attempts=1).health()


@pytest.mark.parametrize(
    ("variable", "proxy"),
    [
        ("HTTP_PROXY", "http://127.0.0.1:9"),
        ("HTTPS_PROXY", "http://127.0.0.1:9"),
        ("ALL_PROXY", "socks5://127.0.0.1:1080"),
        ("HTTP_PROXY", "gopher://127.0.0.1"),
        ("HTTPS_PROXY", "http://["),
    ],
)
def test_a_proxy_that_fails_is_named(surroundings, variable, proxy):
    surroundings(**{variable: proxy})
    scheme = variable.removesuffix("_PROXY").lower().replace("all", "http")

    with pytest.raises(ClientError) as caught:
        SalesForecastClient(f"{scheme}://service.invalid", attempts=1).health()

    assert f"through the proxy {proxy} of {variable}" in caught.value.message


def test_a_proxy_that_refuses_is_named(surroundings):
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as proxy:  # it can answer nothing
        address = f"http://127.0.0.1:{proxy.server_port}"
        surroundings(HTTP_PROXY=address)
        thread = threading.Thread(target=proxy.handle_request)
        thread.start()
        with pytest.raises(ClientError) as caught:
            SalesForecastClient("http://service.invalid").health()
        thread.join()

    assert caught.value.message == (
        f"http://service.invalid/health answered 501 through the proxy {address} of HTTP_PROXY,"
        " and not as this service does."
    )


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSLKEYLOGFILE"])
def test_a_certificate_that_is_not_there_is_no_trace(surroundings, variable):
    surroundings(**{variable: "/nowhere/file"})

    with pytest.raises(ClientError, match=f"TLS cannot be set up: No such file.*{variable}"):
        SalesForecastClient("https://127.0.0.1")


@pytest.fixture
def run(monkeypatch, capsys, tmp_path) -> Callable[..., tuple[int, str, str]]:
    """Run the door; gives its exit code and what it printed."""
    monkeypatch.chdir(tmp_path)  # no .env of the developer's
    monkeypatch.delenv("API_KEY", raising=False)

    def run(*arguments: str, **options: Any) -> tuple[int, str, str]:
        code = door.main(arguments, **options)
        return code, *capsys.readouterr()

    return run


def test_without_a_command_both_examples_run(run, url):
    code, out, err = run("--url", url)

    assert (code, err) == (0, "")
    assert '"prediction": 1000.0' in out
    assert "2012-11-30          1,005.00        1,000.00        1,010.00" in out


def test_predict_asks_what_the_flags_say(run, url):
    flags = "--store 7 --date 2012-11-03 --holiday-flag 0 --temperature 75.5 --fuel-price 3.45"

    code, out, _ = run(
        "--url", url, "predict", *flags.split(), *["--cpi", "238", "--unemployment", "6"]
    )

    assert code == 0
    assert json.loads(out.partition("\n")[2])["prediction"] == 7000.0


def test_forecast_prints_one_line_a_week(run, url):
    code, out, _ = run("--url", url, "forecast", "--store", "3", "--steps", "52")

    assert code == 0
    assert out.count("\n") == 2 + 52


def test_forecast_asks_for_the_model_that_the_flag_says(run, url):
    code, out, _ = run("--url", url, "forecast", "--store", "3", "--steps", "1", "--model", "best")

    assert code == 0
    assert 'forecast_sales  {"store_id": 3, "steps": 1, "model": "best"}' in out
    assert "2012-11-02          3,011.00" in out


def test_a_model_that_there_is_not_is_refused_by_the_service(run, url):
    flags = "forecast --store 3 --steps 1 --model pooled"

    code, _, err = run("--url", url, *flags.split())

    assert code == 1
    assert err == "client.py: model must be 'arima' or 'best', not \"pooled\".\n"


def test_a_refusal_is_one_line_and_a_failure(run, url):
    code, out, err = run("--url", url, "forecast", "--store", "3", "--steps", "53")

    assert (code, out) == (1, "")
    assert err == "client.py: steps must be less than or equal to 52, not 53.\n"


def test_when_nothing_listens_one_line_says_what_to_do(run):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = f"http://127.0.0.1:{listener.getsockname()[1]}"

    code, _, err = run("--url", free, sleep=lambda _: None)

    assert code == 1
    assert err == (
        f"client.py: Nothing answers at {free}. Start the service with `python main.py`.\n"
    )


@pytest.mark.parametrize(
    ("reader", "code", "said"),
    [("| head -0", 141, ""),
     ("> /dev/full", 1, "client.py: what it prints cannot be written: No space left on device.\n")],
)  # fmt: skip
def test_what_nobody_can_read_is_no_trace(url, reader, code, said, tmp_path):
    program = f'set -o pipefail; "$0" "$1" --url "$2" {reader}'
    ran = subprocess.run(
        ["bash", "-c", program, sys.executable, str(Path(door.__file__)), url],
        capture_output=True, cwd=tmp_path, text=True, check=False,
    )  # fmt: skip

    assert (ran.returncode, ran.stderr) == (code, said)


def test_the_key_comes_from_the_flag_or_else_from_the_setting(run, monkeypatch):
    script = Script(400, 400)
    transport = httpx.MockTransport(script)
    monkeypatch.setenv("API_KEY", "of the setting")

    run("forecast", "--store", "1", "--steps", "1", transport=transport)
    run(
        "--api-key",
        "of the flag",
        *["forecast", "--store", "1", "--steps", "1"],
        transport=transport,
    )

    sent = [request.headers["X-API-Key"] for request in script.requests]
    assert sent == ["of the setting", "of the flag"]


def test_a_single_series_is_asked_for_by_no_key(run):
    script = Script(400)

    run("forecast", "--steps", "3", transport=httpx.MockTransport(script))

    assert script.requests[0].content == b'{"steps":3}'


def test_what_a_question_lacks_the_service_says(run, url):
    code, _, err = run("--url", url, "forecast", "--steps", "3")

    assert (code, err) == (1, "client.py: store_id is required.\n")


@pytest.mark.parametrize("wrong", [["predict", "--store"], ["forecast", "--store", "x"], ["guess"]])
def test_wrong_usage_is_told_apart(run, wrong):
    with pytest.raises(SystemExit) as caught:
        run(*wrong)

    assert caught.value.code == 2

"""Ask the service: `python client.py` runs two examples; `SalesForecastClient` does it in code.

Takes a URL and questions, gives the service's answers as plain Python values. Tries again, a
bounded number of times and ever more slowly, only where another try can help: nothing
listens, the connection broke, the service is not ready yet, or it says when to ask again. Must not
validate: the service does, and its words reach the caller. One file, however long: it is copied to
where questions are asked.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.request import getproxies, proxy_bypass

import httpx

from sales_forecast.commands.ending import ended
from sales_forecast.errors import STOPPED, SalesForecastError, shown
from sales_forecast.settings import LAST_PORT, load_settings, problem_of_key

DEFAULT_URL = "http://127.0.0.1:8000"
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 4.0
_LONGEST_TOLD_SECONDS = 60
"""Which the service may ask for; it counts by the minute."""


class ClientError(Exception):
    """The service could not be asked, or refused; `code` is stable, `fields` names the fields."""

    def __init__(
        self, code: str, message: str, fields: Mapping[str, Any] | None = None, status: int = 0
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fields = dict(fields or {})
        self.status = status


class SalesForecastClient:
    """A connection to one service; usable as a context manager.

    `url` may leave out `http://`. A service on this machine is asked directly, another one through
    the proxy that `HTTP_PROXY`, `HTTPS_PROXY` or `ALL_PROXY` names, unless `NO_PROXY` names it.

    `attempts` bounds how often a request is sent. `transport` and `sleep` are httpx's and
    time's own, and can be exchanged where no network or no waiting is wanted. Every method
    raises ClientError.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        api_key: str | None = None,
        *,
        timeout: float = 10.0,
        attempts: int = 5,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if api_key is not None and (problem := problem_of_key(api_key)):
            raise ClientError("bad_key", f"The API key cannot be sent: {problem}")
        address = _address(url)
        proxy = None if transport else _proxy(address)
        self._http = httpx.Client(
            base_url=address,
            headers={} if api_key is None else {"X-API-Key": api_key},
            timeout=timeout,
            transport=transport or _transport(address, proxy),
        )
        self._url = shown(url)
        self._proxy = proxy
        self._timeout = timeout
        self._attempts = attempts
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def predict_sales(
        self,
        store: int,
        date: str,
        *,
        holiday_flag: int,
        temperature: float,
        fuel_price: float,
        cpi: float,
        unemployment: float,
    ) -> dict[str, Any]:
        """Predict one store and week; `date` is DD-MM-YYYY or YYYY-MM-DD, any day of the week."""
        body = {
            "Store": store,
            "Date": date,
            "Holiday_Flag": holiday_flag,
            "Temperature": temperature,
            "Fuel_Price": fuel_price,
            "CPI": cpi,
            "Unemployment": unemployment,
        }
        return self.predict(body)

    def predict(self, question: Mapping[str, object]) -> dict[str, Any]:
        """Predict one series of any panel: its keys, the date and covariates by their columns."""
        answer: dict[str, Any] = self._ask("POST", "/predict_sales", dict(question))
        return answer

    def forecast_sales(
        self, store_id: int, steps: int, model: str | None = None, level: int | None = None
    ) -> list[dict[str, Any]]:
        """Forecast the `steps` weeks after the last known one; see `forecast`."""
        return self.forecast({"store_id": store_id}, steps, model, level)

    def forecast(
        self,
        series: Mapping[str, object],
        steps: int,
        model: str | None = None,
        level: int | None = None,
    ) -> list[dict[str, Any]]:
        """Forecast one series of any panel, `{"store_id": 1, "dept_id": 3}` say.

        `model` is "arima" or "best", `level` of the interval 80 or 95 percent; without them the
        service answers with what is usual for its panel, and 80.
        """
        body = {**series, "steps": steps}
        asked = {"model": model, "level": level}
        query = {name: str(value) for name, value in asked.items() if value is not None}
        weeks: list[dict[str, Any]] = self._ask("POST", "/forecast_sales", body, query)
        return weeks

    def health(self) -> dict[str, Any]:
        """Return `{"status": "ok"}` from a process that lives."""
        answer: dict[str, Any] = self._ask("GET", "/health")
        return answer

    def ready(self) -> dict[str, Any]:
        """Return what is served. Raises ClientError `not_ready` when nothing is."""
        answer: dict[str, Any] = self._ask("GET", "/ready")
        return answer

    def model(self) -> dict[str, Any]:
        """Return the version, training window and scores of the model."""
        answer: dict[str, Any] = self._ask("GET", "/model")
        return answer

    def examples(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return a question for each of both endpoints, about the panel that is loaded."""
        if self.model().get("layout", "stores") == "stores":
            return _STORE_WEEK, {"store_id": 1, "steps": 5}
        paths = self._ask("GET", "/openapi.json")["paths"]
        bodies = (
            paths[path]["post"]["requestBody"]["content"]["application/json"]["example"]
            for path in ("/predict_sales", "/forecast_sales")
        )
        return next(bodies), next(bodies)

    def _ask(
        self, method: str, path: str, body: object = None, query: Mapping[str, str] | None = None
    ) -> Any:
        for attempt in range(1, self._attempts + 1):
            last = attempt == self._attempts
            pause = _pause(attempt)
            try:
                response = self._http.request(method, path, json=body, params=query)
            except (httpx.RequestError, UnicodeError) as error:  # of a host that is no name
                if last or not isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError):
                    raise ClientError("no_answer", self._problem(error)) from error
            else:
                told = _told(response)
                if last or told is None:
                    return self._content(response)
                pause = max(pause, told)
            self._sleep(pause)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _problem(self, error: Exception) -> str:
        if self._proxy:
            return (
                f"{self._url} does not answer through {self._proxy}."
                " Check the proxy, or name the host in NO_PROXY."
            )
        if isinstance(error, httpx.ConnectError | UnicodeError):
            return f"Nothing answers at {self._url}. Start the service with `python main.py`."
        if isinstance(error, httpx.TimeoutException):
            return f"{self._url} did not answer within {self._timeout:g} s."
        return f"{self._url} broke off its answer. Try again."

    def _content(self, response: httpx.Response) -> Any:
        try:
            content = response.json()
            if response.is_success:
                return content
            error, status = content["error"], response.status_code
            raise ClientError(error["code"], error["message"], error["fields"], status)
        except (ValueError, KeyError, TypeError):
            through = f" through {self._proxy}" if self._proxy else ""
            message = (
                f"{self._url}{response.url.path} answered {response.status_code}{through},"
                " and not as this service does."
            )
            raise ClientError("strange_answer", message, status=response.status_code) from None


@dataclass(frozen=True)
class _Proxy:
    """What the environment puts between a client and a service."""

    variable: str
    address: str

    def __str__(self) -> str:
        return f"the proxy {shown(self.address)} of {self.variable}"


def _address(url: str) -> httpx.URL:
    """Read where a service is. Raises ClientError."""
    try:
        address = httpx.URL(url.strip() if "://" in url else f"http://{url.strip()}")
    except httpx.InvalidURL:
        address = httpx.URL()
    port = address.port or 1
    if address.scheme not in {"http", "https"} or not address.host or port > LAST_PORT:
        raise ClientError("bad_url", f"{shown(url)!r} is no address such as {DEFAULT_URL}.")
    return address


def _proxy(address: httpx.URL) -> _Proxy | None:
    """Return the proxy that leads to an address; nothing is between us and this machine."""
    if _is_here(address.host) or proxy_bypass(address.host):
        return None
    proxies = getproxies()
    name = address.scheme if address.scheme in proxies else "all"
    if name not in proxies:
        return None
    given = proxies[name]
    return _Proxy(f"{name.upper()}_PROXY", given if "://" in given else f"http://{given}")


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _transport(address: httpx.URL, proxy: _Proxy | None) -> httpx.HTTPTransport:
    """Return the way to an address. Raises ClientError for what the environment has wrong."""
    tls = address.scheme == "https"
    try:
        return httpx.HTTPTransport(proxy=proxy.address if proxy else None, trust_env=tls)
    except OSError as error:
        message = f"TLS cannot be set up: {error.strerror}. Check SSL_CERT_FILE and SSLKEYLOGFILE."
        raise ClientError("bad_environment", message) from error
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        message = (
            f"{address.host} cannot be asked through {proxy}: it must be http:// or https://."
            " Unset it, or name the host in NO_PROXY."
        )
        raise ClientError("bad_proxy", message) from error


def _pause(attempt: int) -> float:
    """Return seconds: twice as many each time, and random, so that clients do not march in step."""
    longest = min(_FIRST_PAUSE_SECONDS * 2 ** (attempt - 1), _LONGEST_PAUSE_SECONDS)
    return random.uniform(longest / 2, longest)  # noqa: S311 - no secret


def _told(response: httpx.Response) -> float | None:
    """Return after how many seconds to ask again, at least; None where that would not help."""
    if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        return 0.0
    told = response.headers.get("Retry-After", "")
    is_soon = told.isdecimal() and int(told) <= _LONGEST_TOLD_SECONDS
    return int(told) if response.status_code == HTTPStatus.TOO_MANY_REQUESTS and is_soon else None


_STORE_WEEK: dict[str, Any] = {
    "Store": 1,
    "Date": "03-11-2012",
    "Holiday_Flag": 0,
    "Temperature": 75.5,
    "Fuel_Price": 3.45,
    "CPI": 238.2,
    "Unemployment": 5.8,
}


def _pair(text: str) -> tuple[str, object]:
    """Read NAME=VALUE: a number where it is one, else a text; `"7"` with its quotes is a text."""
    name, given, value = text.partition("=")
    if not name or not given:
        raise argparse.ArgumentTypeError(f"{text} is not of the form NAME=VALUE")
    try:
        read = json.loads(value)
    except ValueError:
        read = value
    return name, read if isinstance(read, int | float | str) else value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Ask the service. Without a command: two examples.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--url", default=DEFAULT_URL, help="where the service is")
    parser.add_argument("--api-key", help="instead of the setting API_KEY")
    commands = parser.add_subparsers(dest="command")
    predict = commands.add_parser("predict", help="one series and week under given conditions")
    forecast = commands.add_parser("forecast", help="the weeks after the last known one")
    unset = argparse.SUPPRESS
    for command, example in ((predict, "Store=1"), (forecast, "store_id=1")):
        command.add_argument(
            "--key",
            type=_pair,
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help=f"a field of the question, {example} say; once for each, none of a single series",
        )
        command.add_argument("--store", type=int, default=unset, help=f"short for --key {example}")
    for name, value in _STORE_WEEK.items():
        if name != "Store":
            flag = f"--{name.lower().replace('_', '-')}"
            predict.add_argument(
                flag, dest=name, type=type(value), default=unset, help=f"such as {value}"
            )
    forecast.add_argument("--steps", type=int, required=True, help="such as 5")
    forecast.add_argument("--model", default=unset, help="arima or best")
    forecast.add_argument("--level", default=unset, type=int, help="80 (the default) or 95 percent")
    return parser


def _question(chosen: Mapping[str, Any], store: str) -> dict[str, Any]:
    """Return the fields of a question, those that were given as `--key` first."""
    others = {name: value for name, value in chosen.items() if name not in {"key", "store"}}
    named = {store: chosen["store"]} if "store" in chosen else {}
    return {**named, **dict(chosen["key"]), **others}


def _predict(client: SalesForecastClient, question: Mapping[str, Any]) -> None:
    answer = client.predict(question)
    print(f"predict_sales  {json.dumps(question)}")
    print(json.dumps(answer, indent=2))


def _forecast(client: SalesForecastClient, question: Mapping[str, Any]) -> None:
    series = {k: v for k, v in question.items() if k not in {"steps", "model", "level"}}
    periods = client.forecast(
        series, question["steps"], question.get("model"), question.get("level")
    )
    print(f"forecast_sales  {json.dumps(question)}")
    print(f"{'Date':<12}{'Sales':>16}{'lower':>16}{'upper':>16}")
    for period in periods:
        numbers = (period["Sales"], period["lower"], period["upper"])
        cells = "".join(f"{'-' if number is None else f'{number:,.2f}':>16}" for number in numbers)
        print(f"{period['Date']:<12}{cells}")


def main(arguments: Sequence[str] | None = None, **options: Any) -> int:
    """Run one command or the examples. Returns 0, or 1 with a one-line reason.

    `options` are further ones of `SalesForecastClient`.
    """
    chosen = vars(_parser().parse_args(arguments))
    url, api_key, command = chosen.pop("url"), chosen.pop("api_key"), chosen.pop("command")
    try:
        if api_key is None and (secret := load_settings().api_key):
            api_key = secret.get_secret_value()
        with SalesForecastClient(url, api_key, **options) as client:
            if command == "predict":
                _predict(client, _question(chosen, "Store"))
            elif command == "forecast":
                _forecast(client, _question(chosen, "store_id"))
            else:
                week, ahead = client.examples()
                _predict(client, week)
                _forecast(client, ahead)
    except (ClientError, SalesForecastError) as error:
        print(f"client.py: {error.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("client.py: stopped.", file=sys.stderr)
        return STOPPED
    return 0


if __name__ == "__main__":
    sys.exit(ended(main))

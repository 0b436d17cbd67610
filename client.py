"""Ask the service: `python client.py` runs two examples; `SalesForecastClient` does it in code.

Takes a URL and questions, gives the service's answers as plain Python values. Tries again, a
bounded number of times and ever more slowly, only where another try can help: nothing
listens, the connection broke, or the service is not ready yet. Must not validate: the service
does, and its words reach the caller.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import httpx

from sales_forecast.errors import SalesForecastError
from sales_forecast.settings import load_settings

DEFAULT_URL = "http://127.0.0.1:8000"
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 4.0


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
        headers = {"X-API-Key": api_key} if api_key else {}
        try:
            self._http = httpx.Client(
                base_url=url, headers=headers, timeout=timeout, transport=transport
            )
        except httpx.InvalidURL as error:
            raise ClientError("bad_url", f"{url} is not a URL: {error}") from error
        self._url = url
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
        answer: dict[str, Any] = self._ask("POST", "/predict_sales", body)
        return answer

    def forecast_sales(
        self, store_id: int, steps: int, model: str | None = None, level: int | None = None
    ) -> list[dict[str, Any]]:
        """Forecast the `steps` weeks after the last known one.

        `model` is "arima" or "best", `level` of the interval 80 or 95 percent; by default the
        former of each.
        """
        body = {"store_id": store_id, "steps": steps}
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

    def _ask(
        self, method: str, path: str, body: object = None, query: Mapping[str, str] | None = None
    ) -> Any:
        for attempt in range(1, self._attempts + 1):
            last = attempt == self._attempts
            try:
                response = self._http.request(method, path, json=body, params=query)
            except httpx.TransportError as error:
                if last or not isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError):
                    raise self._unreachable(error) from error
            except httpx.InvalidURL as error:
                raise self._unreachable(error) from error
            else:
                if last or response.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
                    return _content(response)
            self._sleep(_pause(attempt))
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _unreachable(self, error: Exception) -> ClientError:
        if isinstance(error, httpx.ConnectError):
            message = f"Nothing answers at {self._url}. Start the service with `python main.py`."
        else:
            message = f"{self._url} did not answer: {type(error).__name__} {error}".rstrip() + "."
        return ClientError("no_answer", message)


def _pause(attempt: int) -> float:
    """Return seconds: twice as many each time, and random, so that clients do not march in step."""
    longest = min(_FIRST_PAUSE_SECONDS * 2 ** (attempt - 1), _LONGEST_PAUSE_SECONDS)
    return random.uniform(longest / 2, longest)  # noqa: S311 - no secret


def _content(response: httpx.Response) -> Any:
    try:
        content = response.json()
        if response.is_success:
            return content
        error = content["error"]
        raise ClientError(error["code"], error["message"], error["fields"], response.status_code)
    except (ValueError, KeyError, TypeError):
        message = f"{response.url} answered {response.status_code}, and not as this service does."
        raise ClientError("strange_answer", message, status=response.status_code) from None


_EXAMPLE_PREDICTION: dict[str, Any] = {
    "store": 1,
    "date": "03-11-2012",
    "holiday_flag": 0,
    "temperature": 75.5,
    "fuel_price": 3.45,
    "cpi": 238.2,
    "unemployment": 5.8,
}
_EXAMPLE_FORECAST: dict[str, Any] = {"store": 1, "steps": 5}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Ask the service. Without a command: two examples.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--url", default=DEFAULT_URL, help="where the service is")
    parser.add_argument("--api-key", help="instead of the setting API_KEY")
    commands = parser.add_subparsers(dest="command")
    predict = commands.add_parser("predict", help="one store and week under given conditions")
    forecast = commands.add_parser("forecast", help="the weeks after the last known one")
    for command, example in ((predict, _EXAMPLE_PREDICTION), (forecast, _EXAMPLE_FORECAST)):
        for name, value in example.items():
            flag = f"--{name.replace('_', '-')}"
            command.add_argument(flag, type=type(value), required=True, help=f"such as {value}")
    unset = argparse.SUPPRESS
    forecast.add_argument("--model", default=unset, help="arima (the default) or best")
    forecast.add_argument("--level", default=unset, type=int, help="80 (the default) or 95 percent")
    return parser


def _predict(client: SalesForecastClient, question: Mapping[str, Any]) -> None:
    answer = client.predict_sales(**question)
    print(f"predict_sales  {json.dumps(question)}")
    print(json.dumps(answer, indent=2))


def _forecast(client: SalesForecastClient, question: Mapping[str, Any]) -> None:
    weeks = client.forecast_sales(
        question["store"], question["steps"], question.get("model"), question.get("level")
    )
    print(f"forecast_sales  {json.dumps(question)}")
    print(f"{'Date':<12}{'Sales':>16}{'lower':>16}{'upper':>16}")
    for week in weeks:
        numbers = (week["Sales"], week["lower"], week["upper"])
        cells = "".join(f"{'-' if number is None else f'{number:,.2f}':>16}" for number in numbers)
        print(f"{week['Date']:<12}{cells}")


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
            if command in {None, "predict"}:
                _predict(client, chosen or _EXAMPLE_PREDICTION)
            if command in {None, "forecast"}:
                _forecast(client, chosen or _EXAMPLE_FORECAST)
    except (ClientError, SalesForecastError) as error:
        print(f"client.py: {error.message}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

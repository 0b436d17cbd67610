"""The door of the service: `python main.py` serves what the settings name, until told to stop.

`uvicorn --factory main:create` serves the same under a server of one's own choice.
"""

from __future__ import annotations

import argparse
import logging
import signal
import socket
import sys
from collections.abc import Sequence

import uvicorn
from fastapi import FastAPI

from sales_forecast.errors import SalesForecastError, SettingsError
from sales_forecast.service.app import create_app
from sales_forecast.service.live import Live
from sales_forecast.settings import Settings, load_settings

_SECONDS_FOR_OPEN_REQUESTS = 10
_WAITING_CONNECTIONS = 2048


def create() -> FastAPI:
    """Return the application that the environment describes."""
    settings = load_settings()
    return create_app(Live.from_settings(settings), _api_key(settings))


class _Server(uvicorn.Server):
    """Says where it listens, once it does."""

    def __init__(self, config: uvicorn.Config, live: Live, address: str, access: str) -> None:
        super().__init__(config)
        self._live = live
        self._address = address
        self._access = access

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and print one line."""
        await super().startup(sockets)
        if self.started:
            where = f"Sales Forecasting on {self._address} (docs: /docs)."
            print(where, self._model(), self._access, flush=True)

    def _model(self) -> str:
        try:
            predictor = self._live.predictor
        except SalesForecastError as error:
            return f"Not ready yet: {error.message}"
        return f"Model {predictor.version}, sales known until {predictor.origin}."


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_WAITING_CONNECTIONS)
    except OSError as error:
        raise SettingsError(
            f"Cannot listen on {host}:{port}: {error.strerror}. "
            "Stop what listens there, or choose another port with --port or PORT."
        ) from error


def _access(settings: Settings) -> str:
    if _api_key(settings) is None:
        return "Open to everyone who can reach it: API_KEY is not set."
    return "Answers those who send the API key."


def _api_key(settings: Settings) -> str | None:
    return settings.api_key.get_secret_value() if settings.api_key else None


def _serve(settings: Settings, host: str, port: int) -> None:
    live = Live.from_settings(settings)
    with _listen(host, port) as listener:
        config = uvicorn.Config(
            create_app(live, _api_key(settings)),
            access_log=False,
            log_level="warning",
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=_SECONDS_FOR_OPEN_REQUESTS,
        )
        bound = listener.getsockname()[1]  # port 0 lets the system choose
        address = f"http://{f'[{host}]' if ':' in host else host}:{bound}"
        _Server(config, live, address, _access(settings)).run(sockets=[listener])


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C. Returns 0, or 1 with a one-line reason."""
    parser = argparse.ArgumentParser(description="Serve sales forecasts over HTTP.")
    parser.add_argument("--host", help="instead of the setting HOST")
    parser.add_argument(
        "--port",
        type=int,
        choices=range(65536),
        metavar="0..65535",
        help="instead of the setting PORT; 0: any free one",
    )
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # The server finishes open requests, then sends itself the signal once more.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        settings = load_settings()
        port = settings.port if chosen.port is None else chosen.port
        _serve(settings, chosen.host or settings.host, port)
    except SalesForecastError as error:
        print(f"main.py: {error.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())

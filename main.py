"""The door of the service: `python main.py` serves what the settings name, until told to stop.

`uvicorn main:app` and `fastapi run main.py` serve the same under a server of one's own choice.
"""

from __future__ import annotations

import argparse
import errno
import logging
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from sales_forecast.commands.ending import ended
from sales_forecast.data.ledger.ledger import Ledger
from sales_forecast.errors import SalesForecastError, SettingsError, brief
from sales_forecast.service.api_keys import ROLES, new_entry
from sales_forecast.service.app import create_app
from sales_forecast.service.live import Live
from sales_forecast.service.server import serve
from sales_forecast.settings import LAST_PORT, Settings, load_settings
from sales_forecast.web.pages import Pages

_WAITING_CONNECTIONS = 2048
_STDOUT = 1
_STARTED, _FIRST = "started", "first"
"""Files in the folder of all workers: one of them has said that it answers; one may answer without
a model."""


def create(
    started: Callable[[Live], object] = lambda _: None,
    *,
    others_answer: Callable[[], bool] = lambda: False,
) -> ASGIApp:
    """Return the application that the environment describes. See `create_app`."""
    settings = load_settings()
    live, ledger = Live.from_settings(settings), Ledger.from_settings(settings)
    return create_app(
        live,
        ledger=ledger,
        pages=Pages(live, settings, ledger),
        # Not through a buffer, which would be emptied in the middle of a line.
        write_log=partial(os.write, _STDOUT) if settings.access_log else None,
        counts=settings.prometheus_multiproc_dir,
        threads=settings.threads,
        others_answer=others_answer,
        rate_limit=settings.rate_limit,
        trusted_proxies=settings.trusted_proxies,
        started=partial(started, live),
    )


class _App(FastAPI):
    """What the environment describes, once a server has started it: nothing is read before."""

    _described: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See `create`. What is wrong with the environment ends the start with a sentence."""
        if self._described is None:
            try:
                self._described = create()
            except SalesForecastError as error:
                await receive()
                await send({"type": "lifespan.startup.failed", "message": error.message})
                return
        await self._described(scope, receive, send)


app = _App()


@dataclass(frozen=True)
class _Service:
    """What each worker runs; the first that has started says so."""

    address: str
    shared: Path | None
    """A folder of all workers, where there are several."""

    def __call__(self) -> ASGIApp:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
        return create(self._say, others_answer=self._others_answer)

    def _say(self, live: Live) -> None:
        if self.shared is None or _is_first(self.shared / _STARTED):
            where = f"Sales Forecasting on {self.address} (docs: /docs)."
            with suppress(OSError):  # nobody reads it, or it has no place: no reason not to serve
                os.write(_STDOUT, f"{where} {_model(live)} {_access(live)}\n".encode())

    def _others_answer(self) -> bool:
        return self.shared is not None and not _is_first(self.shared / _FIRST)


def _is_first(file: Path) -> bool:
    try:
        file.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _model(live: Live) -> str:
    try:
        predictor = live.predictor
    except SalesForecastError as error:
        return f"Not ready yet: {error.message}"
    return f"Model {predictor.version}, sales known until {predictor.origin}."


def _access(live: Live) -> str:
    if live.keys is None:
        return "Open to everyone who can reach it: API_KEY is not set."
    number = len(live.keys)
    keys = "the API key" if number == 1 else f"one of {number} API keys"
    return f"Answers those who send {keys}."


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_WAITING_CONNECTIONS)
    except (OSError, UnicodeError) as error:
        number = getattr(error, "errno", None)
        if number in {errno.EADDRINUSE, errno.EACCES}:
            problem = f"{host}:{port}: {os.strerror(number)}. Stop what listens there, or choose"
            problem += " another port with --port or PORT."
        else:
            problem = (
                f"{host}: this machine has no such address. Choose another with --host or HOST."
            )
        raise SettingsError(f"Cannot listen on {problem}") from error


def _serve(settings: Settings, host: str, port: int) -> None:
    Live.from_settings(settings)  # what is wrong with them is said once, and not by each worker
    with _listen(host, port) as listener, _shared_folder(settings.workers) as shared:
        bound = listener.getsockname()[1]  # port 0 lets the system choose
        address = f"http://{f'[{host}]' if ':' in host else host}:{bound}"
        serve(listener, _Service(address, shared), settings.workers)


@contextmanager
def _shared_folder(workers: int) -> Iterator[Path | None]:
    """Give several workers a folder to count in; where it is they learn from the environment."""
    if workers == 1:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="sales-forecast-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        yield Path(folder)


def _port(text: str) -> int:
    if not text.isdecimal() or len(text) > len(str(LAST_PORT)) or int(text) > LAST_PORT:
        raise argparse.ArgumentTypeError(
            f"{brief(text)} is not a whole number from 0 to {LAST_PORT}"
        )
    return int(text)


def _new_key(name: str, role: str) -> int:
    """Print the lines for the file, and beside them, where `>> FILE` does not take it, the key."""
    try:
        key, lines = new_entry(name, role)
    except SalesForecastError as error:
        print(f"main.py: {error.message}", file=sys.stderr)
        return 2
    print(lines, end="")
    print(f"The key of {name}, shown this once: {key}", file=sys.stderr)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C. Returns 0, or 1 with a one-line reason."""
    parser = argparse.ArgumentParser(description="Serve sales forecasts over HTTP.")
    parser.add_argument("--host", help="instead of the setting HOST")
    parser.add_argument(
        "--port",
        type=_port,
        metavar="0..65535",
        help="instead of the setting PORT; 0: any free one",
    )
    parser.add_argument(
        "--new-key",
        nargs=2,
        metavar=("NAME", "ROLE"),
        help=f"print a new API key and its lines for API_KEYS_FILE; roles: {', '.join(ROLES)}",
    )
    chosen = parser.parse_args(arguments)
    if chosen.new_key:
        return _new_key(*chosen.new_key)
    try:
        settings = load_settings()
        port = settings.port if chosen.port is None else chosen.port
        _serve(settings, chosen.host or settings.host, port)
    except SalesForecastError as error:
        print(f"main.py: {error.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass  # open requests are finished: the server sends itself its signal once more
    return 0


if __name__ == "__main__":
    sys.exit(ended(main))

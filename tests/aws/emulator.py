"""AWS's emulator, moto: one in this process, and one beside it of which copies can be taken.

That of this process answers boto3 by a call: the network between them took a quarter of all that
tests of AWS did. Other processes reach the same account by HTTP.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.handlers import BUILTIN_HANDLERS
from botocore.httpsession import URLLib3Session

from tests.aws.account import Account

_SETTINGS = {
    "MOTO_ACM_VALIDATION_WAIT": "0",
    "MOTO_ECS_SERVICE_RUNNING": "0",
    "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",  # 10 MB of them for each empty account
    "MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION": "true",
}


@contextmanager
def emulator() -> Iterator[Account]:
    """Run the emulator in this process, and for others on a free port of the loopback."""
    with mock.patch.dict(os.environ, _SETTINGS):
        # Only now: it reads its settings when it is imported, and takes seconds.
        from moto.core.models import botocore_stubber  # noqa: PLC0415
        from moto.moto_server import werkzeug_app  # noqa: PLC0415
        from werkzeug.serving import make_server  # noqa: PLC0415

        from tests.aws import emulated_budgets  # noqa: F401, PLC0415

        with suppress(ValueError):  # it was done before
            BUILTIN_HANDLERS.remove(("before-send", botocore_stubber))  # its own way into boto3
        application = werkzeug_app.DomainDispatcherApplication(werkzeug_app.create_backend_app)
        server = make_server(
            "127.0.0.1", 0, application, threaded=True,
            request_handler=werkzeug_app.MotoRequestHandler,
        )  # fmt: skip
        url = f"http://127.0.0.1:{server.port}"
        network = URLLib3Session.send

        def send(self: URLLib3Session, request: AWSPreparedRequest) -> AWSResponse:
            if request.url.startswith(url):
                return _answer(application, request)
            return network(self, request)

        threading.Thread(target=server.serve_forever, daemon=True).start()
        with mock.patch.object(URLLib3Session, "send", send):
            yield _Here(url)
        server.shutdown()
        server.server_close()


class _Here(Account):
    def reset(self) -> None:
        from moto.moto_api._internal.models import moto_api_backend  # noqa: PLC0415

        moto_api_backend.reset()


def _answer(application: Any, request: AWSPreparedRequest) -> AWSResponse:
    """Do what the application does with a request that came by HTTP."""
    from moto.core.botocore_stubber import MockRawResponse  # noqa: PLC0415
    from moto.core.request import Request  # noqa: PLC0415
    from werkzeug.exceptions import HTTPException  # noqa: PLC0415

    come = Request.from_primitives(request.method, request.url, request.headers, request.body)
    service = application.get_application(come.environ)
    view, _ = service.url_map.bind_to_environ(come.environ).match()
    try:
        status, headers, body = service.view_functions[view].callback(
            come, come.raw_url, dict(come.headers)
        )
    except HTTPException as error:
        status, headers, body = error.code, dict(error.get_headers()), error.get_body()
    return AWSResponse(request.url, status, headers, MockRawResponse(body))


class CopyableAccount(Account):
    """One of which copies can be taken, each with all that is in it at that moment."""

    @contextmanager
    def copy(self) -> Iterator[Account]:
        made = httpx.get(f"{self.url}/copy", timeout=30).raise_for_status().json()
        try:
            yield Account(f"http://127.0.0.1:{made['port']}")
        finally:
            os.kill(made["pid"], signal.SIGKILL)


@contextmanager
def copyable_emulator() -> Iterator[CopyableAccount]:
    """Run one of which copies can be taken."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.aws.copyable_emulator", str(port)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **_SETTINGS},
    )
    try:
        _until(lambda: server.poll() is not None or _answers(port))
        yield CopyableAccount(f"http://127.0.0.1:{port}")
    finally:
        server.terminate()
        server.wait(timeout=60)


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _until(done: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "the emulator does not start"
        time.sleep(0.05)

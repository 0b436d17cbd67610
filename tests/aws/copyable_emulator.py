"""The emulator in one thread, which can copy itself: `python -m tests.aws.copyable_emulator PORT`.

GET /copy forks the process. The copy holds the account as it is at that moment, answers on a port
of its own for as long as it is wanted, and goes its own way. So a test can see what becomes of an
account after each single call without making it anew each time.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

from tests.aws import emulated_budgets  # noqa: F401


def main(port: int) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a copy that ends
    emulate = DomainDispatcherApplication(create_backend_app)

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/copy":
            return emulate(environ, start_response)
        body = json.dumps(copy(answer)).encode()
        start_response("200 OK", [("Content-Type", "application/json")])
        return [body]

    make_server("127.0.0.1", port, answer, request_handler=MotoRequestHandler).serve_forever()


def copy(answer: Callable[..., Any]) -> dict[str, int]:
    """Fork; return port and process id of the copy, which listens already."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        port = listener.getsockname()[1]
        child = os.fork()
        if child == 0:
            make_server(
                "127.0.0.1", port, answer, request_handler=MotoRequestHandler, fd=listener.fileno()
            ).serve_forever()
        return {"port": port, "pid": child}


if __name__ == "__main__":
    main(int(sys.argv[1]))

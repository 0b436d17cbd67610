"""A server in this process, over an application that says hello, driven one step at a time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from sales_forecast.service.server import _config, _Server

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
AT_ONCE = 50
Step = Callable[[_Server, socket.socket], Awaitable[Any]]


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """Say what was asked: path, bytes of the body, names of the headers."""
    if scope["type"] != "http":
        return
    size, more = 0, scope["method"] == "POST"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message["body"]), message["more_body"]
    names = b" ".join(name for name, _ in scope["headers"])
    said = b"hello %b %d %b" % (scope["raw_path"], size, names)
    length = b"%d" % len(said)
    headers = [(b"content-length", length)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": said})


@pytest.fixture(params=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Callable[[Step], Any]:
    """Return what starts a server and does one step, which must stop it."""
    pytest.importorskip(request.param, reason="there is no uvloop for Windows")
    config = _config(lambda: hello)
    config.loop = request.param

    async def go(step: Step) -> Any:
        with socket.create_server(("127.0.0.1", 0), backlog=AT_ONCE) as listener:
            config.load()
            server = _Server(config)
            server.lifespan = config.lifespan_class(config)
            await server.startup([listener])
            try:
                async with asyncio.timeout(30):
                    return await step(server, listener)
            finally:  # uvloop waits for ever where it is to end with a listener that is open
                for of in server.servers:
                    of.close()

    def run(step: Step) -> Any:
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            return runner.run(go(step))

    return run


def connect(listener: socket.socket, clients: ExitStack) -> socket.socket:
    client = clients.enter_context(socket.create_connection(listener.getsockname()))
    client.setblocking(False)
    return client


async def answered(client: socket.socket) -> None:
    """Ask, and read the whole answer."""
    client.send(REQUEST)
    while b"hello" not in await asyncio.get_running_loop().sock_recv(client, 4096):
        pass


async def status(client: socket.socket) -> bytes:
    """Return the beginning of the answer; nothing if the server hung up."""
    try:
        return await asyncio.get_running_loop().sock_recv(client, 12)
    except ConnectionError:
        return b""


async def everything(client: socket.socket) -> bytes:
    """Read until the server hangs up."""
    content = b""
    with suppress(ConnectionError):
        while part := await asyncio.get_running_loop().sock_recv(client, 1 << 16):
            content += part
    return content
